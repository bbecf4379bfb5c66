// Counts and durations of requests, by model and version, as ModelStatistics answers them.
import type { InferResponseStatistics } from '../gen/inference/InferResponseStatistics.ts';
import type { ModelStatistics } from '../gen/inference/ModelStatistics.ts';
import type { StatisticDuration } from '../gen/inference/StatisticDuration.ts';

/** Milliseconds of the parts of one request, or of one of its answers. */
export interface Phases {
  readonly inputMs: number;
  /** Waiting for a place; part of `inferMs` until it is known. */
  readonly queueMs: number;
  readonly inferMs: number;
  readonly outputMs: number;
}

class Duration {
  count = 0;
  ms = 0;

  add(ms: number, count = 1): void {
    this.count += count;
    this.ms += Math.max(0, ms);
  }

  message(): StatisticDuration {
    return { count: this.count, ns: Math.round(this.ms * 1e6) };
  }
}

class BatchCounts {
  readonly input = new Duration();
  readonly infer = new Duration();
  readonly output = new Duration();
}

class ResponseCounts {
  readonly infer = new Duration();
  readonly output = new Duration();
  readonly success = new Duration();
  readonly empty = new Duration();
  readonly fail = new Duration();
  readonly cancel = new Duration();

  message(): InferResponseStatistics {
    return {
      computeInfer: this.infer.message(),
      computeOutput: this.output.message(),
      success: this.success.message(),
      fail: this.fail.message(),
      emptyResponse: this.empty.message(),
      cancel: this.cancel.message(),
    };
  }
}

/** Limit: answers further along in a stream are not counted one by one. */
const countedResponses = 256;

/** What one version of a model did. */
export class ModelCounts {
  readonly name: string;
  readonly version: string;
  #lastMs = 0;
  #rows = 0;
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #total = new BatchCounts();
  readonly #batches = new Map<number, BatchCounts>();
  readonly #responses: ResponseCounts[] = [];

  constructor(name: string, version: string) {
    this.name = name;
    this.version = version;
  }

  /** @param runs - rows of each run of the model that the request took */
  succeeded(totalMs: number, runs: readonly number[], phases: Phases): void {
    const { inputMs, queueMs, inferMs, outputMs } = phases;
    this.#touch();
    this.#success.add(totalMs);
    this.#queue.add(queueMs);
    this.#total.input.add(inputMs);
    this.#total.infer.add(inferMs - queueMs);
    this.#total.output.add(outputMs);
    for (const rows of runs) {
      const batch = this.#batches.get(rows) ?? new BatchCounts();
      this.#batches.set(rows, batch);
      this.#rows += rows;
      batch.input.add(inputMs / runs.length);
      batch.infer.add((inferMs - queueMs) / runs.length);
      batch.output.add(outputMs / runs.length);
    }
  }

  failed(totalMs: number): void {
    this.#touch();
    this.#fail.add(totalMs);
  }

  /** One answer of a stream. @param index - its place among the answers of its request */
  responded(index: number, kind: 'success' | 'empty' | 'fail' | 'cancel', inferMs: number, outputMs: number): void {
    if (index >= countedResponses) return;
    const counts = this.#responses[index] ?? new ResponseCounts();
    this.#responses[index] = counts;
    if (kind === 'success') {
      counts.infer.add(inferMs);
      counts.output.add(outputMs);
    }
    counts[kind].add(inferMs + outputMs);
  }

  message(): ModelStatistics {
    const batches = [...this.#batches].sort(([left], [right]) => left - right);
    const none = { count: 0, ns: 0 };
    return {
      name: this.name,
      version: this.version,
      lastInference: this.#lastMs,
      inferenceCount: this.#rows,
      executionCount: batches.reduce((sum, [, { infer }]) => sum + infer.count, 0),
      inferenceStats: {
        success: this.#success.message(),
        fail: this.#fail.message(),
        queue: this.#queue.message(),
        computeInput: this.#total.input.message(),
        computeInfer: this.#total.infer.message(),
        computeOutput: this.#total.output.message(),
        cacheHit: none,
        cacheMiss: none,
      },
      batchStats: batches.map(([batchSize, { input, infer, output }]) => ({
        batchSize,
        computeInput: input.message(),
        computeInfer: infer.message(),
        computeOutput: output.message(),
      })),
      responseStats: Object.fromEntries(this.#responses.map((counts, index) => [String(index), counts.message()])),
    };
  }

  #touch(): void {
    this.#lastMs = Date.now();
  }
}

/** One `ModelCounts` a version. */
export class StatisticsBook {
  readonly #counts = new Map<string, ModelCounts>();

  of({ name, version }: { readonly name: string; readonly version: string }): ModelCounts {
    const key = `${name}@${version}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    const counts = new ModelCounts(name, version);
    this.#counts.set(key, counts);
    return counts;
  }

  all(): readonly ModelCounts[] {
    return [...this.#counts.values()].sort((left, right) => left.name.localeCompare(right.name));
  }
}

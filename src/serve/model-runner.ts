// Runs steps of one model on a device: one program for prompts, pieces of prompts and decoding, and the caches it extends.
import { AppError, at, invariant } from '#base';
import type { Engine } from '#engine';
import { graphNames, type Model } from '#models';
import { int32, int64 } from '#tensor';
import type { StepExecutor, StepShare } from './batcher.ts';
import { type ComputeFormOptions, compileForms } from './compute-forms.ts';
import { type CacheBinding, KeyValueCaches } from './key-value-caches.ts';
import type { SequenceId } from './scheduler.ts';
import type { StepPrograms } from './step-programs.ts';

type StepResults = ReadonlyMap<SequenceId, Float32Array | AppError>;

/** One row of a batch: the tokens that it runs and where they stand. */
interface Row {
  readonly tokens: readonly number[];
  /** Position of the first of them. */
  readonly start: number;
}

/**
 * The executor of a batcher. Weights are on the device once: the same programs, with symbols for batch and length, do every kind of step.
 *
 * Shares of one token run as one batch; a share of more runs alone.
 */
export class ModelRunner implements StepExecutor {
  /** Bytes of the weights, as graphs use them. */
  readonly weightBytes: number;
  readonly #programs: StepPrograms;
  readonly #vocabularySize: number;
  readonly #contextTokens: number;
  readonly #caches: KeyValueCaches;
  /** Tokens of each sequence that are in its cache. */
  readonly #lengths = new Map<SequenceId, number>();
  readonly #leaving = new Set<SequenceId>();
  #isRunning = false;

  private constructor(programs: StepPrograms, caches: KeyValueCaches, model: Pick<Model, 'config'>) {
    this.#programs = programs;
    this.weightBytes = programs.weightBytes;
    this.#caches = caches;
    this.#contextTokens = caches.room;
    this.#vocabularySize = model.config.vocabularySize;
  }

  /** Does not keep `model` itself: its tensors are free when nobody else holds them. @throws AppError `engine_failure` | `out_of_memory` */
  static async create(engine: Engine, model: Model, options: ComputeFormOptions): Promise<ModelRunner> {
    const programs = await compileForms(engine, model, options);
    return new ModelRunner(programs, new KeyValueCaches(engine, model.config, options.contextTokens), model);
  }

  /** Bytes of all key-value caches. */
  get cacheBytes(): number {
    return this.#caches.sizeBytes;
  }

  async run(shares: readonly StepShare[], signal?: AbortSignal): Promise<StepResults> {
    invariant(!this.#isRunning, 'two steps of one model overlap');
    this.#isRunning = true;
    try {
      const [only] = shares;
      const isPrompt = only !== undefined && only.tokens.length > 1;
      invariant(!isPrompt || shares.length === 1, 'a share of several tokens runs alone');
      return isPrompt ? await this.#runAlone(only, signal) : await this.#runBatch(shares, signal);
    } finally {
      this.#isRunning = false;
      for (const id of this.#leaving) this.release(id);
      this.#leaving.clear();
    }
  }

  release(id: SequenceId): void {
    if (this.#isRunning) {
      this.#leaving.add(id);
      return;
    }
    this.#lengths.delete(id);
    this.#caches.release(id);
  }

  /** Frees the program and the caches; weights that were handed in stay. No step may be under way. */
  async dispose(): Promise<void> {
    this.#lengths.clear();
    await this.#caches.dispose();
    await this.#programs.release();
  }

  #admit(id: SequenceId): void {
    if (this.#lengths.has(id)) return;
    this.#caches.create(id);
    this.#lengths.set(id, 0);
  }

  async #runAlone(share: StepShare, signal: AbortSignal | undefined): Promise<StepResults> {
    this.#admit(share.id);
    const logits = await this.#runRows([this.#row(share)], this.#caches.own(share.id), wantedRows(share), signal);
    this.#extend(share);
    return new Map(logits === undefined ? [] : [[share.id, logits]]);
  }

  async #runBatch(shares: readonly StepShare[], signal: AbortSignal | undefined): Promise<StepResults> {
    const results = new Map<SequenceId, Float32Array | AppError>();
    for (const { id } of shares) {
      try {
        this.#admit(id);
        await this.#caches.join(id);
      } catch (thrown) {
        // Who finds no room fails alone.
        results.set(id, AppError.from(thrown));
      }
    }
    const shareById = new Map(shares.filter(({ id }) => !results.has(id)).map((share) => [share.id, share]));
    if (shareById.size === 0) return results;
    const cache = await this.#caches.batch();
    const { rows } = this.#caches;
    const batch = rows.map((id) => {
      const share = id === undefined ? undefined : shareById.get(id);
      // A row that has nothing to run writes where its next token will: nothing that counts is lost.
      return share === undefined ? { tokens: [0], start: id === undefined ? 0 : this.#length(id) } : this.#row(share);
    });
    const isWanted = shares.some(({ wantsLogits }) => wantsLogits !== 'none');
    const logits = await this.#runRows(batch, cache, isWanted ? [...rows.keys()] : [], signal);
    const V = this.#vocabularySize;
    for (const share of shareById.values()) {
      this.#extend(share);
      const row = rows.indexOf(share.id);
      if (logits !== undefined && share.wantsLogits !== 'none') results.set(share.id, logits.subarray(row * V, (row + 1) * V));
    }
    return results;
  }

  /** Rows of one length T. Returns the logits after the tokens `logitRows` of [B*T], [M*V]; nothing where there are none. */
  async #runRows(
    rows: readonly Row[],
    cache: CacheBinding,
    logitRows: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<Float32Array | undefined> {
    const [B, T] = [rows.length, at(rows, 0).tokens.length];
    const lengths = rows.map(({ start, tokens }) => start + tokens.length);
    const totalLength = Math.max(...lengths);
    // The kernel would write behind the cache.
    invariant(totalLength <= this.#contextTokens, `${totalLength} tokens do not fit a cache of ${this.#contextTokens}`);
    const inputs = {
      [graphNames.tokens]: int64(
        [B, T],
        rows.flatMap(({ tokens }) => tokens),
      ),
      [graphNames.positions]: int64(
        [B, T],
        rows.flatMap(({ start, tokens }) => tokens.map((_, index) => start + index)),
      ),
      [graphNames.lastIndex]: int32(
        [B],
        lengths.map((length) => length - 1),
      ),
      [graphNames.totalLength]: int32([1], [totalLength]),
      // Kernels are not asked for results of no rows.
      [graphNames.logitRows]: int64([Math.max(1, logitRows.length)], logitRows.length === 0 ? [0] : logitRows),
    };
    const logits = await this.#programs.run(inputs, cache, signal);
    try {
      if (logitRows.length === 0) return undefined;
      const { data } = logits.read();
      invariant(data instanceof Float32Array, 'logits are float32');
      return data;
    } finally {
      logits.release();
    }
  }

  #row({ id, tokens, start = this.#length(id) }: StepShare): Row {
    invariant(start <= this.#length(id), `sequence ${id} goes on at ${start}, behind its ${this.#length(id)} tokens`);
    return { tokens, start };
  }

  #extend(share: StepShare): void {
    const { start, tokens } = this.#row(share);
    this.#lengths.set(share.id, start + tokens.length);
  }

  #length(id: SequenceId): number {
    const length = this.#lengths.get(id);
    invariant(length !== undefined, `sequence ${id} is not in the runner`);
    return length;
  }
}

/** Of a share that runs alone. */
function wantedRows({ tokens, wantsLogits }: StepShare): number[] {
  if (wantsLogits === 'none') return [];
  return wantsLogits === 'all' ? [...tokens.keys()] : [tokens.length - 1];
}

// Runs steps of one model on a device: one program for prompts, pieces of prompts and decoding, and the cache it extends.
import { AppError, at, invariant, type Meter } from '#base';
import type { Engine } from '#engine';
import { graphNames, type Model } from '#models';
import { int32, int64 } from '#tensor';
import type { Deliver, Step, StepExecutor, StepShare } from './batcher.ts';
import type { Arrangement } from './cache-grid.ts';
import { type ComputeFormOptions, compileForms } from './compute-forms.ts';
import { type CacheBinding, KeyValueCaches } from './key-value-caches.ts';
import type { BestToken, StepResult } from './sequence.ts';
import { StepMeter } from './step-meter.ts';
import type { StepPrograms } from './step-programs.ts';
import { TokenPicker } from './token-picker.ts';

/** One row of a batch: the tokens that it runs and where they stand. */
type Row = Pick<StepShare, 'tokens' | 'start'>;

/**
 * The executor of a batcher. Weights are on the device once: the same programs, with symbols for batch and length, do every kind of step.
 *
 * Shares of one token run as one batch, from the first row to the last that has one; after it each share of more runs alone, because attention
 * kernels take several tokens behind a past for one row only. What the batch made is handed over while the next run is under way.
 */
export class ModelRunner implements StepExecutor {
  /** Bytes of the weights, as graphs use them. */
  readonly weightBytes: number;
  readonly #programs: StepPrograms;
  readonly #vocabularySize: number;
  readonly #caches: KeyValueCaches;
  readonly #meter: StepMeter;
  readonly #picker: TokenPicker;
  #isRunning = false;

  private constructor(programs: StepPrograms, caches: KeyValueCaches, picker: TokenPicker, model: Pick<Model, 'config'>, meter: StepMeter) {
    this.#meter = meter;
    this.#picker = picker;
    this.#programs = programs;
    this.weightBytes = programs.weightBytes;
    this.#caches = caches;
    this.#vocabularySize = model.config.vocabularySize;
  }

  /** Does not keep `model` itself: its tensors are free when nobody else holds them. @throws AppError `engine_failure` | `out_of_memory` */
  static async create(engine: Engine, model: Model, options: ComputeFormOptions & { readonly meter?: Meter }): Promise<ModelRunner> {
    const programs = await compileForms(engine, model, options);
    const picker = new TokenPicker(engine, model.config.vocabularySize);
    return new ModelRunner(
      programs,
      new KeyValueCaches(engine, model.config, programs.cacheType),
      picker,
      model,
      new StepMeter(options.meter),
    );
  }

  /** Bytes of one block of one sequence. */
  get blockBytes(): number {
    return this.#caches.blockBytes;
  }

  /** Bytes of the key-value cache. */
  get cacheBytes(): number {
    return this.#caches.sizeBytes;
  }

  arrange(arrangement: Arrangement): Promise<void> {
    invariant(!this.#isRunning, 'the cache changes its size during a step');
    return this.#caches.arrange(arrangement);
  }

  clear(): void {
    invariant(!this.#isRunning, 'the cache is given back during a step');
    this.#caches.clear();
  }

  async run({ copies, lengths, shares }: Step, deliver: Deliver, signal?: AbortSignal): Promise<void> {
    invariant(!this.#isRunning, 'two steps of one model overlap');
    this.#isRunning = true;
    try {
      for (const copy of copies) await this.#caches.copy(copy);
      const singles = shares.filter(({ tokens }) => tokens.length === 1);
      const others = shares.filter(({ tokens }) => tokens.length > 1);
      let handOver = singles.length === 0 ? undefined : await settled(this.#runBatch(singles, lengths, signal), singles, deliver);
      for (const share of others) {
        const running = settled(this.#runAlone(share, signal), [share], deliver);
        handOver?.();
        handOver = await running;
      }
      handOver?.();
    } finally {
      this.#isRunning = false;
    }
  }

  /** Frees the program and the cache; weights that were handed in stay. No step may be under way. */
  async dispose(): Promise<void> {
    await this.#caches.dispose();
    await this.#picker.release();
    await this.#programs.release();
  }

  async #runAlone(share: StepShare, signal: AbortSignal | undefined): Promise<readonly (StepResult | undefined)[]> {
    const wantsBest = share.wantsLogits === 'best';
    const results = await this.#runRows([share], this.#caches.view(share.row, 1), wantedRows(share), wantsBest, signal);
    this.#meter.ran([share.tokens.length], share.tokens.length);
    return [results instanceof Float32Array ? results : results?.[0]];
  }

  /** Returns the results of each share, in order. */
  async #runBatch(
    shares: readonly StepShare[],
    lengths: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<readonly (StepResult | undefined)[]> {
    const first = Math.min(...shares.map(({ row }) => row));
    const count = Math.max(...shares.map(({ row }) => row)) + 1 - first;
    // A row that has nothing to run writes where its next token will: nothing that counts is lost.
    const rows: Row[] = Array.from({ length: count }, (_, index) => ({ tokens: idleTokens, start: at(lengths, first + index) }));
    for (const share of shares) rows[share.row - first] = share;
    const wanted = shares.filter(({ wantsLogits }) => wantsLogits !== 'none');
    const logitRows = wanted.map(({ row }) => row - first);
    const wantBest = wanted.every(({ wantsLogits }) => wantsLogits === 'best');
    const results = await this.#runRows(rows, this.#caches.view(first, count), logitRows, wantBest, signal);
    this.#meter.ran(
      shares.map(({ tokens }) => tokens.length),
      count,
    );
    const V = this.#vocabularySize;
    return shares.map((share) => {
      const place = wanted.indexOf(share);
      if (place < 0) return undefined;
      return results instanceof Float32Array ? results.subarray(place * V, (place + 1) * V) : results?.[place];
    });
  }

  /**
   * Rows of one length T. Returns the logits after the tokens `logitRows` of [B*T], [M*V], or the best token after each where all want only that;
   * nothing where there are none.
   */
  async #runRows(
    rows: readonly Row[],
    cache: CacheBinding,
    logitRows: readonly number[],
    wantBest: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array | readonly BestToken[] | undefined> {
    const [B, T] = [rows.length, at(rows, 0).tokens.length];
    const lengths = rows.map(({ start, tokens }) => start + tokens.length);
    const totalLength = Math.max(...lengths);
    // The kernel would write behind the cache.
    invariant(totalLength <= this.#caches.room, `${totalLength} tokens do not fit a cache of ${this.#caches.room}`);
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
      if (wantBest) return await this.#picker.pick(logits, signal);
      const { data } = logits.read();
      invariant(data instanceof Float32Array, 'logits are float32');
      return data;
    } finally {
      logits.release();
    }
  }
}

const idleTokens = [0];

/** Of a share that runs alone. */
function wantedRows({ tokens, wantsLogits }: StepShare): number[] {
  if (wantsLogits === 'none') return [];
  return wantsLogits === 'all' ? [...tokens.keys()] : [tokens.length - 1];
}

/** Waits for a run, and answers what hands its results, or its error, to each of its shares. */
async function settled(
  run: Promise<readonly (StepResult | undefined)[]>,
  shares: readonly StepShare[],
  deliver: Deliver,
): Promise<() => void> {
  const results = await run.catch((thrown: unknown) => AppError.from(thrown));
  return () => {
    for (const [index, { id }] of shares.entries()) deliver(id, results instanceof AppError ? results : results[index]);
  };
}

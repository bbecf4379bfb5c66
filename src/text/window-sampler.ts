// Training windows in a seeded order, with a cursor that can be saved and restored exactly.
import { AppError, at, Random, type RandomState } from '#base';
import { type HostTensor, hostTensor } from '#tensor';

/** Tokens to read and the tokens that follow them. */
export interface TokenBatch {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T]: the token after each. */
  readonly labels: HostTensor<'int64'>;
}

/** Where a sampler stands; plain JSON. */
export interface SamplerCursor {
  readonly epoch: number;
  /** Windows of this epoch that were handed out. */
  readonly position: number;
  /** The generator's state before this epoch's order was drawn. */
  readonly randomState: RandomState;
}

export interface SamplerOptions {
  /** B */
  readonly batch: number;
  /** T */
  readonly window: number;
  readonly seed: number;
}

/**
 * Cuts a corpus into windows of T+1 tokens that share one token with their neighbour, and hands them out in a new random order each epoch.
 *
 * A batch may span two epochs. Equal seeds give equal batches; a sampler restored from a cursor continues bit for bit.
 */
export class WindowSampler {
  readonly windows: number;
  readonly #tokens: Int32Array;
  readonly #batch: number;
  readonly #window: number;
  #epoch = 0;
  #position = 0;
  #random: Random;
  #epochState: RandomState;
  #order: Int32Array;

  /** @throws AppError `empty_data` when the corpus is shorter than one window; `resume_mismatch` for a cursor of other data */
  constructor(tokens: Int32Array, options: SamplerOptions, cursor?: SamplerCursor) {
    const { batch, window, seed } = options;
    if (!(Number.isInteger(batch) && batch > 0 && Number.isInteger(window) && window > 0))
      throw new AppError('invalid_argument', `sampler: batch ${batch} and window ${window} must be whole numbers above 0.`);
    this.windows = Math.floor((tokens.length - 1) / window);
    if (this.windows < 1)
      throw new AppError(
        'empty_data',
        `sampler: ${tokens.length} tokens hold no window of ${window + 1}. Give more text or a shorter window.`,
        {
          details: { tokens: tokens.length, window },
        },
      );
    this.#tokens = tokens;
    this.#batch = batch;
    this.#window = window;
    this.#random = new Random(cursor?.randomState ?? seed);
    this.#epochState = this.#random.state;
    this.#order = this.#random.permutation(this.windows);
    if (cursor === undefined) return;
    if (!(Number.isInteger(cursor.position) && cursor.position >= 0 && cursor.position <= this.windows))
      throw new AppError(
        'resume_mismatch',
        `sampler: position ${cursor.position} is outside the ${this.windows} windows of this data. Resume with the same data and window.`,
      );
    this.#epoch = cursor.epoch;
    this.#position = cursor.position;
  }

  get cursor(): SamplerCursor {
    return { epoch: this.#epoch, position: this.#position, randomState: this.#epochState };
  }

  /** The next batch: tokens and labels [B, T]. */
  next(): TokenBatch {
    const tokens = hostTensor('int64', [this.#batch, this.#window]);
    const labels = hostTensor('int64', [this.#batch, this.#window]);
    for (let row = 0; row < this.#batch; row++) {
      const start = this.#nextWindow() * this.#window;
      for (let column = 0; column < this.#window; column++) {
        tokens.data[row * this.#window + column] = BigInt(at(this.#tokens, start + column));
        labels.data[row * this.#window + column] = BigInt(at(this.#tokens, start + column + 1));
      }
    }
    return { tokens, labels };
  }

  #nextWindow(): number {
    if (this.#position === this.windows) {
      this.#epoch++;
      this.#position = 0;
      this.#epochState = this.#random.state;
      this.#order = this.#random.permutation(this.windows);
    }
    return at(this.#order, this.#position++);
  }
}

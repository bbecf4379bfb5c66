// Training windows in a seeded order, with a cursor that can be saved and restored exactly.
import { AppError, at } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import { type SampledExamples, type SamplerCursor, SeededOrder } from './seeded-order.ts';

/** Tokens to read and the tokens that follow them. */
export interface TokenBatch {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T]: the token after each. */
  readonly labels: HostTensor<'int64'>;
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
  readonly #order: SeededOrder;

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
    this.#order = new SeededOrder(this.windows, 'windows', seed, cursor);
  }

  get cursor(): SamplerCursor {
    return this.#order.cursor;
  }

  /** The next batch: tokens and labels [B, T]. */
  next(): TokenBatch & SampledExamples {
    const examples = Int32Array.from({ length: this.#batch }, () => this.#order.next());
    return windowBatch(this.#tokens, this.#window, examples);
  }
}

/** Windows of `window` tokens of a corpus; window i begins at token i·window. */
export function windowBatch(corpus: Int32Array, window: number, examples: Int32Array): TokenBatch & SampledExamples {
  const tokens = hostTensor('int64', [examples.length, window]);
  const labels = hostTensor('int64', [examples.length, window]);
  examples.forEach((example, row) => {
    const start = example * window;
    for (let column = 0; column < window; column++) {
      tokens.data[row * window + column] = BigInt(at(corpus, start + column));
      labels.data[row * window + column] = BigInt(at(corpus, start + column + 1));
    }
  });
  return { tokens, labels, examples };
}

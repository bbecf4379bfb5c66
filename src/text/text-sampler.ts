// Batches of texts in a seeded order, of similar lengths so that little is padded, with a cursor that can be saved and restored exactly.
import { AppError, at, Random, type RandomState } from '#base';
import type { SamplerCursor } from './seeded-order.ts';
import type { EncodedText } from './sentence-encoder.ts';

export interface TextSamplerOptions {
  /** B */
  readonly batch: number;
  /** The longest text. */
  readonly maxLength: number;
  readonly seed: number;
  /** `buckets` (default): a batch is padded to the next multiple of 16 over its longest text. `fixed`: to `maxLength`. */
  readonly lengths?: 'buckets' | 'fixed';
}

export interface SampledBatch {
  /** Which texts, B of them. */
  readonly indices: Int32Array;
  /** T that they are padded to. */
  readonly length: number;
}

/** Each length is a program of its own: few of them, and still little padding. */
const bucketStep = 16;
/** Batches whose texts are sorted by length together: more pad less, fewer mix better. */
const batchesPerPool = 32;

/**
 * Hands out all texts once an epoch, in a new random order each time; the last batch is filled up with texts of the epoch's beginning.
 *
 * Equal seeds give equal batches; a sampler restored from a cursor continues exactly. The cursor counts batches.
 */
export class TextSampler {
  readonly #texts: readonly EncodedText[];
  readonly #options: TextSamplerOptions;
  #epoch = 0;
  #position = 0;
  #random: Random;
  #epochState: RandomState;
  #batches: readonly Int32Array[];

  /** @throws AppError `empty_data` without texts; `context_too_long` for a text beyond `maxLength`; `resume_mismatch` for a cursor of other data */
  constructor(texts: readonly EncodedText[], options: TextSamplerOptions, cursor?: SamplerCursor) {
    const { batch, maxLength, seed } = options;
    if (texts.length === 0) throw new AppError('empty_data', 'sampler: there is no text. Give at least one.');
    const tooLong = texts.findIndex(({ ids }) => ids.length > maxLength);
    if (tooLong >= 0)
      throw new AppError(
        'context_too_long',
        `text ${tooLong + 1} has ${texts[tooLong]?.ids.length ?? 0} tokens, more than the ${maxLength} of a sequence. Encode it with fewer.`,
      );
    if (!(Number.isInteger(batch) && batch > 0))
      throw new AppError('invalid_argument', `sampler: batch ${batch} must be a whole number above 0.`);
    this.#texts = texts;
    this.#options = options;
    this.#random = new Random(cursor?.randomState ?? seed);
    this.#epochState = this.#random.state;
    this.#batches = this.#draw();
    if (cursor === undefined) return;
    if (!(Number.isInteger(cursor.position) && cursor.position >= 0 && cursor.position <= this.#batches.length))
      throw new AppError(
        'resume_mismatch',
        `sampler: position ${cursor.position} is outside the ${this.#batches.length} batches of this data. Resume with the same data and batch.`,
      );
    this.#epoch = cursor.epoch;
    this.#position = cursor.position;
  }

  get cursor(): SamplerCursor {
    return { epoch: this.#epoch, position: this.#position, randomState: this.#epochState };
  }

  get batchesPerEpoch(): number {
    return this.#batches.length;
  }

  next(): SampledBatch {
    if (this.#position === this.#batches.length) {
      this.#epoch++;
      this.#position = 0;
      this.#epochState = this.#random.state;
      this.#batches = this.#draw();
    }
    const indices = at(this.#batches, this.#position++);
    return { indices, length: this.#paddedLength(indices) };
  }

  #paddedLength(indices: Int32Array): number {
    const { maxLength, lengths = 'buckets' } = this.#options;
    if (lengths === 'fixed') return maxLength;
    const longest = indices.reduce((most, index) => Math.max(most, this.#length(index)), 1);
    return Math.min(maxLength, Math.ceil(longest / bucketStep) * bucketStep);
  }

  #length(index: number): number {
    return at(this.#texts, index).ids.length;
  }

  #draw(): Int32Array[] {
    const { batch } = this.#options;
    const order = this.#random.permutation(this.#texts.length);
    const count = Math.ceil(order.length / batch);
    const filled = Int32Array.from({ length: count * batch }, (_, index) => at(order, index % order.length));
    const pool = batch * batchesPerPool;
    for (let start = 0; start < filled.length; start += pool)
      filled.subarray(start, start + pool).sort((left, right) => this.#length(left) - this.#length(right) || left - right);
    return Array.from(this.#random.permutation(count), (place) => filled.slice(place * batch, (place + 1) * batch));
  }
}

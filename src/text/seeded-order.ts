// The order in which training hands out its examples: a new random one each epoch, with a cursor that can be saved and restored exactly.
import { AppError, at, Random, type RandomState } from '#base';

/** Where a sampler stands; plain JSON. */
export interface SamplerCursor {
  readonly epoch: number;
  /** Examples of this epoch that were handed out. */
  readonly position: number;
  /** The generator's state before this epoch's order was drawn. */
  readonly randomState: RandomState;
}

/** Which examples of the data a batch is made of. */
export interface SampledExamples {
  /** [B]: windows, texts or pairs by their indices in the data. */
  readonly examples: Int32Array;
}

/** Equal seeds give equal orders; one restored from a cursor continues bit for bit. */
export class SeededOrder {
  readonly #count: number;
  #epoch = 0;
  #position = 0;
  #random: Random;
  #epochState: RandomState;
  #order: Int32Array;

  /**
   * @param what - the examples, for messages: `windows`
   * @throws AppError `resume_mismatch` for a cursor of other data
   */
  constructor(count: number, what: string, seed: number, cursor?: SamplerCursor) {
    this.#count = count;
    this.#random = new Random(cursor?.randomState ?? seed);
    this.#epochState = this.#random.state;
    this.#order = this.#random.permutation(count);
    if (cursor === undefined) return;
    if (!(Number.isInteger(cursor.position) && cursor.position >= 0 && cursor.position <= count))
      throw new AppError(
        'resume_mismatch',
        `sampler: position ${cursor.position} is outside the ${count} ${what} of this data. Resume with the same data and window.`,
      );
    this.#epoch = cursor.epoch;
    this.#position = cursor.position;
  }

  get cursor(): SamplerCursor {
    return { epoch: this.#epoch, position: this.#position, randomState: this.#epochState };
  }

  /** The index of the next example. */
  next(): number {
    if (this.#position === this.#count) {
      this.#epoch++;
      this.#position = 0;
      this.#epochState = this.#random.state;
      this.#order = this.#random.permutation(this.#count);
    }
    return at(this.#order, this.#position++);
  }
}

// Keeps the values of a metric's label few, whatever callers send.

/** What stands for every value that is not in the set. */
export const otherLabel = '_OTHER';

/**
 * The first so many values that were admitted; all others are `_OTHER`.
 *
 * Each value of a label is a time series that lives as long as the process, so only what is known to exist is admitted, never what a
 * caller merely named.
 */
export class LabelSet {
  readonly #largestSize: number;
  readonly #values = new Set<string>();

  constructor(largestSize: number) {
    this.#largestSize = largestSize;
  }

  /** Adds a value, where there is room, and answers with its label. */
  admit(value: string): string {
    if (!this.#values.has(value) && this.#values.size < this.#largestSize) this.#values.add(value);
    return this.of(value);
  }

  /** The value, if it was admitted. */
  of(value: string): string {
    return this.#values.has(value) ? value : otherLabel;
  }
}

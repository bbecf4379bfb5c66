// A queue between a producer that pushes and one consumer that iterates.

/**
 * Holds what was pushed until it is taken. Leaving the loop early calls `onLeave`, which stops the producer.
 *
 * States: open → closed, with an error or without one; what was pushed before is still delivered.
 */
export class EventQueue<T> implements AsyncIterableIterator<T> {
  readonly #onLeave: () => void;
  readonly #items: T[] = [];
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #closed: { readonly error?: unknown } | undefined;

  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  /** Adds an item; ignored after the end. */
  push(item: T): void {
    if (this.#closed !== undefined) return;
    const waiting = this.#take();
    if (waiting === undefined) this.#items.push(item);
    else waiting.resolve({ done: false, value: item });
  }

  end(): void {
    if (this.#closed !== undefined) return;
    this.#closed = {};
    this.#take()?.resolve({ done: true, value: undefined });
  }

  /** Ends with an error, which the consumer gets after the items before it. */
  fail(error: unknown): void {
    if (this.#closed !== undefined) return;
    const waiting = this.#take();
    this.#closed = waiting === undefined ? { error } : {};
    waiting?.reject(error);
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#closed === undefined) return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
    const { error } = this.#closed;
    this.#closed = {};
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }

  return(): Promise<IteratorResult<T>> {
    const wasOpen = this.#closed === undefined;
    this.#items.length = 0;
    this.end();
    if (wasOpen) this.#onLeave();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(): { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}

// A queue between a producer that pushes and one consumer that iterates.

/**
 * Holds what was pushed until it is taken. Leaving the loop early calls `onLeave`, which stops the producer.
 *
 * A producer that looks at `isFull` and waits for `onRoom` holds a bounded number of items for a slow consumer.
 *
 * States: open → closed, with an error or without one; what was pushed before is still delivered.
 */
export class EventQueue<T> implements AsyncIterableIterator<T> {
  readonly #onLeave: () => void;
  readonly #limit: number;
  readonly #items: T[] = [];
  #waiting: { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined;
  #closed: { readonly error?: unknown } | undefined;
  #onRoom: (() => void) | undefined;

  /** @param limit - items from which on the queue is full */
  constructor(onLeave: () => void, limit = Number.POSITIVE_INFINITY) {
    this.#onLeave = onLeave;
    this.#limit = limit;
  }

  /** As many items wait as should. */
  get isFull(): boolean {
    return this.#items.length >= this.#limit;
  }

  /** Calls back once, when half of the items that fill the queue are taken, or the queue is closed. */
  onRoom(callback: () => void): void {
    this.#onRoom = callback;
    this.#tellRoom();
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
    this.#tellRoom();
  }

  /** Ends with an error, which the consumer gets after the items before it. */
  fail(error: unknown): void {
    if (this.#closed !== undefined) return;
    const waiting = this.#take();
    this.#closed = waiting === undefined ? { error } : {};
    waiting?.reject(error);
    this.#tellRoom();
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#tellRoom();
      return Promise.resolve({ done: false, value: item });
    }
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

  #tellRoom(): void {
    if (this.#closed === undefined && this.#items.length * 2 > this.#limit) return;
    const callback = this.#onRoom;
    this.#onRoom = undefined;
    callback?.();
  }

  #take(): { resolve: (result: IteratorResult<T>) => void; reject: (error: unknown) => void } | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}

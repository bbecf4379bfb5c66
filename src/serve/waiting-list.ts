// Who waits for a place, in the order in which places are given.

/** Names one sequence for as long as it is served. */
export type SequenceId = number;

export interface WaitingSequence {
  readonly id: SequenceId;
  /** Smaller ones come first. */
  readonly priority: number;
  /** Order of arrival; decides among equal priorities. */
  readonly arrival: number;
  /** It leaves at this time unless it has begun. */
  readonly expiresMs: number;
  /** It had a place before, and does not expire. */
  hasBegun?: boolean;
}

/** By priority and, among equals, by arrival. */
export function inOrder(a: WaitingSequence, b: WaitingSequence): number {
  return a.priority - b.priority || a.arrival - b.arrival;
}

/** Kept in order: few are put back, and most come last. */
export class WaitingList<Item extends WaitingSequence> {
  readonly #items: Item[] = [];
  readonly #ids = new Set<SequenceId>();
  /** Nobody expires before this time. */
  #earliestExpiryMs = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#items.length;
  }

  has(id: SequenceId): boolean {
    return this.#ids.has(id);
  }

  items(): readonly Item[] {
    return this.#items;
  }

  insert(item: Item): void {
    const after = this.#items.findLastIndex((other) => inOrder(other, item) <= 0);
    this.#items.splice(after + 1, 0, item);
    this.#ids.add(item.id);
    if (item.hasBegun !== true) this.#earliestExpiryMs = Math.min(this.#earliestExpiryMs, item.expiresMs);
  }

  /** Takes the first. */
  shift(): Item | undefined {
    const item = this.#items.shift();
    if (item !== undefined) this.#ids.delete(item.id);
    return item;
  }

  /** Unknown ids are ignored. */
  delete(id: SequenceId): void {
    if (!this.#ids.delete(id)) return;
    this.#items.splice(
      this.#items.findIndex((item) => item.id === id),
      1,
    );
  }

  /** Takes those whose time has come. */
  takeExpired(nowMs: number): readonly Item[] {
    if (nowMs < this.#earliestExpiryMs) return [];
    const isExpired = ({ hasBegun, expiresMs }: Item): boolean => hasBegun !== true && expiresMs <= nowMs;
    const expired = this.#items.filter(isExpired);
    for (const { id } of expired) this.delete(id);
    const times = this.#items.filter(({ hasBegun }) => hasBegun !== true).map(({ expiresMs }) => expiresMs);
    this.#earliestExpiryMs = Math.min(Number.POSITIVE_INFINITY, ...times);
    return expired;
  }
}

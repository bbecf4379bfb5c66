// How the runtime's arena grows: what it takes from the system for a sequence of blocks that come and go.

/** Sizes are rounded up to this. */
const blockBytes = 256;
/** A free chunk that is less than twice too large is given away whole, unless so much of it would lie idle. */
const mostIdleBytes = 128 * 2 ** 20;

interface Chunk {
  sizeBytes: number;
  isFree: boolean;
  previous: Chunk | undefined;
  next: Chunk | undefined;
  /** For an order among chunks of one size. */
  readonly number: number;
}

/** A block that was taken. */
export type ArenaBlock = Chunk;

/**
 * Takes the smallest free chunk that is large enough, splits it where much would be left, joins neighbours that are free, and asks the system for exactly
 * what is missing. Nothing goes back to the system while programs live.
 *
 * @see onnxruntime, core/framework/bfc_arena.cc, with the extension strategy "same as requested". We differ: chunks of one size are taken in the order in
 * which they were made, not by their addresses.
 */
export class ArenaModel {
  readonly #free: Chunk[] = [];
  #numChunks = 0;
  #usedBytes = 0;
  #peakBytes = 0;
  #heldBytes = 0;

  /** Bytes of blocks that were in use together at most. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /** Bytes that the system gave. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  take(sizeBytes: number): ArenaBlock {
    const wanted = Math.max(1, Math.ceil(sizeBytes / blockBytes)) * blockBytes;
    const chunk = this.#smallestFree(wanted) ?? this.#extend(wanted);
    if (chunk.sizeBytes >= 2 * wanted || chunk.sizeBytes - wanted >= mostIdleBytes) this.#split(chunk, wanted);
    chunk.isFree = false;
    this.#usedBytes += chunk.sizeBytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#usedBytes);
    return chunk;
  }

  giveBack(block: ArenaBlock): void {
    this.#usedBytes -= block.sizeBytes;
    block.isFree = true;
    const { previous, next } = block;
    if (next?.isFree === true) this.#join(block, next);
    if (previous?.isFree === true) this.#join(previous, block);
    else this.#free.push(block);
  }

  #smallestFree(wanted: number): Chunk | undefined {
    let best: Chunk | undefined;
    for (const chunk of this.#free) if (chunk.sizeBytes >= wanted && (best === undefined || isBefore(chunk, best))) best = chunk;
    if (best !== undefined) this.#free.splice(this.#free.indexOf(best), 1);
    return best;
  }

  #extend(sizeBytes: number): Chunk {
    this.#heldBytes += sizeBytes;
    return this.#chunk(sizeBytes, undefined, undefined);
  }

  #split(chunk: Chunk, wanted: number): void {
    const rest = this.#chunk(chunk.sizeBytes - wanted, chunk, chunk.next);
    if (chunk.next !== undefined) chunk.next.previous = rest;
    chunk.next = rest;
    chunk.sizeBytes = wanted;
    this.#free.push(rest);
  }

  /** Of two neighbours; the second one is free and is forgotten. */
  #join(first: Chunk, second: Chunk): void {
    const index = this.#free.indexOf(second);
    if (index >= 0) this.#free.splice(index, 1);
    first.sizeBytes += second.sizeBytes;
    first.next = second.next;
    if (second.next !== undefined) second.next.previous = first;
  }

  #chunk(sizeBytes: number, previous: Chunk | undefined, next: Chunk | undefined): Chunk {
    this.#numChunks += 1;
    return { sizeBytes, isFree: true, previous, next, number: this.#numChunks };
  }
}

function isBefore(a: Chunk, b: Chunk): boolean {
  return a.sizeBytes < b.sizeBytes || (a.sizeBytes === b.sizeBytes && a.number < b.number);
}

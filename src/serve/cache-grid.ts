// Which sequence has which row of the key-value cache, what rows still hold, and how large the cache must be. Pure: no device.
import { invariant } from '#base';
import type { SequenceId } from './waiting-list.ts';

/** Positions of one block: memory is counted in blocks, and a row is a number of them. */
export const blockTokens = 16;

export function blocksOf(numTokens: number): number {
  return Math.ceil(numTokens / blockTokens);
}

export interface CacheGridOptions {
  /** Most rows. */
  readonly rows: number;
  /** Most blocks of all rows together. */
  readonly blocks: number;
}

/** The cache gets so many rows of so many blocks; row `i` goes on with what row `from[i]` held, or begins empty. */
export interface Arrangement {
  readonly rows: number;
  readonly columns: number;
  readonly from: readonly (number | undefined)[];
}

/** What lies in row `from` is also put into row `to`. */
export interface RowCopy {
  readonly from: number;
  readonly to: number;
}

/** A sequence has got a row; its first `numCached` tokens are there, once the copy has been made where one is needed. */
export interface Placement {
  readonly row: number;
  readonly numCached: number;
  readonly copy?: RowCopy;
}

interface Row {
  holder: SequenceId | undefined;
  /** Of its holder, or of the sequence that left; the first `length` are in the cache. */
  tokens: readonly number[];
  length: number;
  /** When it was last used: free rows are given away in this order. */
  used: number;
}

/** Rows are made so long at once where the longest sequence may need it. */
const fewColumns = 16;
/** A copy moves a whole row: it pays when it saves at least this part of the row's positions. */
const leastCopied = 1 / 32;

/**
 * Rows side by side, all equally long, because attention reads the keys of a row as one piece of memory and a batch as one piece of rows. So a
 * beginning that two sequences share is copied and not shared, and a block belongs to its row: it is held (by the row's sequence) or free. What
 * lies in free rows is kept until they are given away, those unused for longest first; a new sequence that begins with what any row holds starts
 * from there. Contents are compared token by token: there are as many rows as sequences run at once, and nothing can collide.
 *
 * Invariant: rows × columns never exceeds the blocks there are; a sequence holds at most one row.
 */
export class CacheGrid {
  readonly #maxRows: number;
  #blocks: number;
  #columns = 0;
  #rows: Row[] = [];
  #time = 0;

  constructor({ rows, blocks }: CacheGridOptions) {
    this.#maxRows = rows;
    this.#blocks = blocks;
  }

  get blocks(): number {
    return this.#blocks;
  }

  get numRows(): number {
    return this.#rows.length;
  }

  get columns(): number {
    return this.#columns;
  }

  /** S: positions of a row. */
  get room(): number {
    return this.#columns * blockTokens;
  }

  get numHeld(): number {
    return this.#rows.filter(({ holder }) => holder !== undefined).length;
  }

  /** Blocks with contents of sequences that left. */
  get keptBlocks(): number {
    return this.#rows.reduce((sum, { holder, length }) => sum + (holder === undefined ? blocksOf(length) : 0), 0);
  }

  /** Tokens in each row: where a row that takes part in a batch without a token of its own may write. */
  get lengths(): readonly number[] {
    return this.#rows.map(({ length }) => length);
  }

  /** The holder of each row. */
  get holders(): readonly (SequenceId | undefined)[] {
    return this.#rows.map(({ holder }) => holder);
  }

  /** How many of the first `limit` tokens lie in a row. */
  longestMatch(tokens: readonly number[], limit: number): number {
    return this.#bestMatch(tokens, limit, () => true)?.length ?? 0;
  }

  /**
   * Gives a sequence a row, if one is free.
   *
   * @param tokens - of the sequence; the grid reads them for as long as it has the row
   * @param limit - most of them that may come from the cache
   */
  place(id: SequenceId, tokens: readonly number[], limit: number): Placement | undefined {
    const free = this.#rows.flatMap((row, index) => (row.holder === undefined ? [index] : []));
    if (free.length === 0) return undefined;
    const best = this.#bestMatch(tokens, limit, () => true);
    const bestFree = this.#bestMatch(tokens, limit, ({ holder }) => holder === undefined);
    // Going on in place costs nothing, but what else lies in the row is lost.
    const goesOn = bestFree !== undefined && bestFree.length * 2 >= this.#row(bestFree.row).length;
    const target = goesOn ? bestFree.row : this.#leastUseful(free);
    const inPlace = this.#match(this.#row(target), tokens, limit);
    const row = this.#row(target);
    const isWorthwhile =
      best !== undefined && best.row !== target && best.length - inPlace >= Math.max(blockTokens, this.room * leastCopied);
    if (best !== undefined && isWorthwhile) this.#touch(this.#row(best.row));
    const numCached = isWorthwhile ? best.length : inPlace;
    row.holder = id;
    row.tokens = tokens;
    row.length = numCached;
    this.#touch(row);
    return { row: target, numCached, ...(isWorthwhile ? { copy: { from: best.row, to: target } } : {}) };
  }

  /** So many tokens of the row's sequence are in the cache now. */
  setLength(row: number, length: number): void {
    invariant(length <= this.room, `${length} tokens do not fit a row of ${this.room}`);
    this.#row(row).length = length;
  }

  /** The row's sequence leaves; what lies there is kept. */
  release(index: number): void {
    const row = this.#row(index);
    invariant(row.holder !== undefined, `row ${index} is released twice`);
    row.holder = undefined;
    this.#keep(row);
    this.#touch(row);
  }

  /**
   * A held row with many free ones before it goes to the first of those, so that batches, which run from the first row to the last, stay dense.
   * Answers who moved.
   */
  pack(): { readonly id: SequenceId; readonly copy: RowCopy } | undefined {
    const from = this.#rows.findLastIndex(({ holder }) => holder !== undefined);
    const to = this.#rows.findIndex(({ holder }) => holder === undefined);
    const numGaps = from + 1 - this.numHeld;
    if (to < 0 || to > from || numGaps < 2 || numGaps * 4 < from + 1) return undefined;
    const [source, target] = [this.#row(from), this.#row(to)];
    const id = source.holder;
    invariant(id !== undefined, 'a held row has a holder');
    this.#rows[to] = { ...source };
    this.#rows[from] = { holder: undefined, tokens: [], length: 0, used: target.used };
    return { id, copy: { from, to } };
  }

  /**
   * The cache that `numRows` sequences of `columns` blocks need, or undefined where there are not enough blocks.
   *
   * It grows by more than what is asked for, since growing copies what lies there, but gives up spare room before it refuses.
   *
   * @param hint - what may soon be needed
   */
  arrangement(numRows: number, columns: number, hint = { rows: numRows, columns }): Arrangement | undefined {
    if (numRows > this.#maxRows || numRows * columns > this.#blocks) return undefined;
    const wantedRows = numRows <= this.numRows ? this.numRows : Math.min(Math.max(hint.rows, 2 * this.numRows, numRows), this.#maxRows);
    const most = Math.max(2 * columns, 2 * this.#columns, fewColumns);
    const wantedColumns = columns <= this.#columns ? this.#columns : Math.max(columns, Math.min(hint.columns, most));
    const rows = Math.max(numRows, Math.min(wantedRows, Math.floor(this.#blocks / columns)));
    const fitting = Math.max(columns, Math.min(wantedColumns, Math.floor(this.#blocks / rows)));
    const held = this.#rows.flatMap(({ holder }, index) => (holder === undefined ? [] : [index]));
    const kept = this.#rows
      .flatMap((row, index) => (row.holder === undefined && row.length > 0 ? [{ index, used: row.used }] : []))
      .sort((a, b) => b.used - a.used)
      .map(({ index }) => index);
    const from = [...held, ...kept].slice(0, rows);
    return { rows, columns: fitting, from: Array.from({ length: rows }, (_, row) => from[row]) };
  }

  /** The cache is as an arrangement says. */
  arrange({ columns, from }: Arrangement): void {
    const old = this.#rows;
    this.#columns = columns;
    this.#rows = from.map((index) => {
      const row = index === undefined ? undefined : old[index];
      return row ?? { holder: undefined, tokens: [], length: 0, used: 0 };
    });
    for (const row of this.#rows) if (row.holder === undefined) this.#keep(row);
    invariant(this.numHeld === old.filter(({ holder }) => holder !== undefined).length, 'an arrangement keeps every row that is held');
  }

  /** Nothing is left of the cache, and there are at most so many blocks. */
  reset(blocks: number): void {
    this.#rows = [];
    this.#columns = 0;
    this.#blocks = blocks;
  }

  /** Takes the contents for its own; the last position stays free for what a batch writes into rows that have nothing to run. */
  #keep(row: Row): void {
    row.length = Math.min(row.length, this.room - 1);
    row.tokens = row.tokens.slice(0, row.length);
  }

  #leastUseful(free: readonly number[]): number {
    const best = free.reduce((least, index) => (this.#rank(index) < this.#rank(least) ? index : least));
    return best;
  }

  /** Rows without contents come first, in their order. */
  #rank(index: number): number {
    const { length, used } = this.#row(index);
    return length === 0 ? index - this.#rows.length : used;
  }

  #bestMatch(tokens: readonly number[], limit: number, isAllowed: (row: Row) => boolean): { row: number; length: number } | undefined {
    let best: { row: number; length: number } | undefined;
    for (const [index, row] of this.#rows.entries()) {
      if (!isAllowed(row)) continue;
      const length = this.#match(row, tokens, limit);
      if (length > (best?.length ?? 0)) best = { row: index, length };
    }
    return best;
  }

  #match(row: Row, tokens: readonly number[], limit: number): number {
    const longest = Math.min(row.length, tokens.length, limit);
    let length = 0;
    while (length < longest && row.tokens[length] === tokens[length]) length++;
    return length;
  }

  #touch(row: Row): void {
    this.#time += 1;
    row.used = this.#time;
  }

  #row(index: number): Row {
    const row = this.#rows[index];
    invariant(row !== undefined, `row ${index} is outside 0..${this.#rows.length - 1}`);
    return row;
  }
}

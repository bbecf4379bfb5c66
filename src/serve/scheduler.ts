// Decides what runs next. A pure state machine: no device, no promises, and time only as a number that is handed in.
import { AppError, invariant } from '#base';
import { type Arrangement, blocksOf, blockTokens, CacheGrid, type RowCopy } from './cache-grid.ts';
import { inOrder, type SequenceId, WaitingList, type WaitingSequence } from './waiting-list.ts';

export type { SequenceId };

export interface SchedulerOptions {
  /** Sequences that have a row of the cache at the same time. */
  readonly slots: number;
  /** Most tokens of prompts in one step, so that those who decode are not held up for long. */
  readonly prefillTokens: number;
  /** Blocks of cache memory. @default no limit */
  readonly blocks?: number;
  /** Most sequences that wait; more are refused. @default 1024 */
  readonly maxWaiting?: number;
}

export interface NewSequence {
  readonly id: SequenceId;
  /** The prompt; at least one token. */
  readonly tokens: readonly number[];
  /** Tokens that prompt and answer may come to together. */
  readonly maxTokens: number;
  /** Smaller ones come first; among equals, who came first. @default 0 */
  readonly priority?: number;
  /** It must have a place before this time. @default it waits for ever */
  readonly expiresMs?: number;
  /** False where every token of the prompt must run, for its logits. @default true */
  readonly reusesPrefix?: boolean;
}

/** So many of a sequence's tokens that have not run yet, from `start` on. */
export interface Share {
  readonly id: SequenceId;
  /** Of the cache. */
  readonly row: number;
  readonly start: number;
  readonly numTokens: number;
}

/** `arrange`: the cache must change its size before anything runs. `idle`: nothing to do. */
export type Plan =
  | { readonly kind: 'idle' }
  | { readonly kind: 'arrange'; readonly arrangement: Arrangement }
  | {
      readonly kind: 'step';
      /** To be made before anything runs, in this order. */
      readonly copies: readonly RowCopy[];
      /** Tokens in every row of the cache: rows that have nothing to run may be written behind those. */
      readonly lengths: readonly number[];
      readonly shares: readonly Share[];
    };

/** Where sequences and blocks are; `active + free` is the number of slots, `held + free` that of the blocks. */
export interface SchedulerGauges {
  readonly waiting: number;
  readonly active: number;
  readonly paused: number;
  readonly free: number;
  readonly blocks: {
    readonly total: number;
    /** In rows of active sequences. */
    readonly held: number;
    readonly free: number;
    /** Free ones that still hold what sequences left there. */
    readonly kept: number;
  };
}

interface Sequence extends WaitingSequence {
  readonly tokens: number[];
  readonly maxTokens: number;
  readonly reusesPrefix: boolean;
  /** Those before it ran, or are to be run, in pieces; what comes after it runs at once. */
  promptEnd: number;
  /** Tokens that have run; what lies in the cache. */
  numRun: number;
  row: number;
  numCached: number;
}

const defaultMaxWaiting = 1024;
/** More blocks than any machine has, and still a whole number of positions. */
const noLimit = 2 ** 40;

/**
 * The one idea: a step gives each sequence a number of tokens to run. A prompt has many that have not run yet, a sequence that is being decoded has
 * one, and a draft that is being checked has a few; so prefill, prefill in pieces, decoding and checking are one case. One step runs all who decode
 * and, beside them, prompts up to `prefillTokens`.
 *
 * A sequence is waiting (no row) → active (a row) → removed. `pause` takes an active one out until `resume` lets it wait again; `plan` sends one back to
 * wait when the cache has no room for all to grow: those of the largest priority number, last come, first. Either way its row keeps what lies there,
 * and it goes on from there or, if another has taken the row, runs its tokens again. `remove` is allowed anywhere.
 *
 * Rows go to those who wait in the order of priority and arrival; nobody overtakes, so large requests are not starved by small ones. One exception:
 * who begins like a prompt that is running right now lets others pass until that one has run, and then starts from a copy.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #maxWaiting: number;
  readonly #grid: CacheGrid;
  readonly #waiting = new WaitingList<Sequence>();
  /** In the order in which they were admitted. */
  readonly #active = new Map<SequenceId, Sequence>();
  readonly #paused = new Map<SequenceId, Sequence>();
  #arrangement: Arrangement | undefined;
  #copies: RowCopy[] = [];
  #arrivals = 0;

  /** @throws AppError `invalid_argument` */
  constructor(options: SchedulerOptions) {
    const { slots, blocks = noLimit, maxWaiting = defaultMaxWaiting } = options;
    for (const [field, value] of Object.entries({ slots, prefillTokens: options.prefillTokens, blocks, maxWaiting }))
      if (!Number.isInteger(value) || value < 1)
        throw new AppError('invalid_argument', `${field}: must be a whole number of at least 1, got ${value}.`, { details: { field } });
    this.#options = options;
    this.#maxWaiting = maxWaiting;
    this.#grid = new CacheGrid({ rows: slots, blocks });
  }

  get gauges(): SchedulerGauges {
    const held = this.#grid.numHeld * this.#grid.columns;
    const total = this.#grid.blocks;
    return {
      waiting: this.#waiting.size,
      active: this.#active.size,
      paused: this.#paused.size,
      free: this.#options.slots - this.#active.size,
      blocks: { total, held, free: total - held, kept: this.#grid.keptBlocks },
    };
  }

  /** Whether somebody waits or runs. */
  get hasWork(): boolean {
    return this.#waiting.size + this.#active.size > 0;
  }

  /**
   * A new sequence.
   *
   * @throws AppError `overloaded` when too many wait already; `insufficient_memory` when it could never fit
   */
  add({ id, tokens, maxTokens, priority = 0, expiresMs = Number.POSITIVE_INFINITY, reusesPrefix = true }: NewSequence): void {
    invariant(!this.#isKnown(id), `sequence ${id} is added twice`);
    invariant(tokens.length > 0 && maxTokens >= tokens.length, `sequence ${id} has ${tokens.length} of ${maxTokens} tokens`);
    const needed = blocksOf(maxTokens);
    if (needed > this.#grid.blocks)
      throw new AppError(
        'insufficient_memory',
        `prompt and answer of ${maxTokens} tokens need ${needed} blocks of the cache, which has ${this.#grid.blocks}. Ask for at most ${this.#grid.blocks * blockTokens} tokens together.`,
        { details: { neededBlocks: needed, blocks: this.#grid.blocks } },
      );
    if (this.#waiting.size >= this.#maxWaiting)
      throw new AppError('overloaded', `${this.#waiting.size} requests wait already, which is the most that may. Try again later.`, {
        details: { waiting: this.#waiting.size },
      });
    this.#arrivals += 1;
    this.#waiting.insert({
      id,
      tokens: Array.from(tokens),
      maxTokens,
      priority,
      arrival: this.#arrivals,
      expiresMs,
      reusesPrefix,
      promptEnd: tokens.length,
      numRun: 0,
      row: 0,
      numCached: 0,
    });
  }

  /** Forgets a sequence and frees its row at once. Unknown ids are ignored. */
  remove(id: SequenceId): void {
    this.#waiting.delete(id);
    this.#paused.delete(id);
    this.#leave(id);
  }

  /** Takes an active sequence out: its row is free for others until `resume`. Others are ignored. */
  pause(id: SequenceId): void {
    const sequence = this.#leave(id);
    if (sequence !== undefined) this.#paused.set(id, sequence);
  }

  /** A paused sequence waits for a row again. Others are ignored. */
  resume(id: SequenceId): void {
    const sequence = this.#paused.get(id);
    if (sequence === undefined) return;
    this.#paused.delete(id);
    this.#waiting.insert(sequence);
  }

  /** Forgets those who waited for their first place beyond their time. Answers who they are. */
  expire(nowMs: number): readonly SequenceId[] {
    return this.#waiting.takeExpired(nowMs).map(({ id }) => id);
  }

  /** Admits who can be admitted and says what comes next. An arrangement must be answered by `arranged` or `arrangementFailed`. */
  plan(): Plan {
    invariant(this.#arrangement === undefined, 'an arrangement was not answered');
    this.#grow();
    if (this.#arrangement === undefined) this.#admit();
    if (this.#arrangement !== undefined) return { kind: 'arrange', arrangement: this.#arrangement };
    if (this.#active.size === 0) return { kind: 'idle' };
    if (this.#waiting.size === 0) this.#pack();
    const copies = this.#copies;
    this.#copies = [];
    return { kind: 'step', copies, lengths: this.#grid.lengths, shares: this.#shares() };
  }

  /** The cache is as the plan wanted it. */
  arranged(): void {
    const arrangement = this.#arrangement;
    invariant(arrangement !== undefined, 'no arrangement was planned');
    this.#arrangement = undefined;
    this.#grid.arrange(arrangement);
    for (const [row, id] of this.#grid.holders.entries()) if (id !== undefined) this.#known(id).row = row;
  }

  /**
   * The device has no memory for the planned arrangement, and the cache is lost: all wait again, and there are fewer blocks from now on.
   *
   * @returns those who can never fit any more; they are forgotten
   */
  arrangementFailed(): readonly SequenceId[] {
    const arrangement = this.#arrangement;
    invariant(arrangement !== undefined, 'no arrangement was planned');
    this.#arrangement = undefined;
    const [had, wanted] = [this.#grid.numRows * this.#grid.columns, arrangement.rows * arrangement.columns];
    for (const id of [...this.#active.keys()]) this.#sendBack(id);
    this.#copies = [];
    this.#grid.reset(had > 0 && had < wanted ? had : Math.floor(wanted / 2));
    const tooLarge = [...this.#waiting.items(), ...this.#paused.values()].filter(
      ({ maxTokens }) => blocksOf(maxTokens) > this.#grid.blocks,
    );
    for (const { id } of tooLarge) this.remove(id);
    return tooLarge.map(({ id }) => id);
  }

  /** Forgets what sequences left in the cache, which then has no rows. Nobody may be active. */
  clear(): void {
    invariant(this.#active.size === 0 && this.#arrangement === undefined, 'the cache is in use');
    this.#grid.reset(this.#grid.blocks);
  }

  /** Tokens of an admitted sequence's prompt that were in the cache when it got its first place. */
  cachedTokens(id: SequenceId): number {
    return this.#active.get(id)?.numCached ?? 0;
  }

  /**
   * Reports a share as run. `complete`: no token of the sequence is left to run, the next can be chosen now. `ignored`: it left meanwhile.
   */
  ran({ id, start, numTokens }: Share): 'ignored' | 'partial' | 'complete' {
    const sequence = this.#active.get(id);
    if (sequence === undefined || sequence.numRun !== start) return 'ignored';
    invariant(
      start + numTokens <= sequence.tokens.length,
      `sequence ${id} ran ${numTokens} tokens from ${start}, but has ${sequence.tokens.length}`,
    );
    this.#setRun(sequence, start + numTokens);
    return sequence.numRun === sequence.tokens.length ? 'complete' : 'partial';
  }

  /** The next tokens of a sequence are known, or proposed. */
  extend(id: SequenceId, tokens: readonly number[]): void {
    const sequence = this.#active.get(id);
    invariant(sequence !== undefined, `sequence ${id} is extended, but not active`);
    sequence.tokens.push(...tokens);
    invariant(sequence.tokens.length <= sequence.maxTokens, `sequence ${id} is longer than it said`);
  }

  /** A sequence goes back to its first `length` tokens: what was proposed behind them was not taken. */
  truncate(id: SequenceId, length: number): void {
    const sequence = this.#active.get(id);
    invariant(sequence !== undefined && length >= sequence.promptEnd, `sequence ${id} cannot go back to ${length} tokens`);
    sequence.tokens.length = Math.min(sequence.tokens.length, length);
    this.#setRun(sequence, Math.min(sequence.numRun, length));
  }

  #setRun(sequence: Sequence, numRun: number): void {
    sequence.numRun = numRun;
    this.#grid.setLength(sequence.row, numRun);
  }

  /** Room for the tokens that are to be run now; where there is none for all, some must wait. */
  #grow(): void {
    for (;;) {
      const needed = Math.max(0, ...Array.from(this.#active.values(), ({ tokens }) => blocksOf(tokens.length)));
      if (needed <= this.#grid.columns) return;
      const arrangement = this.#grid.arrangement(this.#active.size, needed, this.#hint());
      if (arrangement !== undefined) {
        this.#arrangement = arrangement;
        return;
      }
      const last = this.#lastInOrder();
      invariant(last !== undefined && this.#active.size > 1, 'a sequence that was admitted fits the cache alone');
      this.#sendBack(last.id);
    }
  }

  #admit(): void {
    const skipped: Sequence[] = [];
    while (this.#active.size < this.#options.slots && this.#arrangement === undefined) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      const outcome = this.#tryAdmit(next);
      if (outcome === 'admitted') continue;
      skipped.push(next);
      if (outcome === 'waits') break;
    }
    for (const sequence of skipped) this.#waiting.insert(sequence);
  }

  #tryAdmit(sequence: Sequence): 'admitted' | 'waits' | 'lets-pass' {
    if (this.#startsLikeOneThatRuns(sequence)) return 'lets-pass';
    const isAlone = this.#active.size === 0;
    const columns = blocksOf(sequence.tokens.length);
    const hasRow = this.#active.size < this.#grid.numRows;
    if (!hasRow || columns > this.#grid.columns) {
      const longest = Math.max(columns, ...Array.from(this.#active.values(), ({ tokens }) => blocksOf(tokens.length)));
      // A block to spare for each, so that nobody is sent back at once.
      const spare = isAlone ? 0 : 1;
      const numRows = this.#active.size + 1;
      if (this.#grid.arrangement(numRows, longest + spare) === undefined) return 'waits';
      // Rows get other numbers: copies that are planned come first.
      if (this.#copies.length === 0) this.#arrangement = this.#grid.arrangement(numRows, longest, this.#hint(sequence));
      return 'waits';
    }
    // The last token must run: its logits are wanted.
    const limit = sequence.reusesPrefix ? sequence.tokens.length - 1 : 0;
    const placement = this.#grid.place(sequence.id, sequence.tokens, limit);
    invariant(placement !== undefined, 'a free row was there');
    sequence.row = placement.row;
    sequence.numRun = placement.numCached;
    sequence.promptEnd = sequence.tokens.length;
    if (!sequence.hasBegun) sequence.numCached = placement.numCached;
    sequence.hasBegun = true;
    if (placement.copy !== undefined) this.#copies.push(placement.copy);
    this.#active.set(sequence.id, sequence);
    return 'admitted';
  }

  /** Whether a prompt that is running will leave a longer beginning than there is, at least a block more. */
  #startsLikeOneThatRuns(sequence: Sequence): boolean {
    if (!sequence.reusesPrefix) return false;
    const limit = sequence.tokens.length - 1;
    const coming = Math.max(
      0,
      ...Array.from(this.#active.values(), (other) =>
        other.numRun < other.promptEnd ? Math.min(sharedLength(sequence.tokens, other.tokens), other.promptEnd, limit) : 0,
      ),
    );
    return coming >= blockTokens && coming - this.#grid.longestMatch(sequence.tokens, limit) >= blockTokens;
  }

  #shares(): readonly Share[] {
    const shares: Share[] = [];
    const prompts: Sequence[] = [];
    for (const sequence of this.#active.values()) {
      const numPending = sequence.tokens.length - sequence.numRun;
      if (numPending > 1 && sequence.numRun < sequence.promptEnd) prompts.push(sequence);
      else if (numPending > 0) shares.push(shareOf(sequence, numPending));
    }
    let left = this.#options.prefillTokens;
    for (const sequence of prompts.sort(inOrder)) {
      const numTokens = Math.min(sequence.promptEnd - sequence.numRun, left);
      const isWhole = sequence.numRun + numTokens === sequence.promptEnd;
      // A small piece costs nearly as much as a large one: it waits for the next step.
      const isSmall = !isWhole && left < this.#options.prefillTokens && numTokens * 4 < this.#options.prefillTokens;
      if (numTokens === 0 || isSmall) break;
      shares.push(shareOf(sequence, numTokens));
      left -= numTokens;
    }
    return shares;
  }

  #pack(): void {
    const moved = this.#grid.pack();
    if (moved === undefined) return;
    this.#known(moved.id).row = moved.copy.to;
    this.#copies.push(moved.copy);
  }

  /** What those who run and those who wait may come to need. */
  #hint(...also: readonly Sequence[]): { readonly rows: number; readonly columns: number } {
    const soon = [...this.#active.values(), ...also, ...this.#waiting.items().slice(0, this.#options.slots)];
    return { rows: soon.length, columns: Math.max(...soon.map(({ maxTokens }) => blocksOf(maxTokens))) };
  }

  #lastInOrder(): Sequence | undefined {
    return [...this.#active.values()].sort(inOrder).at(-1);
  }

  #sendBack(id: SequenceId): void {
    const sequence = this.#leave(id);
    if (sequence !== undefined) this.#waiting.insert(sequence);
  }

  #leave(id: SequenceId): Sequence | undefined {
    const sequence = this.#active.get(id);
    if (sequence === undefined) return undefined;
    this.#active.delete(id);
    this.#grid.release(sequence.row);
    return sequence;
  }

  #isKnown(id: SequenceId): boolean {
    return this.#waiting.has(id) || this.#active.has(id) || this.#paused.has(id);
  }

  #known(id: SequenceId): Sequence {
    const sequence = this.#active.get(id);
    invariant(sequence !== undefined, `sequence ${id} has a row, but is not active`);
    return sequence;
  }
}

function shareOf({ id, row, numRun }: Sequence, numTokens: number): Share {
  return { id, row, start: numRun, numTokens };
}

function sharedLength(a: readonly number[], b: readonly number[]): number {
  const longest = Math.min(a.length, b.length);
  let length = 0;
  while (length < longest && a[length] === b[length]) length++;
  return length;
}

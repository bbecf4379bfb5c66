// What a scheduler is told and what it answers: values, so that deciding, running and reporting are apart.
import type { Arrangement, RowCopy } from './cache-grid.ts';
import type { SequenceId } from './waiting-list.ts';

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

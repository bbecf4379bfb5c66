// What a batcher runs, as it sees it.
import type { FinishReason } from './request.ts';

/**
 * After which tokens of a share the logits are of use: after none in a piece of a prompt that goes on. `best`: after the last, and of them only
 * which is the largest.
 */
export type WantedLogits = 'none' | 'best' | 'last' | 'all';

/** The likeliest next token, and its logit. */
export interface BestToken {
  readonly id: number;
  readonly logit: number;
}

/** Logits, [V] of the last token or [T, V] of all, or the best token alone. */
export type StepResult = Float32Array | BestToken;

/** Tokens that have run, with what was wanted of them; where only the best token was, there may be all logits after the last. */
export interface RanTokens {
  readonly start: number;
  readonly numTokens: number;
  readonly result: StepResult;
  /** No token is left to run. */
  readonly isComplete: boolean;
}

/** What follows from logits. */
export interface Outcome<Event> {
  readonly events: readonly Event[];
  readonly isEnd: boolean;
  /** Of the tokens that ran, so many stay: those behind them were proposed and not taken. */
  readonly numKept: number;
  /** To be run next, at once; a promise while others find them. */
  readonly next: readonly number[] | Promise<readonly number[]>;
}

/** Tokens that become known bit by bit, and the events that tell of it. */
export interface Sequence<Event> {
  /** All that are known or proposed; at least one. */
  readonly tokens: readonly number[];
  /** Most that there may be. */
  readonly maxTokens: number;
  /** Smaller numbers are served first. */
  readonly priority: number;
  /** How long it waits for a place. @default the batcher's */
  readonly queueTimeoutMs: number | undefined;
  /** Whether every token must run, because logits of the first ones are wanted. */
  readonly readsPrompt: boolean;
  /** Since it was made. */
  readonly elapsedMs: number;
  /** Its first tokens are about to run, but for those whose keys and values are there already. */
  begin(numCached: number): void;
  /** Which logits it wants of the tokens `start … start+count-1`. */
  wants(start: number, count: number): WantedLogits;
  /** Takes the logits that it wanted; nothing follows from pieces. @throws AppError `bad_weights` */
  accept(ran: RanTokens): Promise<Outcome<Event> | undefined>;
  /** The last events of one that ends from outside. */
  finish(reason: FinishReason): readonly Event[];
  /** It runs no more. */
  left(): void;
}

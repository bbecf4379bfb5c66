// Decides what runs next. A pure state machine: no device, no time, no promises.
import { AppError, invariant } from '#base';

/** Names one sequence for as long as it is served. */
export type SequenceId = number;

/** So many of a sequence's tokens that have not run yet. */
export interface Share {
  readonly id: SequenceId;
  readonly numTokens: number;
}

export interface SchedulerOptions {
  /** Sequences that have a cache at the same time. */
  readonly slots: number;
  /** Most tokens of a prompt in one step, so that others are not held up for long. */
  readonly prefillTokens: number;
}

/** Where sequences are. `waiting + active` is all of them, `active + free` the number of slots. */
export interface SchedulerGauges {
  readonly waiting: number;
  readonly active: number;
  readonly free: number;
}

interface Sequence {
  readonly id: SequenceId;
  /** Tokens that are known and have not run. */
  numPending: number;
}

/**
 * The one idea: a step gives each sequence a number of tokens to run. A prompt has many that have not run yet, a sequence that is being decoded has
 * one, and a draft that is being checked would have a few; so prefill, prefill in pieces and decoding are one case.
 *
 * A sequence is waiting (no slot) → active (a slot) → removed; `remove` is allowed in both. Slots go to those that wait longest.
 *
 * Limit: a plan is one share of any size, or any number of shares of one token, because attention kernels with a cache run prompts one at a
 * time. Where both are possible they take turns, so that neither a long prompt nor many decoding sequences starve the others.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #waiting = new Map<SequenceId, Sequence>();
  /** In the order in which they were admitted. */
  readonly #active = new Map<SequenceId, Sequence>();
  #wasPrompt = false;

  /** @throws AppError `invalid_argument` */
  constructor(options: SchedulerOptions) {
    for (const field of ['slots', 'prefillTokens'] as const)
      if (!Number.isInteger(options[field]) || options[field] < 1)
        throw new AppError('invalid_argument', `${field}: must be a whole number of at least 1, got ${options[field]}.`, {
          details: { field },
        });
    this.#options = options;
  }

  get gauges(): SchedulerGauges {
    return { waiting: this.#waiting.size, active: this.#active.size, free: this.#options.slots - this.#active.size };
  }

  /** A new sequence with a prompt of so many tokens. */
  add(id: SequenceId, numTokens: number): void {
    invariant(!this.#waiting.has(id) && !this.#active.has(id), `sequence ${id} is added twice`);
    invariant(numTokens > 0, `sequence ${id} has no tokens`);
    this.#waiting.set(id, { id, numPending: numTokens });
  }

  /** Forgets a sequence and frees its slot at once. Unknown ids are ignored. */
  remove(id: SequenceId): void {
    this.#waiting.delete(id);
    this.#active.delete(id);
  }

  /** Admits who can be admitted and says what the next step runs; empty when there is nothing to run. */
  plan(): readonly Share[] {
    for (const sequence of this.#waiting.values()) {
      if (this.#active.size === this.#options.slots) break;
      this.#waiting.delete(sequence.id);
      this.#active.set(sequence.id, sequence);
    }
    const active = [...this.#active.values()];
    const prompt = active.find(({ numPending }) => numPending > 1);
    const singles = active.filter(({ numPending }) => numPending === 1);
    const isPrompt = prompt !== undefined && (singles.length === 0 || !this.#wasPrompt);
    this.#wasPrompt = isPrompt;
    if (isPrompt) return [{ id: prompt.id, numTokens: Math.min(prompt.numPending, this.#options.prefillTokens) }];
    return singles.map(({ id }) => ({ id, numTokens: 1 }));
  }

  /**
   * Reports a share as run. Returns true when no token of the sequence is left to run: its next token can be chosen now.
   *
   * Sequences that were removed meanwhile are ignored.
   */
  ran({ id, numTokens }: Share): boolean {
    const sequence = this.#active.get(id);
    if (sequence === undefined) return false;
    invariant(numTokens <= sequence.numPending, `sequence ${id} ran ${numTokens} tokens, but had ${sequence.numPending}`);
    sequence.numPending -= numTokens;
    return sequence.numPending === 0;
  }

  /** The next token of a sequence is known. */
  extend(id: SequenceId): void {
    const sequence = this.#active.get(id);
    invariant(sequence !== undefined, `sequence ${id} is extended, but not active`);
    sequence.numPending += 1;
  }
}

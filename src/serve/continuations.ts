// Several continuations of one prompt as one stream of events, and the best of them.
import { AppError, invariant } from '#base';
import { EventQueue } from './event-queue.ts';
import type { GenerationEvent } from './request.ts';

export interface ContinuationOptions {
  /** Continuations to answer. */
  readonly n: number;
  /** Continuations to generate, at least `n`; where there are more, their tokens must carry log probabilities. */
  readonly bestOf: number;
  /** Whether the log probabilities are of use to the caller too. */
  readonly showsLogprobs: boolean;
}

/** Starts one continuation; leaving its events stops it. */
export type StartContinuation = (index: number) => AsyncIterableIterator<GenerationEvent>;

type ContinuationEvent = Exclude<GenerationEvent, { kind: 'prompt' }>;

/**
 * Starts the first continuation at the call and the others when it has its first token: the prompt has run by then, and what a cache
 * keeps of it need not run again.
 *
 * The events of all are one stream. Where not all are answered, the best come when everyone has ended, the best of them first. Leaving the
 * stream, or a failure of one, stops all.
 */
export function continuations(options: ContinuationOptions, start: StartContinuation): AsyncIterableIterator<GenerationEvent> {
  const running = new Set<AsyncIterableIterator<GenerationEvent>>();
  const stopAll = (): void => {
    for (const events of running) void events.return?.();
    running.clear();
  };
  const merged = new EventQueue<GenerationEvent>(stopAll);
  const fail = (thrown: unknown): void => {
    merged.fail(AppError.from(thrown));
    stopAll();
  };
  const ranking = options.bestOf > options.n ? new Ranking(options) : undefined;
  let numStarted = 0;
  const follow = async (events: AsyncIterableIterator<GenerationEvent>): Promise<void> => {
    for await (const event of events) {
      if (event.kind === 'prompt' || ranking === undefined) merged.push(event);
      else ranking.add(event);
      if (event.kind === 'token' && numStarted < options.bestOf && running.has(events)) while (numStarted < options.bestOf) startNext();
    }
    running.delete(events);
    if (running.size > 0) return;
    for (const event of ranking?.best() ?? []) merged.push(event);
    merged.end();
  };
  const startNext = (): void => {
    const events = start(numStarted);
    numStarted += 1;
    running.add(events);
    follow(events).catch(fail);
  };
  startNext();
  return merged;
}

/** Keeps what continuations answer until all have ended. */
class Ranking {
  readonly #options: ContinuationOptions;
  readonly #events = new Map<number, ContinuationEvent[]>();

  constructor(options: ContinuationOptions) {
    this.#options = options;
  }

  add(event: ContinuationEvent): void {
    const events = this.#events.get(event.index) ?? [];
    events.push(event);
    this.#events.set(event.index, events);
  }

  /** The events of the `n` best, one after the other, with new indices from the best on. */
  best(): GenerationEvent[] {
    const { n, showsLogprobs } = this.#options;
    const ranked = [...this.#events.values()].map((events) => ({ events, score: meanLogProbability(events) }));
    ranked.sort((left, right) => right.score - left.score);
    return ranked.slice(0, n).flatMap(({ events }, index) => events.map((event) => renamed(event, index, showsLogprobs)));
  }
}

function meanLogProbability(events: readonly ContinuationEvent[]): number {
  let [total, count] = [0, 0];
  for (const event of events) {
    if (event.kind !== 'token') continue;
    const { logProbability } = event.logprobs ?? {};
    invariant(logProbability !== undefined, 'continuations are ranked by log probabilities that are there');
    total += logProbability;
    count += 1;
  }
  return count === 0 ? Number.NEGATIVE_INFINITY : total / count;
}

function renamed(event: ContinuationEvent, index: number, showsLogprobs: boolean): GenerationEvent {
  if (event.kind !== 'token' || showsLogprobs) return { ...event, index };
  const { logprobs: _, ...rest } = event;
  return { ...rest, index };
}

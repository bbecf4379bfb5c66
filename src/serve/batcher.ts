// Serves many sequences at once: asks the scheduler, runs the step, hands each sequence its logits, and delivers the events.
import { AppError, type Clock, faultPoint, invariant, systemClock, yieldToEventLoop } from '#base';
import type { Arrangement, RowCopy } from './cache-grid.ts';
import type { DeviceTurns, DeviceUser } from './device-turns.ts';
import { EventQueue, mostUnread } from './event-queue.ts';
import type { Plan, SchedulerGauges, SchedulerOptions, Share } from './plan.ts';
import type { FinishReason } from './request.ts';
import { RetryAdvice } from './retry-advice.ts';
import { Scheduler } from './scheduler.ts';
import type { Outcome, Sequence, StepResult, WantedLogits } from './sequence.ts';
import type { SequenceId } from './waiting-list.ts';

/** Tokens of one sequence that a step runs. */
export interface StepShare {
  readonly id: SequenceId;
  /** Of the cache. */
  readonly row: number;
  /** Position of the first token; what lies in the row from there on is forgotten. */
  readonly start: number;
  readonly tokens: readonly number[];
  readonly wantsLogits: WantedLogits;
}

export interface Step {
  /** Made first, in this order. */
  readonly copies: readonly RowCopy[];
  /** Tokens in every row of the cache: rows that have nothing to run may be written behind those. */
  readonly lengths: readonly number[];
  /** At most one a row. */
  readonly shares: readonly StepShare[];
}

/** Takes what a step made of a share: what it wanted, or why it could not run. */
export type Deliver = (id: SequenceId, result: StepResult | AppError | undefined) => void;

/** What runs steps. Calls do not overlap. It knows rows of a cache; whose they are is the scheduler's. */
export interface StepExecutor {
  /** Gives the cache another size. After a failure nothing is left of it. @throws AppError `out_of_memory` | `engine_failure` */
  arrange(arrangement: Arrangement): Promise<void>;
  /** Gives the cache's memory back. */
  clear(): void;
  /**
   * Runs tokens and extends the cache.
   *
   * @param deliver - called once for each share, as soon as its results are there; others may still run
   * @param signal - of the request, where the step serves only one
   * @throws AppError when the step failed for all who have not heard yet; what the cache holds is not relied on then
   */
  run(step: Step, deliver: Deliver, signal?: AbortSignal): Promise<void>;
}

export interface BatcherOptions extends SchedulerOptions {
  /** For messages. @default 'model' */
  readonly name?: string;
  /** The device's, where several models share it. @default the device is this model's alone */
  readonly turns?: DeviceTurns;
  /** How long a request waits for a place unless it says so itself. @default 60,000 */
  readonly queueTimeoutMs?: number;
  /** How long the cache is kept when nobody is served, for those who begin like one before, milliseconds. @default 60,000 */
  readonly keepCacheMs?: number;
  readonly clock?: Clock;
}

/** The producer's side of the events. */
type EventSink = Pick<EventQueue<unknown>, 'push' | 'end' | 'fail' | 'isFull' | 'onRoom'>;

interface Served {
  readonly sequence: Sequence<unknown>;
  readonly events: EventSink;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  hasBegun: boolean;
}

const defaultQueueTimeoutMs = 60_000;
const defaultKeepCacheMs = 60_000;

/**
 * Runs sequences side by side until they end. One step runs at a time; whoever comes meanwhile joins at the next.
 *
 * A sequence whose next tokens others are looking for keeps its place; the loop rests while nobody has a token to run, and wakes with the next one.
 */
export class Batcher {
  readonly #name: string;
  readonly #executor: StepExecutor;
  readonly #scheduler: Scheduler;
  readonly #turns: DeviceTurns | undefined;
  readonly #user: DeviceUser | undefined;
  readonly #clock: Clock;
  readonly #queueTimeoutMs: number;
  readonly #keepCacheMs: number;
  #idleTimer: NodeJS.Timeout | undefined;
  readonly #advice: RetryAdvice;
  readonly #served = new Map<SequenceId, Served>();
  #lastId: SequenceId = 0;
  #running: Promise<void> | undefined;
  /** Something happened that the next plan may act upon. */
  #hasNews = false;
  #closedWith: AppError | undefined;

  /** @throws AppError `invalid_argument` */
  constructor(executor: StepExecutor, options: BatcherOptions) {
    const { name = 'model', turns, queueTimeoutMs = defaultQueueTimeoutMs, keepCacheMs = defaultKeepCacheMs } = options;
    const { clock = systemClock } = options;
    this.#name = name;
    this.#executor = executor;
    this.#scheduler = new Scheduler(options);
    this.#turns = turns;
    this.#user = turns?.join();
    this.#clock = clock;
    this.#queueTimeoutMs = queueTimeoutMs;
    this.#keepCacheMs = keepCacheMs;
    this.#advice = new RetryAdvice(clock);
  }

  get gauges(): SchedulerGauges {
    return this.#scheduler.gauges;
  }

  /**
   * Starts a sequence. Its events end when it does, or throw where a step failed or it waited too long.
   *
   * Its signal, or leaving the loop over the events, frees the slot at once.
   *
   * @throws AppError `overloaded` with `retryAfterMs` | `insufficient_memory` when it could never fit the cache | the error of `close`
   */
  submit<Event>(sequence: Sequence<Event>, signal?: AbortSignal): AsyncIterableIterator<Event> {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    this.#lastId += 1;
    const id = this.#lastId;
    const onAbort = (): void => this.#finish(id, 'cancelled');
    const events = new EventQueue<Event>(onAbort, mostUnread);
    this.#add(id, sequence);
    this.#served.set(id, { sequence, events, signal, onAbort, hasBegun: false });
    if (signal?.aborted === true) onAbort();
    else {
      signal?.addEventListener('abort', onAbort);
      this.#wake();
    }
    return events;
  }

  /** Ends every sequence with `error`, refuses new ones with it, and waits for the step under way. */
  async close(error: AppError): Promise<void> {
    this.#closedWith = error;
    for (const id of [...this.#served.keys()]) this.#fail(id, error);
    await this.#running;
    clearTimeout(this.#idleTimer);
  }

  #add(id: SequenceId, { tokens, maxTokens, priority, queueTimeoutMs, readsPrompt }: Sequence<unknown>): void {
    const expiresMs = this.#clock.monotonicMs() + (queueTimeoutMs ?? this.#queueTimeoutMs);
    try {
      this.#scheduler.add({ id, tokens, maxTokens, priority, expiresMs, reusesPrefix: !readsPrompt });
    } catch (thrown) {
      throw thrown instanceof AppError && thrown.code === 'overloaded' ? this.#overloaded() : thrown;
    }
  }

  #overloaded(waitedMs?: number): AppError {
    const { waiting } = this.#scheduler.gauges;
    const retryAfterMs = this.#advice.retryAfterMs(waiting);
    const seen = waitedMs === undefined ? `${waiting} requests wait already` : `no place was free for ${Math.round(waitedMs)} ms`;
    return new AppError('overloaded', `model "${this.#name}": ${seen}. Try again in ${retryAfterMs} ms.`, {
      details: { waiting, retryAfterMs },
    });
  }

  #wake(): void {
    clearTimeout(this.#idleTimer);
    this.#hasNews = true;
    this.#running ??= this.#serve();
  }

  #rest(): void {
    const forget = (): void => {
      this.#scheduler.clear();
      this.#executor.clear();
    };
    if (this.#keepCacheMs === 0) forget();
    else this.#idleTimer = setTimeout(forget, this.#keepCacheMs).unref();
  }

  async #serve(): Promise<void> {
    try {
      while (this.#hasNews) {
        this.#hasNews = false;
        for (let handle = await this.#onTurn(() => this.#next()); handle !== undefined; handle = await this.#onTurn(() => this.#next()))
          await handle();
      }
    } catch (thrown) {
      // A broken promise of our own: nobody waits for ever.
      for (const id of [...this.#served.keys()]) this.#fail(id, AppError.from(thrown));
    } finally {
      this.#running = undefined;
    }
    // Who came between the last look and the end.
    if (this.#hasNews) this.#wake();
    else if (!this.#scheduler.hasWork) this.#rest();
  }

  #onTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#turns === undefined || this.#user === undefined ? work() : this.#turns.take(this.#user, work);
  }

  /** Uses the device once. What is left to do with the results needs no device. Nothing where there is nothing to run. */
  async #next(): Promise<(() => Promise<void>) | undefined> {
    // What others are about to ask for is heard first: whoever submits now is in the plan.
    await yieldToEventLoop();
    this.#expire();
    const plan = this.#scheduler.plan();
    if (plan.kind === 'step') return this.#step(plan);
    if (plan.kind === 'idle') return undefined;
    await this.#arrange(plan.arrangement);
    return async () => {};
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const id of this.#scheduler.expire(nowMs)) this.#fail(id, this.#overloaded(this.#served.get(id)?.sequence.elapsedMs));
  }

  async #arrange(arrangement: Arrangement): Promise<void> {
    try {
      await this.#executor.arrange(arrangement);
      this.#scheduler.arranged();
    } catch (thrown) {
      const error = AppError.from(thrown);
      for (const id of this.#scheduler.arrangementFailed()) this.#fail(id, error);
    }
  }

  async #step({ copies, lengths, shares: planned }: Extract<Plan, { kind: 'step' }>): Promise<() => Promise<void>> {
    const shares = planned.map((share) => this.#shareOf(share));
    const [first, ...others] = shares;
    const only = first === undefined || others.length > 0 ? undefined : this.#known(first.id);
    const waiting = new Map(shares.map((share) => [share.id, share]));
    const later: (() => Promise<void>)[] = [];
    const handled: Promise<void>[] = [];
    const deliver: Deliver = (id, result) => {
      const share = waiting.get(id);
      invariant(share !== undefined, `results of sequence ${id} come twice`);
      waiting.delete(id);
      // What takes long is left for the time when others have the device.
      if (share.wantsLogits === 'all') later.push(() => this.#ran(share, result));
      else handled.push(this.#ran(share, result));
    };
    try {
      await faultPoint('decode step');
      await this.#executor.run({ copies, lengths, shares }, deliver, only?.signal);
    } catch (thrown) {
      const error = AppError.from(thrown);
      for (const id of [...waiting.keys()]) deliver(id, error);
      this.#scheduler.lose();
      this.#executor.clear();
    }
    for (const id of waiting.keys()) this.#fail(id, new AppError('internal', `sequence ${id} ran without an answer.`));
    return async () => {
      for (const handle of later) await handle();
      // All have their tokens, so that the next step runs all of them.
      await Promise.all(handled);
    };
  }

  #shareOf({ id, row, start, numTokens }: Share): StepShare {
    const served = this.#known(id);
    const { sequence } = served;
    if (!served.hasBegun) sequence.begin(this.#scheduler.cachedTokens(id));
    served.hasBegun = true;
    return { id, row, start, tokens: sequence.tokens.slice(start, start + numTokens), wantsLogits: sequence.wants(start, numTokens) };
  }

  async #ran(share: StepShare, result: StepResult | AppError | undefined): Promise<void> {
    const { id, start, tokens, wantsLogits } = share;
    const served = this.#served.get(id);
    // Cancelled meanwhile: it has ended already.
    if (served === undefined) return;
    if (result instanceof AppError) {
      this.#fail(id, result);
      return;
    }
    try {
      const ran = { start, numTokens: tokens.length };
      const state = this.#scheduler.ran({ ...share, ...ran });
      if (state === 'ignored' || wantsLogits === 'none') return;
      invariant(result !== undefined, `sequence ${id} ran without a result`);
      const outcome = await served.sequence.accept({ ...ran, result, isComplete: state === 'complete' });
      if (outcome !== undefined && this.#served.has(id)) this.#goOn(id, served, outcome);
    } catch (thrown) {
      this.#fail(id, AppError.from(thrown));
    }
  }

  #goOn(id: SequenceId, { events }: Served, { events: made, isEnd, numKept, next }: Outcome<unknown>): void {
    this.#scheduler.truncate(id, numKept);
    // Slots are free before the caller hears of the end.
    if (isEnd) {
      this.#forget(id);
      this.#advice.left();
    } else if (next instanceof Promise)
      next.then((tokens) => this.#extend(id, tokens)).catch((thrown: unknown) => this.#fail(id, AppError.from(thrown)));
    else this.#extend(id, next);
    for (const event of made) events.push(event);
    if (isEnd) events.end();
    else if (events.isFull) this.#pause(id, events);
  }

  #extend(id: SequenceId, tokens: readonly number[]): void {
    // It may have ended while others looked for its tokens.
    if (!this.#served.has(id)) return;
    this.#scheduler.extend(id, tokens);
    this.#wake();
  }

  /** Until the reader has caught up; others get its place. */
  #pause(id: SequenceId, events: EventSink): void {
    this.#scheduler.pause(id);
    events.onRoom(() => {
      this.#scheduler.resume(id);
      this.#wake();
    });
  }

  #known(id: SequenceId): Served {
    const served = this.#served.get(id);
    invariant(served !== undefined, `sequence ${id} is planned, but not served`);
    return served;
  }

  #finish(id: SequenceId, reason: FinishReason): void {
    const served = this.#forget(id);
    for (const event of served?.sequence.finish(reason) ?? []) served?.events.push(event);
    served?.events.end();
  }

  #fail(id: SequenceId, error: AppError): void {
    this.#forget(id)?.events.fail(error);
  }

  #forget(id: SequenceId): Served | undefined {
    const served = this.#served.get(id);
    if (served === undefined) return undefined;
    this.#served.delete(id);
    served.signal?.removeEventListener('abort', served.onAbort);
    this.#scheduler.remove(id);
    served.sequence.left();
    // Its place is free for one who waits.
    if (this.#scheduler.hasWork) this.#wake();
    return served;
  }
}

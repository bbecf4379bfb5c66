// Serves many generations at once: asks the scheduler, runs the step, hands each sequence its logits, and delivers the events.
import { AppError, type Clock, invariant, systemClock, yieldToEventLoop } from '#base';
import type { Arrangement, RowCopy } from './cache-grid.ts';
import type { DeviceTurns, DeviceUser } from './device-turns.ts';
import { EventQueue } from './event-queue.ts';
import type { Generation } from './generation.ts';
import type { FinishReason, GenerationEvent } from './request.ts';
import { RetryAdvice } from './retry-advice.ts';
import { type Plan, Scheduler, type SchedulerGauges, type SchedulerOptions, type SequenceId, type Share } from './scheduler.ts';

/** After which tokens of a share the logits are of use: after none in a piece of a prompt that goes on. */
export type WantedLogits = 'none' | 'last' | 'all';

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

/** Takes what a step made of a share: the logits that it wanted, [V] of the last token or [T, V] of all, or why it could not run. */
export type Deliver = (id: SequenceId, result: Float32Array | AppError | undefined) => void;

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
   * @throws AppError when the step failed for all who have not heard yet
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

interface Served {
  readonly generation: Generation;
  readonly events: EventQueue<GenerationEvent>;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  hasBegun: boolean;
}

/** Events that wait for their reader; a generation that is further ahead pauses and gives its place to others. */
const mostUnread = 64;
const defaultQueueTimeoutMs = 60_000;
const defaultKeepCacheMs = 60_000;

/** Runs generations side by side until they end. One step runs at a time; whoever comes meanwhile joins at the next. */
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
   * Starts a generation. It ends with a `finished` event, or throws where a step failed or it waited too long.
   *
   * Its signal, or leaving the loop over the events, frees the slot at once.
   *
   * @throws AppError `overloaded` with `retryAfterMs` | `insufficient_memory` when it could never fit the cache | the error of `close`
   */
  submit(generation: Generation, signal?: AbortSignal): AsyncIterableIterator<GenerationEvent> {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    this.#lastId += 1;
    const id = this.#lastId;
    const onAbort = (): void => this.#finish(id, 'cancelled');
    const events = new EventQueue<GenerationEvent>(onAbort, mostUnread);
    this.#add(id, generation);
    this.#served.set(id, { generation, events, signal, onAbort, hasBegun: false });
    if (signal?.aborted === true) onAbort();
    else {
      signal?.addEventListener('abort', onAbort);
      this.#wake();
    }
    return events;
  }

  /** Ends every generation with `error`, refuses new ones with it, and waits for the step under way. */
  async close(error: AppError): Promise<void> {
    this.#closedWith = error;
    for (const id of [...this.#served.keys()]) this.#fail(id, error);
    await this.#running;
    clearTimeout(this.#idleTimer);
  }

  #add(id: SequenceId, { tokens, maxTokens, priority, queueTimeoutMs, readsPrompt }: Generation): void {
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
      // The caller's own turn ends first: whoever submits in it is in the first plan.
      await yieldToEventLoop();
      while (this.#scheduler.hasWork) {
        const handled = await this.#onTurn(() => this.#next());
        await handled();
        await yieldToEventLoop();
      }
    } catch (thrown) {
      // A broken promise of our own: nobody waits for ever.
      for (const id of [...this.#served.keys()]) this.#fail(id, AppError.from(thrown));
    } finally {
      this.#running = undefined;
    }
    // Who came between the last look and the end.
    if (this.#scheduler.hasWork) this.#wake();
    else this.#rest();
  }

  #onTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#turns === undefined || this.#user === undefined ? work() : this.#turns.take(this.#user, work);
  }

  /** Uses the device once. What is left to do with the results needs no device. */
  async #next(): Promise<() => Promise<void>> {
    this.#expire();
    const plan = this.#scheduler.plan();
    if (plan.kind === 'step') return this.#step(plan);
    if (plan.kind === 'arrange') await this.#arrange(plan.arrangement);
    return async () => {};
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const id of this.#scheduler.expire(nowMs)) this.#fail(id, this.#overloaded(this.#served.get(id)?.generation.elapsedMs));
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
    const deliver: Deliver = (id, result) => {
      const share = waiting.get(id);
      invariant(share !== undefined, `results of sequence ${id} come twice`);
      waiting.delete(id);
      // What takes long is left for the time when others have the device.
      if (share.wantsLogits === 'all') later.push(() => this.#ran(share, result));
      else void this.#ran(share, result);
    };
    try {
      await this.#executor.run({ copies, lengths, shares }, deliver, only?.signal);
    } catch (thrown) {
      const error = AppError.from(thrown);
      for (const id of [...waiting.keys()]) deliver(id, error);
    }
    for (const id of waiting.keys()) this.#fail(id, new AppError('internal', `sequence ${id} ran without an answer.`));
    return async () => {
      for (const handle of later) await handle();
    };
  }

  #shareOf({ id, row, start, numTokens }: Share): StepShare {
    const served = this.#known(id);
    const { generation } = served;
    if (!served.hasBegun) generation.begin(this.#scheduler.cachedTokens(id));
    served.hasBegun = true;
    return { id, row, start, tokens: generation.tokens.slice(start, start + numTokens), wantsLogits: generation.wants(start, numTokens) };
  }

  async #ran(share: StepShare, result: Float32Array | AppError | undefined): Promise<void> {
    const { id, start, tokens, wantsLogits } = share;
    const served = this.#served.get(id);
    // Cancelled meanwhile: it has ended already.
    if (served === undefined) return;
    if (result instanceof AppError) {
      this.#fail(id, result);
      return;
    }
    try {
      const outcome = this.#scheduler.ran({ ...share, numTokens: tokens.length });
      if (outcome === 'ignored' || wantsLogits === 'none') return;
      invariant(result !== undefined, `sequence ${id} ran without logits`);
      const last = wantsLogits === 'last' ? result : await served.generation.readPrompt(start, result, tokens.length);
      if (outcome === 'complete' && this.#served.has(id)) this.#accept(id, served, last);
    } catch (thrown) {
      this.#fail(id, AppError.from(thrown));
    }
  }

  #accept(id: SequenceId, { generation, events }: Served, logits: Float32Array): void {
    const numBefore = generation.tokens.length;
    const made = generation.accept(logits);
    const isEnd = made.some(({ kind }) => kind === 'finished');
    // Slots are free before the caller hears of the end.
    if (isEnd) {
      this.#forget(id);
      this.#advice.left();
    } else this.#scheduler.extend(id, generation.tokens.slice(numBefore));
    for (const event of made) events.push(event);
    if (isEnd) events.end();
    else if (events.isFull) this.#pause(id, events);
  }

  /** Until the reader has caught up. */
  #pause(id: SequenceId, events: EventQueue<GenerationEvent>): void {
    this.#scheduler.pause(id);
    events.onRoom(() => {
      this.#scheduler.resume(id);
      if (this.#scheduler.hasWork) this.#wake();
    });
  }

  #known(id: SequenceId): Served {
    const served = this.#served.get(id);
    invariant(served !== undefined, `sequence ${id} is planned, but not served`);
    return served;
  }

  #finish(id: SequenceId, reason: FinishReason): void {
    const served = this.#forget(id);
    served?.events.push(served.generation.finish(reason));
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
    return served;
  }
}

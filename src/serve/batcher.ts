// Serves many generations at once: asks the scheduler, runs the step, hands each sequence its logits, and delivers the events.
import { AppError, invariant, yieldToEventLoop } from '#base';
import { EventQueue } from './event-queue.ts';
import type { Generation } from './generation.ts';
import type { FinishReason, GenerationEvent } from './request.ts';
import { Scheduler, type SchedulerGauges, type SchedulerOptions, type SequenceId, type Share } from './scheduler.ts';

/** Tokens of one sequence that a step runs. */
export interface StepShare {
  readonly id: SequenceId;
  /** They follow those that ran before. */
  readonly tokens: readonly number[];
  /** False for a piece of a prompt that goes on: its logits are of no use. */
  readonly wantsLogits: boolean;
}

/** What runs steps; the scheduler's limit on plans holds for `shares`. */
export interface StepExecutor {
  /**
   * Runs tokens and extends the caches. Calls do not overlap.
   *
   * @param signal - of the request, where the step serves only one
   * @returns the logits [V] after the last token of each share that wants them, and the error of each share that could not take part
   * @throws AppError when the step failed for all
   */
  run(shares: readonly StepShare[], signal?: AbortSignal): Promise<ReadonlyMap<SequenceId, Float32Array | AppError>>;
  /** Gives back a sequence's cache; during a step, when the step has ended. Unknown ids are ignored. */
  release(id: SequenceId): void;
}

interface Served {
  readonly generation: Generation;
  readonly events: EventQueue<GenerationEvent>;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: () => void;
  numRun: number;
}

/** Runs generations side by side until they end. One step runs at a time; whoever comes meanwhile joins at the next. */
export class Batcher {
  readonly #executor: StepExecutor;
  readonly #scheduler: Scheduler;
  readonly #served = new Map<SequenceId, Served>();
  #lastId: SequenceId = 0;
  #running: Promise<void> | undefined;
  #closedWith: AppError | undefined;

  /** @throws AppError `invalid_argument` */
  constructor(executor: StepExecutor, options: SchedulerOptions) {
    this.#executor = executor;
    this.#scheduler = new Scheduler(options);
  }

  get gauges(): SchedulerGauges {
    return this.#scheduler.gauges;
  }

  /**
   * Starts a generation. It ends with a `finished` event, or throws where a step failed.
   *
   * Its signal, or leaving the loop over the events, frees the slot at once.
   */
  submit(generation: Generation, signal?: AbortSignal): AsyncIterableIterator<GenerationEvent> {
    if (this.#closedWith !== undefined) throw this.#closedWith;
    this.#lastId += 1;
    const id = this.#lastId;
    const onAbort = (): void => this.#finish(id, 'cancelled');
    const events = new EventQueue<GenerationEvent>(onAbort);
    this.#served.set(id, { generation, events, signal, onAbort, numRun: 0 });
    this.#scheduler.add(id, generation.promptTokens);
    if (signal?.aborted === true) onAbort();
    else {
      signal?.addEventListener('abort', onAbort);
      this.#running ??= this.#serve();
    }
    return events;
  }

  /** Ends every generation with `error`, refuses new ones with it, and waits for the step under way. */
  async close(error: AppError): Promise<void> {
    this.#closedWith = error;
    for (const id of [...this.#served.keys()]) this.#fail(id, error);
    await this.#running;
  }

  async #serve(): Promise<void> {
    try {
      // The caller's own turn ends first: whoever submits in it is in the first plan.
      await yieldToEventLoop();
      for (let plan = this.#scheduler.plan(); plan.length > 0; plan = this.#scheduler.plan()) {
        await this.#step(plan);
        await yieldToEventLoop();
      }
    } catch (thrown) {
      // A broken promise of our own: nobody waits for ever.
      for (const id of [...this.#served.keys()]) this.#fail(id, AppError.from(thrown));
    } finally {
      this.#running = undefined;
    }
  }

  async #step(plan: readonly Share[]): Promise<void> {
    const shares = plan.map((share) => this.#shareOf(share));
    const [first, ...others] = plan;
    const only = first === undefined || others.length > 0 ? undefined : this.#known(first.id);
    const results = await this.#executor.run(shares, only?.signal).catch((thrown: unknown) => AppError.from(thrown));
    for (const share of plan) this.#ran(share, results instanceof AppError ? results : results.get(share.id));
  }

  #shareOf({ id, numTokens }: Share): StepShare {
    const { generation, numRun } = this.#known(id);
    const tokens = generation.tokens(numRun, numTokens);
    return { id, tokens, wantsLogits: numRun + numTokens >= generation.promptTokens };
  }

  #ran(share: Share, result: Float32Array | AppError | undefined): void {
    const served = this.#served.get(share.id);
    // Cancelled meanwhile: it has ended already.
    if (served === undefined) return;
    if (result instanceof AppError) {
      this.#fail(share.id, result);
      return;
    }
    served.numRun += share.numTokens;
    if (!this.#scheduler.ran(share)) return;
    invariant(result !== undefined, `sequence ${share.id} ran without logits`);
    try {
      const events = served.generation.accept(result);
      const isEnd = events.some(({ kind }) => kind === 'finished');
      // Slots are free before the caller hears of the end.
      if (isEnd) this.#forget(share.id);
      else this.#scheduler.extend(share.id);
      for (const event of events) served.events.push(event);
      if (isEnd) served.events.end();
    } catch (thrown) {
      this.#fail(share.id, AppError.from(thrown));
    }
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
    this.#executor.release(id);
    return served;
  }
}

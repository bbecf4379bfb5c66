// Serves many generations at once: asks the scheduler, runs the step, hands each sequence its logits, and delivers the events.
import { AppError, invariant, yieldToEventLoop } from '#base';
import { EventQueue } from './event-queue.ts';
import type { Generation } from './generation.ts';
import type { FinishReason, GenerationEvent } from './request.ts';
import { Scheduler, type SchedulerGauges, type SchedulerOptions, type SequenceId, type Share } from './scheduler.ts';

/** After which tokens of a share the logits are of use: after none in a piece of a prompt that goes on. */
export type WantedLogits = 'none' | 'last' | 'all';

/** Tokens of one sequence that a step runs. */
export interface StepShare {
  readonly id: SequenceId;
  readonly tokens: readonly number[];
  /** Position of the first of them; what ran there and after is forgotten. @default after those that ran before */
  readonly start?: number;
  readonly wantsLogits: WantedLogits;
}

/** What runs steps; the scheduler's limit on plans holds for `shares`. */
export interface StepExecutor {
  /**
   * Runs tokens and extends the caches. Calls do not overlap.
   *
   * @param signal - of the request, where the step serves only one
   * @returns the logits of each share that wants them, [V] of the last token or [T, V] of all, and the error of each share that could not
   * take part
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
    for (const share of shares) await this.#ran(share, results instanceof AppError ? results : results.get(share.id));
  }

  #shareOf({ id, numTokens }: Share): StepShare {
    const { generation, numRun } = this.#known(id);
    if (numRun === 0) generation.begin();
    const tokens = generation.tokens(numRun, numTokens);
    return { id, tokens, wantsLogits: generation.wants(numRun, numTokens) };
  }

  async #ran({ id, tokens, wantsLogits }: StepShare, result: Float32Array | AppError | undefined): Promise<void> {
    const served = this.#served.get(id);
    // Cancelled meanwhile: it has ended already.
    if (served === undefined) return;
    if (result instanceof AppError) {
      this.#fail(id, result);
      return;
    }
    const start = served.numRun;
    served.numRun += tokens.length;
    const isReady = this.#scheduler.ran({ id, numTokens: tokens.length });
    if (wantsLogits === 'none') return;
    try {
      invariant(result !== undefined, `sequence ${id} ran without logits`);
      const last = wantsLogits === 'last' ? result : await served.generation.readPrompt(start, result, tokens.length);
      if (isReady && this.#served.has(id)) this.#accept(id, served, last);
    } catch (thrown) {
      this.#fail(id, AppError.from(thrown));
    }
  }

  #accept(id: SequenceId, { generation, events }: Served, logits: Float32Array): void {
    const made = generation.accept(logits);
    const isEnd = made.some(({ kind }) => kind === 'finished');
    // Slots are free before the caller hears of the end.
    if (isEnd) this.#forget(id);
    else this.#scheduler.extend(id);
    for (const event of made) events.push(event);
    if (isEnd) events.end();
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

// Runs the texts of several requests in common batches: asks the queue, runs the batch, gives every request its results.
import { AppError, at, type Clock, invariant, systemClock, yieldToEventLoop } from '#base';
import type { DeviceTurns } from './device-turns.ts';
import { type QueuedRow, type RowGauges, RowQueue, type RowQueueOptions, type RowRequestId } from './row-queue.ts';

/** What runs batches. */
export interface RowExecutor<Row, Result> {
  /**
   * Runs texts side by side. Calls do not overlap.
   *
   * @param signal - aborted when nobody waits for any of them
   * @returns for each row its result, or why that row has none
   * @throws AppError when the batch failed as a whole
   */
  run(rows: readonly Row[], signal: AbortSignal): Promise<readonly (Result | AppError)[]>;
}

export interface RowBatcherOptions extends RowQueueOptions {
  readonly clock?: Clock;
  /** Of the device that other models use too. */
  readonly turns?: DeviceTurns;
  /** Ends after so many milliseconds or when the signal is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface SubmitOptions {
  /** Takes the request out: at no cost before its batches begin. */
  readonly signal: AbortSignal;
  /** Called after each batch with the number of rows that are done. */
  readonly onProgress?: (done: number) => void;
}

interface Served<Row, Result> {
  readonly rows: readonly Row[];
  readonly results: Result[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: AppError) => void;
  readonly onProgress: ((done: number) => void) | undefined;
  readonly unlisten: () => void;
  done: number;
}

interface RunningBatch {
  readonly stop: AbortController;
  /** Those that still wait for it. */
  readonly requests: Set<RowRequestId>;
}

/**
 * Requests of any number of clients over one executor. One batch runs at a time; whoever comes meanwhile joins the next.
 *
 * A request ends with all its results, or with the first error: its own row's, its batch's, `cancelled`, or that of `close`.
 */
export class RowBatcher<Row, Result> {
  readonly #executor: RowExecutor<Row, Result>;
  readonly #tokensOf: (row: Row) => number;
  readonly #queue: RowQueue;
  readonly #clock: Clock;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly #inTurn: <Value>(work: () => Promise<Value>) => Promise<Value>;
  readonly #served = new Map<RowRequestId, Served<Row, Result>>();
  #lastId: RowRequestId = 0;
  #running: RunningBatch | undefined;
  #serving: Promise<void> | undefined;
  #wake: AbortController | undefined;
  #closedWith: AppError | undefined;

  /** @throws AppError `invalid_argument` */
  constructor(executor: RowExecutor<Row, Result>, tokensOf: (row: Row) => number, options: RowBatcherOptions) {
    this.#executor = executor;
    this.#tokensOf = tokensOf;
    this.#queue = new RowQueue(options);
    this.#clock = options.clock ?? systemClock;
    this.#sleep = options.sleep ?? sleepUnlessAborted;
    const { turns } = options;
    const user = turns?.join();
    this.#inTurn = (work) => (turns === undefined || user === undefined ? work() : turns.take(user, work));
  }

  get gauges(): RowGauges {
    return this.#queue.gauges;
  }

  /**
   * Results of rows, in their order.
   *
   * @throws AppError `overloaded` | `cancelled` and those of the executor
   */
  submit(rows: readonly Row[], { signal, onProgress }: SubmitOptions): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      if (this.#closedWith !== undefined) throw this.#closedWith;
      if (signal.aborted) throw cancelled();
      if (rows.length === 0) return resolve([]);
      const id = this.#lastId + 1;
      this.#queue.add(id, rows.map(this.#tokensOf), this.#clock.monotonicMs());
      this.#lastId = id;
      const onAbort = (): void => this.#fail(id, cancelled());
      const unlisten = (): void => signal.removeEventListener('abort', onAbort);
      signal.addEventListener('abort', onAbort);
      this.#served.set(id, { rows, results: new Array(rows.length), resolve, reject, onProgress, unlisten, done: 0 });
      this.#wake?.abort();
      this.#serving ??= this.#serve();
    });
  }

  /** Ends every request with `error`, refuses new ones with it, and waits for the batch under way. */
  async close(error: AppError): Promise<void> {
    this.#closedWith = error;
    for (const id of [...this.#served.keys()]) this.#fail(id, error);
    this.#wake?.abort();
    await this.#serving;
  }

  async #serve(): Promise<void> {
    try {
      // The caller's own turn ends first: whoever submits in it is in the first batch.
      await yieldToEventLoop();
      for (let plan = this.#queue.next(this.#clock.monotonicMs()); plan !== undefined; plan = this.#queue.next(this.#clock.monotonicMs())) {
        if (plan.kind === 'run') await this.#run(plan.rows);
        else {
          this.#wake = new AbortController();
          await this.#sleep(plan.ms, this.#wake.signal);
          this.#wake = undefined;
        }
        await yieldToEventLoop();
      }
    } catch (thrown) {
      // A broken promise of our own: nobody waits for ever.
      for (const id of [...this.#served.keys()]) this.#fail(id, AppError.from(thrown));
    } finally {
      this.#serving = undefined;
    }
  }

  async #run(batch: readonly QueuedRow[]): Promise<void> {
    const running = { stop: new AbortController(), requests: new Set(batch.map(({ request }) => request)) };
    this.#running = running;
    const rows = batch.map(({ request, index }) => {
      const served = this.#served.get(request);
      invariant(served !== undefined, `request ${request} is in a batch, but not served`);
      return at(served.rows, index);
    });
    const work = () => this.#executor.run(rows, running.stop.signal);
    const results = await this.#inTurn(work).catch((thrown: unknown) => AppError.from(thrown));
    this.#running = undefined;
    for (const [place, { request, index }] of batch.entries()) {
      const result = results instanceof AppError ? results : at(results, place);
      if (result instanceof AppError) this.#fail(request, result);
      else this.#keep(request, index, result);
    }
    for (const request of running.requests) this.#tell(request);
  }

  #keep(id: RowRequestId, index: number, result: Result): void {
    const served = this.#served.get(id);
    // Gone meanwhile.
    if (served === undefined) return;
    served.results[index] = result;
    served.done += 1;
  }

  #tell(id: RowRequestId): void {
    const served = this.#served.get(id);
    if (served === undefined) return;
    served.onProgress?.(served.done);
    if (served.done < served.rows.length) return;
    this.#forget(id)?.resolve(served.results);
  }

  #fail(id: RowRequestId, error: AppError): void {
    const served = this.#forget(id);
    this.#queue.remove(id);
    served?.reject(error);
    const running = this.#running;
    if (running?.requests.delete(id) === true && running.requests.size === 0) running.stop.abort();
  }

  #forget(id: RowRequestId): Served<Row, Result> | undefined {
    const served = this.#served.get(id);
    this.#served.delete(id);
    served?.unlisten();
    return served;
  }
}

function cancelled(): AppError {
  return new AppError('cancelled', 'the operation was cancelled.');
}

function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

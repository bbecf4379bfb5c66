// The queue of one machine: starts jobs when a slot is free, stores what they report, stops them, and picks up orphans.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, type Clock, type Logger, type Progress, silentLogger, silentTelemetry, systemClock, type Telemetry } from '#base';
import { isDiskFull } from './database.ts';
import { EventFeed, type FeedOptions } from './event-feed.ts';
import { cancelledFailure, defectStack, failureOf, failureToError, interruptedFailure } from './failure.ts';
import { type BoundJob, isFinal, type JobEvent, type JobEventBody, type JobRecord, type JobState, type RegisteredHandler } from './job.ts';
import type { JobEnd, JobStore } from './job-store.ts';
import { type AttemptEnd, JobTelemetry, type ObservedJob } from './job-telemetry.ts';
import { ProgressMeter } from './progress-meter.ts';

export interface JobRunnerOptions extends FeedOptions {
  readonly store: JobStore;
  readonly handlers: readonly RegisteredHandler[];
  /** Work folders are made in it, one a job. */
  readonly workFolder: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly telemetry?: Telemetry;
  /** Jobs with the device that run at a time. Default 1. */
  readonly deviceSlots?: number;
  /** Jobs without the device that run at a time. Default 2. */
  readonly hostSlots?: number;
  /** Progress is stored, and then shown, this often. Default 100 ms. */
  readonly flushMs?: number;
  /** A job that says nothing repeats its last progress this often, so that streams stay alive. Default 5000 ms; 0 never. */
  readonly heartbeatMs?: number;
  /** What a full disk kept from being stored is tried again this often. Default 1000 ms. */
  readonly retryMs?: number;
  /** Memory of the process, for progress. */
  readonly memoryBytes?: () => number;
}

interface RunningJob {
  readonly id: string;
  readonly usesDevice: boolean;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly pending: JobEventBody[];
}

/** More unstored reports than this replace each other. */
const largestPending = 256;

/** Runs jobs. Make it with `start`, end it with `stop`. */
export class JobRunner {
  readonly feed: EventFeed;
  readonly #options: JobRunnerOptions;
  readonly #handlers: ReadonlyMap<string, RegisteredHandler>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #telemetry: JobTelemetry;
  readonly #running = new Map<string, RunningJob>();
  readonly #stopping = new AbortController();
  #accepting = true;
  #startTimer: NodeJS.Timeout | undefined;

  private constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#telemetry = new JobTelemetry(options.telemetry ?? silentTelemetry, (state) => options.store.inState(state).length);
    this.#handlers = new Map(options.handlers.map((handler) => [handler.kind, handler]));
    this.feed = new EventFeed(options.store, options);
  }

  /** Picks up what an ended process left, then starts what is queued. */
  static start(options: JobRunnerOptions): JobRunner {
    const runner = new JobRunner(options);
    runner.#recover();
    runner.#startWaiting();
    return runner;
  }

  /**
   * Checks a request and queues it.
   *
   * @throws AppError `invalid_argument` and others naming the field, `name_taken`, `unavailable` while stopping
   */
  async submit(kind: string, input: unknown): Promise<JobRecord> {
    this.#checkAccepting();
    const bound = this.#handler(kind).bind(input);
    await bound.prepare();
    this.#checkAccepting();
    const id = `${kind}-${randomBytes(6).toString('hex')}`;
    const job = this.#options.store.create({ id, kind, spec: bound.spec, source: bound.source, target: bound.target });
    this.#telemetry.submitted(id);
    this.#logger.info('job queued', { jobId: id, kind });
    setImmediate(() => this.#startWaiting());
    return job;
  }

  get(jobId: string): JobRecord {
    return this.#options.store.get(jobId);
  }

  /** Newest first; all states when `states` is empty. */
  list(states: readonly JobState[], limit: number): readonly JobRecord[] {
    return this.#options.store.list(states, limit);
  }

  newestProgress(jobId: string): JobEvent | undefined {
    return this.#options.store.newestProgress(jobId);
  }

  /** Removes what an ended job left in its folder. */
  async discardWork(jobId: string): Promise<void> {
    if (isFinal(this.get(jobId).state)) await this.#discardFolder(jobId);
  }

  /** Folder of a job, where `keepsWorkFolder` leaves its files. */
  workFolderOf(jobId: string): string {
    return join(this.#options.workFolder, jobId);
  }

  /** Waits for the end of a job. @throws AppError with the job's own error */
  async result(jobId: string, signal?: AbortSignal): Promise<unknown> {
    for await (const event of this.watch(jobId, this.get(jobId).lastSequence, signal))
      if (event.kind === 'state' && isFinal(event.state)) break;
    const job = this.get(jobId);
    if (job.state === 'SUCCEEDED') return job.result;
    if (job.error !== undefined) throw failureToError(job.error);
    throw new AppError('cancelled', `job ${jobId}: nobody waits for it any more; it goes on.`);
  }

  watch(jobId: string, fromSequence: number, signal?: AbortSignal): AsyncGenerator<JobEvent> {
    return this.feed.watch(jobId, fromSequence, signal);
  }

  /** Asks a job to stop. One that has ended stays as it is. @throws AppError `job_not_found` */
  cancel(jobId: string): JobRecord {
    const job = this.get(jobId);
    if (job.state === 'QUEUED') {
      this.#telemetry.dropped(jobId);
      return this.#finish(jobId, { state: 'CANCELLED', error: cancelledFailure(jobId) }, []);
    }
    if (job.state !== 'RUNNING') return job;
    const moved = this.#options.store.move(jobId, 'CANCELLING');
    this.feed.notify(jobId);
    this.#running.get(jobId)?.stop.abort();
    return moved;
  }

  /**
   * Takes no more jobs, stops the running ones and waits for them. Those that can resume are queued again for the next
   * process; the others end as FAILED with `interrupted`.
   */
  async stop(): Promise<void> {
    this.#accepting = false;
    this.#stopping.abort();
    clearTimeout(this.#startTimer);
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
    await Promise.all(running.map(({ ended }) => ended));
    this.#telemetry.close();
    this.feed.close();
  }

  /** Jobs at work now. */
  get runningCount(): number {
    return this.#running.size;
  }

  #checkAccepting(): void {
    if (!this.#accepting) throw new AppError('unavailable', 'the server is stopping and takes no more jobs. Try again when it is back.');
  }

  #handler(kind: string): RegisteredHandler {
    const handler = this.#handlers.get(kind);
    if (handler === undefined)
      throw new AppError('invalid_argument', `job kind "${kind}" is unknown. This server knows ${[...this.#handlers.keys()].join(', ')}.`);
    return handler;
  }

  #recover(): void {
    const { store } = this.#options;
    for (const { id } of store.inState('CANCELLING')) this.#finish(id, { state: 'CANCELLED', error: cancelledFailure(id) }, []);
    for (const { id, kind } of store.inState('RUNNING')) this.#giveUp(id, this.#handlers.get(kind)?.canResume === true, []);
  }

  /** What happens to a job that the end of its process interrupts. */
  #giveUp(id: string, canResume: boolean, lastProgress: readonly JobEventBody[]): void {
    if (canResume) {
      this.#options.store.append(id, lastProgress);
      this.#options.store.move(id, 'QUEUED');
      this.feed.notify(id);
      return;
    }
    this.#finish(id, { state: 'FAILED', error: interruptedFailure(id) }, lastProgress);
  }

  /** Starts what there is a slot for. On a full disk the jobs stay queued until there is room. */
  #startWaiting(): void {
    if (!this.#accepting) return;
    try {
      this.#startQueued();
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#logger.error('queued jobs not started', { message: failureOf(error).message });
      clearTimeout(this.#startTimer);
      this.#startTimer = setTimeout(() => this.#startWaiting(), this.#retryMs);
    }
  }

  #startQueued(): void {
    const { deviceSlots = 1, hostSlots = 2 } = this.#options;
    const used = (usesDevice: boolean): number => [...this.#running.values()].filter((job) => job.usesDevice === usesDevice).length;
    for (const job of this.#options.store.inState('QUEUED')) {
      const handler = this.#handlers.get(job.kind);
      if (handler === undefined) {
        const error = failureOf(new AppError('unsupported', `job ${job.id}: this server has no jobs of kind "${job.kind}".`));
        this.#finish(job.id, { state: 'FAILED', error }, []);
      } else if (used(handler.usesDevice) < (handler.usesDevice ? deviceSlots : hostSlots)) this.#begin(job, handler);
    }
  }

  #begin(job: JobRecord, handler: RegisteredHandler): void {
    const started = this.#options.store.move(job.id, 'RUNNING');
    this.feed.notify(job.id);
    const stop = new AbortController();
    const pending: JobEventBody[] = [];
    const observed = this.#telemetry.begin(started);
    const ended = observed
      .within(() => this.#perform(job, handler, stop.signal, pending, observed))
      .then((end) => observed.end(end))
      .finally(() => {
        this.#running.delete(job.id);
        this.#startWaiting();
      });
    this.#running.set(job.id, { id: job.id, usesDevice: handler.usesDevice, stop, ended, pending });
  }

  async #perform(
    job: JobRecord,
    handler: RegisteredHandler,
    signal: AbortSignal,
    pending: JobEventBody[],
    observed: ObservedJob,
  ): Promise<AttemptEnd> {
    const { id } = job;
    const reports = this.#reports(id, pending);
    const report = (progress: Progress): void => {
      observed.report(progress);
      reports.report(progress);
    };
    try {
      const bound: BoundJob = handler.bind(job.spec);
      const workFolder = this.workFolderOf(id);
      await mkdir(workFolder, { recursive: true });
      const result = await bound.run({ jobId: id, workFolder, signal, report, logger: this.#logger });
      reports.end();
      const isStored = await this.#finishStored(id, { state: 'SUCCEEDED', result }, pending.splice(0));
      if (isStored && !handler.keepsWorkFolder) await this.#discardFolder(id);
      return { state: 'SUCCEEDED' };
    } catch (error) {
      reports.end();
      return this.#performFailed(id, handler, error, signal, pending.splice(0));
    }
  }

  async #performFailed(
    id: string,
    handler: RegisteredHandler,
    thrown: unknown,
    signal: AbortSignal,
    lastProgress: readonly JobEventBody[],
  ): Promise<AttemptEnd> {
    const error = failureOf(thrown);
    const stopped = signal.aborted && error.code === 'cancelled';
    if (stopped && this.get(id).state === 'RUNNING') {
      try {
        this.#giveUp(id, handler.canResume, lastProgress);
      } catch (failure) {
        // It stays as it is; the next process finds it running and does the same.
        if (!isDiskFull(failure)) throw failure;
        this.#logger.error('interrupted job not stored', { jobId: id, message: failureOf(failure).message });
      }
      return handler.canResume ? { state: 'QUEUED' } : { state: 'FAILED', errorCode: 'interrupted' };
    }
    if (stopped) await this.#finishStored(id, { state: 'CANCELLED', error: cancelledFailure(id) }, lastProgress);
    else {
      this.#logger.error('job failed', { jobId: id, code: error.code, message: error.message, stack: defectStack(thrown) });
      await this.#finishStored(id, { state: 'FAILED', error }, lastProgress);
    }
    // A job that could go on keeps its checkpoints, so that its work is not lost with it.
    if (handler.canResume) await rmdir(this.workFolderOf(id)).catch(() => {});
    else await this.#discardFolder(id);
    return stopped ? { state: 'CANCELLED' } : { state: 'FAILED', errorCode: error.code };
  }

  /** Collects reports, stores them in batches, and repeats the last one when the job is silent. */
  #reports(id: string, pending: JobEventBody[]): { readonly report: (progress: Progress) => void; readonly end: () => void } {
    const { store, flushMs = 100, heartbeatMs = 5000, memoryBytes = () => process.memoryUsage.rss() } = this.#options;
    const meter = new ProgressMeter(this.#clock, memoryBytes);
    let flushTimer: NodeJS.Timeout | undefined;
    let heartbeat: NodeJS.Timeout | undefined;
    let last: Progress | undefined;
    let ended = false;
    let isFailing = false;
    const flush = (): void => {
      flushTimer = undefined;
      try {
        store.append(id, pending.splice(0));
        isFailing = false;
        this.feed.notify(id);
      } catch (error) {
        // A full disk costs the job its progress log, not its work: the end of the job will say what is wrong.
        if (!isFailing) this.#logger.error('progress not stored', { jobId: id, message: failureOf(error).message });
        isFailing = true;
      }
    };
    const report = (progress: Progress): void => {
      if (ended) return;
      last = progress;
      if (pending.length >= largestPending) pending.pop();
      pending.push({ kind: 'progress', progress: meter.time(progress) });
      flushTimer ??= setTimeout(flush, flushMs);
      heartbeat?.refresh();
    };
    if (heartbeatMs > 0) heartbeat = setInterval(() => last !== undefined && report(last), heartbeatMs);
    const end = (): void => {
      ended = true;
      clearTimeout(flushTimer);
      clearInterval(heartbeat);
    };
    return { report, end };
  }

  get #retryMs(): number {
    return this.#options.retryMs ?? 1000;
  }

  /** Stores the end of a job. A full disk does not lose it: it is tried until there is room, or until the server stops. Answers whether it is stored. */
  async #finishStored(id: string, end: JobEnd, lastProgress: readonly JobEventBody[]): Promise<boolean> {
    for (let failures = 0; ; failures++) {
      try {
        this.#finish(id, end, lastProgress);
        return true;
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        if (failures === 0) this.#logger.error('end of job not stored', { jobId: id, message: failureOf(error).message });
        // Left as it is: the next process finds it running and picks it up.
        if (this.#stopping.signal.aborted) return false;
        await wait(this.#retryMs, undefined, { signal: this.#stopping.signal }).catch(() => {});
      }
    }
  }

  #finish(id: string, end: JobEnd, lastProgress: readonly JobEventBody[]): JobRecord {
    const job = this.#options.store.finish(id, end, lastProgress);
    this.feed.notify(id);
    this.#logger.info('job ended', { jobId: id, state: end.state });
    return job;
  }

  async #discardFolder(id: string): Promise<void> {
    await rm(this.workFolderOf(id), { recursive: true, force: true }).catch((error: unknown) => {
      this.#logger.warn('work folder not removed', { jobId: id, message: failureOf(error).message });
    });
  }
}

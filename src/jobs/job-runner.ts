// The queue of one machine: starts jobs when a slot is free, stores what they report, stops them, and picks up orphans.
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import {
  AppError,
  type Clock,
  deviceFailures,
  faultPointNow,
  type Logger,
  type Progress,
  silentLogger,
  silentTelemetry,
  systemClock,
  type Telemetry,
} from '#base';
import { isDiskFull } from './database.ts';
import { EventFeed, type FeedOptions } from './event-feed.ts';
import { cancelledFailure, defectStack, failureOf, failureToError, interruptedFailure } from './failure.ts';
import { WorkerEnded } from './isolation/worker-process.ts';
import {
  type BoundJob,
  isFinal,
  type JobEvent,
  type JobEventBody,
  type JobFailure,
  type JobRecord,
  type JobState,
  type RegisteredHandler,
} from './job.ts';
import type { JobEnd, JobQuota, JobStore } from './job-store.ts';
import { type AttemptEnd, JobTelemetry, type ObservedJob } from './job-telemetry.ts';
import type { PathPolicy } from './path-policy.ts';
import { ProgressLog } from './progress-log.ts';
import { defaultRetention, type Retention, removeExpired, strayFolders } from './retention.ts';

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
  readonly memoryBytes?: (jobId: string) => number;
  /** How many unfinished jobs are taken. Default: 1000 in all. */
  readonly quota?: JobQuota;
  /** How long ended jobs stay. Default: 30 days, and at most 10,000. */
  readonly retention?: Retention;
  /** Which files jobs may name. Default: all that the process may reach. */
  readonly paths?: PathPolicy;
  /** A job whose process died so often while it ran is put aside. Default 3. */
  readonly largestCrashes?: number;
}

/** What a request to do something may say beside it. */
export interface SubmitOptions {
  readonly priority?: number;
  readonly owner?: string;
}

interface RunningJob {
  readonly id: string;
  readonly usesDevice: boolean;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** Between two looks at what has expired. */
const retentionEveryMs = 3600 * 1000;

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
  #retentionTimer: NodeJS.Timeout | undefined;
  #tidying: Promise<void> = Promise.resolve();

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
    runner.#tidying = runner.#removeStray().catch((error: unknown) => {
      runner.#logger.warn('work folders not looked at', { message: failureOf(error).message });
    });
    runner.#removeExpired();
    runner.#retentionTimer = setInterval(() => runner.#removeExpired(), retentionEveryMs);
    runner.#retentionTimer.unref();
    runner.#startWaiting();
    return runner;
  }

  /**
   * Checks a request and queues it.
   *
   * @throws AppError `invalid_argument` and others naming the field, `name_taken`, `unavailable` while stopping
   */
  async submit(kind: string, input: unknown, { priority = 0, owner = '' }: SubmitOptions = {}): Promise<JobRecord> {
    this.#checkAccepting();
    const bound = this.#handler(kind).bind(input);
    await this.#checkPaths(bound);
    await bound.prepare();
    this.#checkAccepting();
    const job = this.#create(kind, bound, { priority, owner });
    setImmediate(() => this.#startWaiting());
    return job;
  }

  /** @throws AppError `file_not_allowed` */
  async #checkPaths({ paths }: BoundJob): Promise<void> {
    for (const path of paths) await this.#options.paths?.check(path);
  }

  #create(
    kind: string,
    { spec, source, target }: BoundJob,
    given: Pick<JobRecord, 'priority' | 'owner'> & { retryOf?: string },
  ): JobRecord {
    const id = `${kind}-${randomBytes(6).toString('hex')}`;
    const { quota = { inAll: 1000 } } = this.#options;
    const job = this.#options.store.create({ id, kind, spec, source, target, ...given }, quota);
    this.#telemetry.submitted(id);
    this.#logger.info('job queued', { jobId: id, kind, ...(given.owner === '' ? {} : { owner: given.owner }) });
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
    if (job.state === 'QUEUED' || job.state === 'PAUSED') {
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
   * Puts a job aside, with a checkpoint where it runs: it frees the device and keeps its name until it goes on or is cancelled.
   *
   * @throws AppError `job_not_found` | `wrong_state` for one that is stopping or has ended | `unsupported` for a running one that would begin anew
   */
  pause(jobId: string): JobRecord {
    const { store } = this.#options;
    const { state, kind } = this.get(jobId);
    if (state === 'PAUSED') return this.get(jobId);
    if (state === 'QUEUED') {
      const moved = store.move(jobId, 'PAUSED');
      this.feed.notify(jobId);
      return moved;
    }
    if (state !== 'RUNNING') throw wrongState(jobId, state, 'only a job that waits or runs can be paused');
    if (this.#handlers.get(kind)?.canResume !== true)
      throw new AppError(
        'unsupported',
        `job ${jobId}: jobs of kind ${kind} keep no checkpoint and would begin anew. Let it end, or cancel it.`,
      );
    const job = store.setPausing(jobId, true);
    this.#running.get(jobId)?.stop.abort();
    return job;
  }

  /** Lets a paused job go on where it was, when there is a slot. @throws AppError `job_not_found` | `wrong_state` */
  resume(jobId: string): JobRecord {
    this.#checkAccepting();
    const { state, isPausing } = this.get(jobId);
    // It stops first, and is queued again then.
    if (state === 'RUNNING' && isPausing) return this.#options.store.setPausing(jobId, false);
    if (state !== 'PAUSED') throw wrongState(jobId, state, 'only a paused job can be resumed; `retry` starts one that has failed');
    const job = this.#options.store.unpause(jobId);
    this.feed.notify(jobId);
    setImmediate(() => this.#startWaiting());
    return job;
  }

  /**
   * A new job that does what a failed or cancelled one was to do, and goes on from its checkpoint where there is one.
   *
   * @param fresh - leaves the checkpoint where it is and begins anew
   * @throws AppError `job_not_found` | `wrong_state`, and as `submit`
   */
  async retry(
    jobId: string,
    { fresh = false, owner = '' }: { readonly fresh?: boolean; readonly owner?: string } = {},
  ): Promise<JobRecord> {
    this.#checkAccepting();
    const { state, kind, spec, priority } = this.get(jobId);
    if (state !== 'FAILED' && state !== 'CANCELLED')
      throw wrongState(jobId, state, 'only a job that failed or was cancelled can be tried again');
    const handler = this.#handler(kind);
    const bound = handler.bind(spec);
    await this.#checkPaths(bound);
    await bound.prepare();
    this.#checkAccepting();
    const job = this.#create(kind, bound, { priority, owner, retryOf: jobId });
    if (handler.canResume && !fresh) await rename(this.workFolderOf(jobId), this.workFolderOf(job.id)).catch(() => {});
    setImmediate(() => this.#startWaiting());
    return job;
  }

  /** Forgets a job that has ended: its log, its result and what it left in its folder. @throws AppError `job_not_found` | `wrong_state` */
  async remove(jobId: string): Promise<void> {
    const { state } = this.get(jobId);
    if (!isFinal(state)) throw wrongState(jobId, state, 'cancel it first');
    this.#options.store.remove([jobId]);
    await this.#discardFolder(jobId);
  }

  /**
   * Takes no more jobs, stops the running ones and waits for them. Those that can resume are queued again for the next
   * process; the others end as FAILED with `interrupted`.
   */
  async stop(): Promise<void> {
    this.#accepting = false;
    this.#stopping.abort();
    clearTimeout(this.#startTimer);
    clearInterval(this.#retentionTimer);
    const running = [...this.#running.values()];
    for (const { stop } of running) stop.abort();
    await Promise.all(running.map(({ ended }) => ended));
    await this.#tidying;
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
    for (const { id, kind } of store.inState('RUNNING')) this.#afterCrash(id, this.#handlers.get(kind)?.canResume === true, []);
  }

  /** The process of a running job has died: it goes on, unless that happens again and again. Answers how the attempt ended. */
  #afterCrash(id: string, canResume: boolean, lastProgress: readonly JobEventBody[]): AttemptEnd {
    const { store, largestCrashes = 3 } = this.#options;
    const crashes = store.countCrash(id);
    if (crashes < largestCrashes) {
      this.#giveUp(id, canResume, lastProgress);
      return this.#attemptEnd(id, canResume);
    }
    this.#park(id, crashes);
    return { state: 'PAUSED' };
  }

  #attemptEnd(id: string, canResume: boolean): AttemptEnd {
    if (canResume) return { state: this.get(id).state === 'PAUSED' ? 'PAUSED' : 'QUEUED' };
    return { state: 'FAILED', errorCode: 'interrupted' };
  }

  /** A job that takes its process down again and again waits for somebody who looks. */
  #park(id: string, crashes: number): void {
    const message = `job ${id}: its process died ${crashes} times while it ran. It is paused: resume it when the cause is found, or cancel it.`;
    this.#parkFor(id, failureOf(new AppError('crash_loop', message, { details: { jobId: id, crashes } })));
  }

  /** Keeps its checkpoint and its name until it is resumed or cancelled. */
  #parkFor(id: string, error: JobFailure): void {
    this.#options.store.park(id, error);
    this.feed.notify(id);
    this.#logger.error('job parked', { jobId: id, code: error.code, message: error.message });
  }

  #removeExpired(): void {
    try {
      const { store, retention = defaultRetention } = this.#options;
      const expired = removeExpired(store, this.#clock, retention);
      if (expired.length > 0) this.#logger.info('ended jobs removed', { jobs: expired.length });
      this.#tidying = this.#tidying.then(async () => {
        for (const id of expired) await this.#discardFolder(id);
      });
    } catch (error) {
      this.#logger.error('ended jobs not removed', { message: failureOf(error).message });
    }
  }

  async #removeStray(): Promise<void> {
    for (const id of await strayFolders(this.#options.workFolder, this.#options.store)) await this.#discardFolder(id);
  }

  /** What happens to a job that the end of its process interrupts, or that was asked to pause. */
  #giveUp(id: string, canResume: boolean, lastProgress: readonly JobEventBody[]): void {
    const { isPausing } = this.get(id);
    if (canResume) {
      this.#options.store.append(id, lastProgress);
      this.#options.store.move(id, isPausing ? 'PAUSED' : 'QUEUED');
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
    const observed = this.#telemetry.begin(started);
    const ended = observed
      .within(() => this.#perform(job, handler, stop.signal, observed))
      .then((end) => observed.end(end))
      .finally(() => {
        this.#running.delete(job.id);
        this.#startWaiting();
      });
    this.#running.set(job.id, { id: job.id, usesDevice: handler.usesDevice, stop, ended });
  }

  async #perform(job: JobRecord, handler: RegisteredHandler, signal: AbortSignal, observed: ObservedJob): Promise<AttemptEnd> {
    const { id } = job;
    const reports = this.#reports(id);
    const report = (progress: Progress): void => {
      observed.report(progress);
      reports.report(progress);
    };
    try {
      const bound: BoundJob = handler.bind(job.spec);
      // A link may have come in between.
      await this.#checkPaths(bound);
      const workFolder = this.workFolderOf(id);
      await mkdir(workFolder, { recursive: true });
      const result = await bound.run({ jobId: id, workFolder, signal, report, logger: this.#logger });
      const isStored = await this.#finishStored(id, { state: 'SUCCEEDED', result }, reports.end());
      if (isStored && !handler.keepsWorkFolder) await this.#discardFolder(id);
      return { state: 'SUCCEEDED' };
    } catch (error) {
      return this.#performFailed(id, handler, error, signal, reports.end());
    }
  }

  async #performFailed(
    id: string,
    handler: RegisteredHandler,
    thrown: unknown,
    signal: AbortSignal,
    lastProgress: readonly JobEventBody[],
  ): Promise<AttemptEnd> {
    const crashed = thrown instanceof WorkerEnded;
    if (crashed) this.#logger.error('process of a job ended', { jobId: id, message: thrown.message });
    const error = failureOf(thrown);
    const stopped = crashed || (signal.aborted && error.code === 'cancelled');
    if (stopped && this.get(id).state === 'RUNNING') {
      try {
        if (crashed) return this.#afterCrash(id, handler.canResume, lastProgress);
        this.#giveUp(id, handler.canResume, lastProgress);
      } catch (failure) {
        // It stays as it is; the next process finds it running and does the same.
        if (!isDiskFull(failure)) throw failure;
        this.#logger.error('interrupted job not stored', { jobId: id, message: failureOf(failure).message });
      }
      return this.#attemptEnd(id, handler.canResume);
    }
    // It waits for somebody who looks, and goes on from its checkpoint.
    if (handler.canResume && deviceFailures.has(error.code) && this.get(id).state === 'RUNNING') {
      this.#options.store.append(id, lastProgress);
      this.#parkFor(id, error);
      return { state: 'PAUSED', errorCode: error.code };
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

  #reports(id: string): ProgressLog {
    const { store, flushMs = 100, heartbeatMs = 5000, memoryBytes = () => process.memoryUsage.rss() } = this.#options;
    const append = (bodies: readonly JobEventBody[]): void => {
      store.append(id, bodies);
      this.feed.notify(id);
    };
    return new ProgressLog(id, {
      clock: this.#clock,
      logger: this.#logger,
      flushMs,
      heartbeatMs,
      memoryBytes: () => memoryBytes(id),
      append,
    });
  }

  get #retryMs(): number {
    return this.#options.retryMs ?? 1000;
  }

  /** Stores the end of a job. A full disk does not lose it: it is tried until there is room, or until the server stops. Answers whether it is stored. */
  async #finishStored(id: string, end: JobEnd, lastProgress: readonly JobEventBody[]): Promise<boolean> {
    for (let failures = 0; ; failures++) {
      try {
        faultPointNow('job end');
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

function wrongState(jobId: string, state: JobState, rule: string): AppError {
  return new AppError('wrong_state', `job ${jobId} is ${state}: ${rule}.`, { details: { jobId, state } });
}

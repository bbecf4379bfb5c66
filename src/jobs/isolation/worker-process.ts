// The server's side of one worker process: started, given a job, stopped within a bounded time, and seen when it dies.
import { AppError } from '#base';
import { failureOf, failureToError } from '../failure.ts';
import type { JobContext } from '../job.ts';
import { SupervisedProcess } from '../supervised-process.ts';
import type { FromWorker, ServerNotes, ToWorker, WorkerJob, WorkerSettings } from './messages.ts';

/** The process of a job ended before the job did. */
export class WorkerEnded extends Error {}

export interface WorkerOptions {
  /** Program of the process. */
  readonly entry: string;
  readonly settings: WorkerSettings;
  readonly notes: ServerNotes;
  /** A worker that does not hear within this time that its job is to stop is busy with something that nothing can stop: it is ended. Default 900 ms. */
  readonly deafMs?: number;
  /** One that has heard it, and has stopped its device, may take so long to write what it has. Default 30 s. */
  readonly stoppingMs?: number;
}

export class WorkerProcess {
  readonly #options: WorkerOptions;
  readonly #child: SupervisedProcess<ToWorker, FromWorker>;
  /** Answers a message of the job that it does now. */
  #hear: (message: FromWorker) => void = () => {};
  #memoryBytes = 0;
  #isEnding = false;
  #uses: ReadonlySet<string> = new Set();

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { entry, settings } = options;
    this.#child = new SupervisedProcess(entry, [JSON.stringify(settings)]);
    this.#child.hear((message) => this.#hear(message));
  }

  get isAlive(): boolean {
    return this.#child.isAlive;
  }

  /** Of the process, when it was last heard of. */
  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  /** Hashes of the models that its job uses. */
  get uses(): ReadonlySet<string> {
    return this.#uses;
  }

  /**
   * Does a job. One at a time.
   *
   * @throws WorkerEnded when the process dies, AppError `cancelled` when the job was to stop, and what the job throws
   */
  async run(job: WorkerJob, { signal, report, logger }: Pick<JobContext, 'signal' | 'report' | 'logger'>): Promise<unknown> {
    const { deafMs = 900, stoppingMs = 30_000 } = this.#options;
    let patience: NodeJS.Timeout | undefined;
    const endWithin = (timeMs: number): void => {
      clearTimeout(patience);
      patience = setTimeout(() => this.kill(), timeMs);
    };
    const settled = new Promise<Extract<FromWorker, { kind: 'done' | 'failed' }>>((resolve) => {
      this.#hear = (message) => {
        if (message.kind === 'report') {
          this.#memoryBytes = message.memoryBytes;
          report(message.progress);
        } else if (message.kind === 'log') logger[message.level](message.message, message.fields);
        else if (message.kind === 'ask') void this.#answer(message);
        else if (message.kind === 'uses') this.#uses = new Set(message.hashes);
        else if (message.kind === 'stopping') endWithin(stoppingMs);
        else resolve(message);
      };
    });
    const onAbort = (): void => {
      this.#isEnding = true;
      this.go();
      this.#child.tell({ kind: 'stop' });
      endWithin(deafMs);
    };
    try {
      this.#child.tell({ kind: 'run', job });
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      const end = await Promise.race([settled, this.#child.ended]);
      if (typeof end === 'string') {
        if (signal.aborted) throw new AppError('cancelled', 'the operation was cancelled.');
        throw new WorkerEnded(`job ${job.jobId}: its process ${end}`);
      }
      if (end.kind === 'done') return end.result;
      if (end.stack !== undefined) logger.error('defect in a worker', { jobId: job.jobId, stack: end.stack });
      throw failureToError(end.failure);
    } finally {
      clearTimeout(patience);
      this.#isEnding = false;
      this.go();
      signal.removeEventListener('abort', onAbort);
      this.#hear = () => {};
      this.#uses = new Set();
    }
  }

  /** Stops the process where it is, unless its job is to end; `go` lets it go on. */
  hold(): void {
    if (!this.#isEnding && process.platform !== 'win32') this.#child.signal('SIGSTOP');
  }

  go(): void {
    if (process.platform !== 'win32') this.#child.signal('SIGCONT');
  }

  /** Safe to call twice. */
  kill(): void {
    this.#child.signal('SIGKILL');
  }

  /** Ends the process and waits until it is gone. */
  async end(): Promise<void> {
    this.kill();
    await this.#child.ended;
  }

  async #answer({ call, question, values }: Extract<FromWorker, { kind: 'ask' }>): Promise<void> {
    try {
      const answer = this.#options.notes[question] as (...given: readonly unknown[]) => unknown;
      this.#child.tell({ kind: 'answer', call, value: await answer(...values) });
    } catch (error) {
      this.#child.tell({ kind: 'refusal', call, failure: failureOf(error) });
    }
  }
}

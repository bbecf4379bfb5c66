// What a running job reports, on its way into the store: in batches, with times, and repeated while the job is silent.
import type { Clock, Logger, Progress } from '#base';
import { failureOf } from './failure.ts';
import type { JobEventBody } from './job.ts';
import { ProgressMeter } from './progress-meter.ts';

export interface ProgressLogOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Batches are stored this often. */
  readonly flushMs: number;
  /** The last report is repeated after so long a silence; 0 never. */
  readonly heartbeatMs: number;
  readonly memoryBytes: () => number;
  /** Stores a batch; may throw on a full disk. */
  readonly append: (bodies: readonly JobEventBody[]) => void;
}

/** More unstored reports than this replace each other. */
const largestPending = 256;

export class ProgressLog {
  readonly #jobId: string;
  readonly #options: ProgressLogOptions;
  readonly #meter: ProgressMeter;
  #pending: JobEventBody[] = [];
  #flushTimer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #last: Progress | undefined;
  #ended = false;
  #isFailing = false;

  constructor(jobId: string, options: ProgressLogOptions) {
    this.#jobId = jobId;
    this.#options = options;
    this.#meter = new ProgressMeter(options.clock, options.memoryBytes);
    const { heartbeatMs } = options;
    if (heartbeatMs > 0) this.#heartbeat = setInterval(() => this.#last !== undefined && this.report(this.#last), heartbeatMs);
  }

  report(progress: Progress): void {
    if (this.#ended) return;
    this.#last = progress;
    if (this.#pending.length >= largestPending) this.#pending.pop();
    this.#pending.push({ kind: 'progress', progress: this.#meter.time(progress) });
    this.#flushTimer ??= setTimeout(() => this.#flush(), this.#options.flushMs);
    this.#heartbeat?.refresh();
  }

  /** Takes no more reports, and answers those that are not stored. */
  end(): readonly JobEventBody[] {
    this.#ended = true;
    clearTimeout(this.#flushTimer);
    clearInterval(this.#heartbeat);
    return this.#pending.splice(0);
  }

  #flush(): void {
    this.#flushTimer = undefined;
    try {
      this.#options.append(this.#pending.splice(0));
      this.#isFailing = false;
    } catch (error) {
      // A full disk costs the job its progress log, not its work: the end of the job will say what is wrong.
      if (!this.#isFailing) this.#options.logger.error('progress not stored', { jobId: this.#jobId, message: failureOf(error).message });
      this.#isFailing = true;
    }
  }
}

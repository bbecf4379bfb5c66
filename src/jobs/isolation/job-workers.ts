// Jobs in processes of their own: what takes one of them down leaves the server and its clients alone.
import type { JobContext, RegisteredHandler } from '../job.ts';
import { DutyCycle } from './duty-cycle.ts';
import { type WorkerOptions, WorkerProcess } from './worker-process.ts';

export interface JobWorkersOptions extends WorkerOptions {
  /** What a worker that starts a job now may hold. */
  readonly memoryLimitBytes: () => number;
  /** Share of the time that jobs run while there are calls: above 0, at most 1. */
  readonly share: number;
  /** A worker without a job is kept so long for the next one. Default 60 s. */
  readonly idleMs?: number;
}

/** As many processes as there are jobs at work, and at most one that waits for the next. */
export class JobWorkers {
  readonly #options: JobWorkersOptions;
  readonly #busy = new Map<string, WorkerProcess>();
  readonly #cycle: DutyCycle;
  #idle: WorkerProcess | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: JobWorkersOptions) {
    this.#options = options;
    this.#cycle = new DutyCycle({
      share: options.share,
      hold: () => this.#each((worker) => worker.hold()),
      go: () => this.#each((worker) => worker.go()),
    });
  }

  /** The same kind of job, done in a process of its own. What is checked before a job is queued is checked here. */
  isolate(handler: RegisteredHandler): RegisteredHandler {
    return {
      ...handler,
      bind: (input) => {
        const bound = handler.bind(input);
        return { ...bound, run: (context) => this.#run(handler.kind, bound.spec, context) };
      },
    };
  }

  /** Memory of the worker that does a job; undefined when none does. */
  memoryBytes(jobId: string): number | undefined {
    return this.#busy.get(jobId)?.memoryBytes;
  }

  /** Says how many calls use models now. */
  onCalls(count: number): void {
    this.#cycle.set(count > 0);
  }

  /** A job that uses a model now, by the hash of the model. */
  userOf(hash: string): string | undefined {
    return [...this.#busy].find(([, worker]) => worker.uses.has(hash))?.[0];
  }

  /** Ends all processes. Jobs have ended before. */
  async close(): Promise<void> {
    this.#cycle.end();
    clearTimeout(this.#idleTimer);
    const workers = [...this.#busy.values(), ...(this.#idle === undefined ? [] : [this.#idle])];
    this.#idle = undefined;
    await Promise.all(workers.map((worker) => worker.end()));
  }

  async #run(kind: string, spec: unknown, context: JobContext): Promise<unknown> {
    const { jobId, workFolder } = context;
    const worker = this.#take();
    this.#busy.set(jobId, worker);
    try {
      return await worker.run({ kind, spec, jobId, workFolder, memoryLimitBytes: this.#options.memoryLimitBytes() }, context);
    } finally {
      this.#busy.delete(jobId);
      this.#giveBack(worker);
    }
  }

  #each(act: (worker: WorkerProcess) => void): void {
    for (const worker of this.#busy.values()) act(worker);
  }

  #take(): WorkerProcess {
    clearTimeout(this.#idleTimer);
    const waiting = this.#idle;
    this.#idle = undefined;
    return waiting?.isAlive === true ? waiting : new WorkerProcess(this.#options);
  }

  #giveBack(worker: WorkerProcess): void {
    if (!worker.isAlive) return;
    if (this.#idle?.isAlive === true) {
      worker.kill();
      return;
    }
    this.#idle = worker;
    const { idleMs = 60_000 } = this.#options;
    this.#idleTimer = setTimeout(() => worker.kill(), idleMs);
    this.#idleTimer.unref();
  }
}

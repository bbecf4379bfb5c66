// The worker's side: does one job at a time for the server, and ends with it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, type Logger } from '#base';
import { type FileLock, tryLock } from '#store';
import { defectStack, failureOf, failureToError } from '../failure.ts';
import type { RegisteredHandler } from '../job.ts';
import type { FromWorker, ServerNotes, ToWorker, WorkerJob, WorkerSettings } from './messages.ts';

/** What a worker is put together from. */
export interface WorkerParts {
  /** @param memoryLimitBytes - of this job */
  handlers(memoryLimitBytes: number): readonly RegisteredHandler[];
  /** Gives back what the job left in memory. */
  tidy(): Promise<void>;
}

/** The server, seen from the worker. */
export interface ServerLink {
  readonly notes: ServerNotes;
  /** Says which models the job uses. */
  uses(hashes: readonly string[]): void;
}

const lockPollMs = 50;

/** Works until the server is gone. Called once, in a process that was forked for it. */
export function serveJobs(settings: WorkerSettings, open: (link: ServerLink) => Promise<WorkerParts>): void {
  goFirst();
  const link = new Link();
  const parts = open(link);
  let stop = new AbortController();
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'run') {
      stop = new AbortController();
      void perform(settings.root, message.job, parts, link, stop.signal);
    } else if (message.kind === 'stop') {
      stop.abort();
      send({ kind: 'stopping' });
    } else link.settle(message);
  });
  // Those of a terminal or a service manager go to the whole group: the server hears them too, and stops its jobs in order.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  // The server is gone, and whoever comes after it starts a worker of its own.
  process.once('disconnect', () => process.exit(1));
}

async function perform(root: string, job: WorkerJob, opening: Promise<WorkerParts>, link: Link, signal: AbortSignal): Promise<void> {
  const { kind, spec, jobId, workFolder, memoryLimitBytes } = job;
  try {
    const parts = await opening;
    const lock = await soleWorker(join(root, 'locks', `+${jobId}.lock`), signal);
    const work = async (): Promise<unknown> => {
      const handler = parts.handlers(memoryLimitBytes).find((one) => one.kind === kind);
      if (handler === undefined) throw new AppError('unsupported', `job ${jobId}: there are no jobs of kind "${kind}".`);
      const report = (progress: Extract<FromWorker, { kind: 'report' }>['progress']): void =>
        send({ kind: 'report', progress, memoryBytes: process.memoryUsage.rss() });
      return handler.bind(spec).run({ jobId, workFolder, signal, report, logger: sentLogger });
    };
    // Whoever hears of the end may start the next attempt.
    const result = await work().finally(async () => {
      await parts.tidy();
      await lock.release();
    });
    send({ kind: 'done', result });
  } catch (error) {
    link.uses([]);
    send({ kind: 'failed', failure: failureOf(error), stack: defectStack(error) });
  }
}

/** The worker of a server that was killed may not have noticed yet: it and we would write the same checkpoints. The `+` is in no model's name. */
async function soleWorker(path: string, signal: AbortSignal): Promise<FileLock> {
  for (;;) {
    const lock = await tryLock(path);
    if (lock !== undefined) return lock;
    if (signal.aborted) throw new AppError('cancelled', 'the operation was cancelled.');
    await wait(lockPollMs);
  }
}

/** Where the system must end a process for its memory, a job's goes before the server. */
function goFirst(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '500');
  } catch {
    // Only Linux has it.
  }
}

function send(message: FromWorker): void {
  // A server that is gone hears nothing; `disconnect` ends us.
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

const logAt =
  (level: Extract<FromWorker, { kind: 'log' }>['level']): Logger['info'] =>
  (message, fields) =>
    send({ kind: 'log', level, message, fields });

const sentLogger: Logger = { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') };

/** Questions to the server that wait for their answers. */
class Link implements ServerLink {
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  readonly notes: ServerNotes = {
    entry: (hash) => this.#ask('entry', hash),
    saveFacts: (hash, facts) => this.#ask('saveFacts', hash, facts),
    saveJob: (hash, jobId) => this.#ask('saveJob', hash, jobId),
    saveEvaluation: (hash, report) => this.#ask('saveEvaluation', hash, report),
    stableModel: (name) => this.#ask('stableModel', name),
  };

  uses(hashes: readonly string[]): void {
    send({ kind: 'uses', hashes });
  }

  settle(message: Extract<ToWorker, { kind: 'answer' | 'refusal' }>): void {
    const waiting = this.#waiting.get(message.call);
    this.#waiting.delete(message.call);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(failureToError(message.failure));
  }

  #ask<Answer>(question: keyof ServerNotes, ...values: readonly unknown[]): Promise<Answer> {
    const call = ++this.#calls;
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
      send({ kind: 'ask', call, question, values });
    });
  }
}

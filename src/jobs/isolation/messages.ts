// What the server and the process that does a job say to each other.
import type { LogFields, Progress } from '#base';
import type { JobFailure } from '../job.ts';
import type { ModelNotes } from '../model-ledger.ts';
import type { EvaluationReport } from '../results.ts';

/** How a worker process is made; plain JSON. */
export interface WorkerSettings {
  /** Folder of the store. */
  readonly root: string;
  /** As engines name it. */
  readonly device: string;
  readonly threads?: number | undefined;
  /** Loads results back before they get their name. */
  readonly checkResults: boolean;
  /** Other servers whose models may teach; absent: all. */
  readonly teacherServers?: readonly string[] | undefined;
  /** Of the process, as the system counts it: 0 to 19. */
  readonly niceness: number;
}

/** One attempt at a job. */
export interface WorkerJob {
  readonly kind: string;
  /** Checked already. */
  readonly spec: unknown;
  readonly jobId: string;
  readonly workFolder: string;
  /** What the worker may hold: what is left beside the server. */
  readonly memoryLimitBytes: number;
}

/** What only the server knows, since it has the database. */
export interface ServerNotes extends ModelNotes {
  saveEvaluation(hash: string, report: EvaluationReport): void | Promise<void>;
  /** `name@version` that a stable name stands for. */
  stableModel(name: string): string | undefined | Promise<string | undefined>;
}

export type ToWorker =
  | { readonly kind: 'run'; readonly job: WorkerJob }
  | { readonly kind: 'stop' }
  | { readonly kind: 'answer'; readonly call: number; readonly value: unknown }
  | { readonly kind: 'refusal'; readonly call: number; readonly failure: JobFailure };

export type FromWorker =
  /** It has heard `stop`, and so has what it runs. */
  | { readonly kind: 'stopping' }
  | { readonly kind: 'report'; readonly progress: Progress; readonly memoryBytes: number }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields?: LogFields | undefined;
    }
  | { readonly kind: 'ask'; readonly call: number; readonly question: keyof ServerNotes; readonly values: readonly unknown[] }
  /** Hashes of the models that the job uses now. */
  | { readonly kind: 'uses'; readonly hashes: readonly string[] }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly failure: JobFailure; readonly stack?: string | undefined };

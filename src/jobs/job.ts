// What a job is: its states, its record, its events and the handler that does the work.
import type { Logger, OperationContext, Progress } from '#base';

/**
 * QUEUED     -> RUNNING (a slot is free) | PAUSED | CANCELLED (asked to)
 * RUNNING    -> SUCCEEDED | FAILED | CANCELLING (asked to stop) | PAUSED (asked to, or its process died too often) | QUEUED (the process ended)
 * PAUSED     -> QUEUED (asked to go on) | CANCELLED
 * CANCELLING -> CANCELLED | SUCCEEDED (the result was there first) | FAILED
 * SUCCEEDED, FAILED and CANCELLED stay.
 */
export type JobState = 'QUEUED' | 'RUNNING' | 'PAUSED' | 'CANCELLING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';

export const jobStates: readonly JobState[] = ['QUEUED', 'RUNNING', 'PAUSED', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED'];

const allowedMoves: { readonly [From in JobState]: readonly JobState[] } = {
  QUEUED: ['RUNNING', 'PAUSED', 'CANCELLED', 'FAILED'],
  RUNNING: ['SUCCEEDED', 'FAILED', 'CANCELLING', 'PAUSED', 'QUEUED'],
  PAUSED: ['QUEUED', 'CANCELLED'],
  CANCELLING: ['CANCELLED', 'SUCCEEDED', 'FAILED'],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
};

export function canMove(from: JobState, to: JobState): boolean {
  return allowedMoves[from].includes(to);
}

/** A job in such a state stays in it. */
export function isFinal(state: JobState): boolean {
  return allowedMoves[state].length === 0;
}

/** Progress with the times that the runner adds. */
export interface TimedProgress extends Progress {
  /** Since the phase began. */
  readonly elapsedMs: number;
  /** Left in the phase; absent when the number of steps is unknown. */
  readonly etaMs?: number;
}

/** An error as it is stored and sent; `code` is a key of the catalogue. */
export interface JobFailure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export type JobEventBody =
  | { readonly kind: 'state'; readonly state: JobState }
  | { readonly kind: 'progress'; readonly progress: TimedProgress }
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly error: JobFailure };

/** One line of a job's log. */
export type JobEvent = JobEventBody & {
  readonly jobId: string;
  /** 1, 2, 3, … within the job. */
  readonly sequence: number;
  /** Since the epoch. */
  readonly timeMs: number;
};

/** A job as it is stored. Times are milliseconds since the epoch, 0 before they happen. */
export interface JobRecord {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  /** Plain JSON; the handler's `parse` reads it. */
  readonly spec: unknown;
  /** Model it reads; empty for none. */
  readonly source: string;
  /** Name it writes; empty for none. */
  readonly target: string;
  readonly createdMs: number;
  readonly startedMs: number;
  readonly finishedMs: number;
  readonly lastSequence: number;
  /** How often it was started. */
  readonly attempts: number;
  /** Of the queued jobs those of the highest run first, and of these the oldest. */
  readonly priority: number;
  /** Who submitted it; empty where nobody asked. */
  readonly owner: string;
  /** The job that this one goes on from; empty for none. */
  readonly retryOf: string;
  /** A running job that was asked to pause and has not stopped yet. */
  readonly isPausing: boolean;
  /** Times that its process died while it ran, since it was last let run by a person. */
  readonly crashes: number;
  readonly result?: unknown;
  readonly error?: JobFailure;
}

/** What a handler is given while it runs. */
export interface JobContext extends OperationContext {
  readonly jobId: string;
  /** A folder of this job's own, for checkpoints. It exists and survives restarts. A job that failed or was cancelled leaves it to its retry. */
  readonly workFolder: string;
  readonly logger: Logger;
}

/**
 * One kind of job. Everything is checked in `parse` and `prepare`, so that a wrong request fails before it is queued.
 *
 * `Spec` and `Result` are plain JSON data.
 */
export interface JobHandler<Spec, Result> {
  /** For example `distill`. */
  readonly kind: string;
  /** Jobs with the device take turns; others run beside them. */
  readonly usesDevice: boolean;
  /** `run` goes on from what an earlier attempt left in `workFolder`. */
  readonly canResume: boolean;
  /** The work folder holds part of the result and stays when the job succeeded. */
  readonly keepsWorkFolder?: boolean;
  /** Checks a request or a stored spec and fills in defaults. @throws AppError naming the field */
  parse(input: unknown): Spec;
  /** Which models it reads and writes. */
  names(spec: Spec): { readonly source: string; readonly target: string };
  /** Files and folders of the server that it is told to read or write. */
  paths(spec: Spec): readonly string[];
  /** Checks against the world, for example that the models exist. @throws AppError */
  prepare?(spec: Spec): Promise<void>;
  run(spec: Spec, context: JobContext): Promise<Result>;
}

/** A handler whose types are closed over, so that handlers of all kinds fit in one table. */
export interface RegisteredHandler {
  readonly kind: string;
  readonly usesDevice: boolean;
  readonly canResume: boolean;
  readonly keepsWorkFolder: boolean;
  bind(input: unknown): BoundJob;
}

/** A checked spec together with what to do with it. */
export interface BoundJob {
  readonly spec: unknown;
  readonly source: string;
  readonly target: string;
  readonly paths: readonly string[];
  prepare(): Promise<void>;
  run(context: JobContext): Promise<unknown>;
}

export function registerHandler<Spec, Result>(handler: JobHandler<Spec, Result>): RegisteredHandler {
  const { kind, usesDevice, canResume, keepsWorkFolder = false } = handler;
  return {
    kind,
    usesDevice,
    canResume,
    keepsWorkFolder,
    bind(input) {
      const spec = handler.parse(input);
      return {
        spec,
        ...handler.names(spec),
        paths: handler.paths(spec),
        prepare: async () => handler.prepare?.(spec),
        run: (context) => handler.run(spec, context),
      };
    },
  };
}

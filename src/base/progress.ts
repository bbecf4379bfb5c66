// What a long operation tells its caller while it runs, and how it is stopped.
import { AppError } from './errors.ts';

/** One progress report. Every field but `phase` may be absent; `metrics` keys carry their unit. */
export interface Progress {
  /** What is being done, for example `distill` or `low rank`. */
  readonly phase: string;
  readonly step?: number;
  readonly total?: number;
  /** Finer place inside the phase, for example a parameter path. */
  readonly item?: string;
  /** For example `loss`, `relativeError`, `tokensPerSecond`, `residentBytes`. */
  readonly metrics?: Readonly<Record<string, number>>;
}

/** Handed to every long operation: where to report, and the signal that stops it. */
export interface OperationContext {
  readonly report: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

/** A context that reports nowhere and is never stopped. */
export const quietContext: OperationContext = { report: () => {}, signal: new AbortController().signal };

/** Throws `cancelled` if the operation was asked to stop. Call it between layers, steps and batches. */
export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new AppError('cancelled', 'the operation was cancelled.');
}

/** Gives the event loop a turn, so that host numerics do not hold up streams and cancellation. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

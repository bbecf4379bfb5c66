// Runs long host numerics in slices, so that the event loop keeps turning and a caller can stop them.
import { throwIfCancelled, yieldToEventLoop } from '#base';

/**
 * A long computation that pauses at every `yield`; between two pauses lie at most a few milliseconds of work.
 *
 * The numerics stay plain functions; only the loops around them are generators.
 */
export type Steps<T> = Generator<void, T, void>;

/** Longest time for which the event loop is held, about; small against a heartbeat or a streamed token. */
const sliceMs = 15;

/**
 * Drives `steps` to the end and gives the event loop a turn after every slice.
 *
 * @throws AppError `cancelled` within one slice of the signal
 */
export async function runCooperatively<T>(steps: Steps<T>, signal: AbortSignal): Promise<T> {
  let sliceStart = performance.now();
  for (;;) {
    throwIfCancelled(signal);
    const step = steps.next();
    if (step.done) return step.value;
    if (performance.now() - sliceStart < sliceMs) continue;
    await yieldToEventLoop();
    sliceStart = performance.now();
  }
}

/** Drives `steps` to the end at once: for tests and small sizes. */
export function runAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

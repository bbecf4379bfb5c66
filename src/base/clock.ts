// Time as a dependency, so that schedulers and jobs can be tested without waiting.

export interface Clock {
  /** Milliseconds since the epoch, for records. */
  nowMs(): number;
  /** Milliseconds that never go back, for durations. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

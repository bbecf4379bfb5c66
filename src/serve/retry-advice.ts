// How long a caller that was refused should wait, from how fast others leave.
import type { Clock } from '#base';

/** Weight of the newest interval in the running mean. */
const newest = 0.1;
const firstGuessMs = 1000;
const range = { leastMs: 100, mostMs: 60_000 };

/** A running mean of the time between two sequences that end. */
export class RetryAdvice {
  readonly #clock: Clock;
  #intervalMs: number | undefined;
  #lastMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A sequence has ended. */
  left(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#lastMs !== undefined) {
      const sinceMs = nowMs - this.#lastMs;
      this.#intervalMs = this.#intervalMs === undefined ? sinceMs : this.#intervalMs + newest * (sinceMs - this.#intervalMs);
    }
    this.#lastMs = nowMs;
  }

  /** When half of those who wait have had their turn, so that there is room without idle places. */
  retryAfterMs(numWaiting: number): number {
    if (this.#intervalMs === undefined) return firstGuessMs;
    return Math.round(Math.min(range.mostMs, Math.max(range.leastMs, (this.#intervalMs * numWaiting) / 2)));
  }
}

// Times of a job's progress: how long the phase has run and how long it will still take, from steps and the clock alone.
import type { Clock, Progress } from '#base';
import type { TimedProgress } from './job.ts';

/** One meter a running job. A change of phase, or a step that goes back, starts the measure again. */
export class ProgressMeter {
  readonly #clock: Clock;
  readonly #memoryBytes: () => number;
  #phase: string | undefined;
  #startedMs = 0;
  #firstStep = 0;
  #lastStep = 0;

  constructor(clock: Clock, memoryBytes: () => number) {
    this.#clock = clock;
    this.#memoryBytes = memoryBytes;
  }

  /**
   * Adds elapsed and remaining time, and `residentBytes` of the process unless the job reports its own.
   *
   * The rate is that of this attempt, so that a resumed job does not count steps it never did.
   */
  time(progress: Progress): TimedProgress {
    const nowMs = this.#clock.monotonicMs();
    const step = progress.step ?? 0;
    if (progress.phase !== this.#phase || step < this.#lastStep) {
      this.#phase = progress.phase;
      this.#startedMs = nowMs;
      this.#firstStep = step;
    }
    this.#lastStep = step;
    const elapsedMs = nowMs - this.#startedMs;
    const done = step - this.#firstStep;
    const known = progress.total !== undefined && progress.total >= step && done > 0;
    return {
      ...progress,
      metrics: finiteOnly({ residentBytes: this.#memoryBytes(), ...progress.metrics }),
      elapsedMs,
      ...(known ? { etaMs: (elapsedMs / done) * ((progress.total ?? step) - step) } : {}),
    };
  }
}

/** JSON has no NaN and no infinity. */
function finiteOnly(metrics: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).filter(([, value]) => Number.isFinite(value)));
}

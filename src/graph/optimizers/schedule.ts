// Learning-rate schedules: a number from the step, nothing else.

export type ScheduleKind = 'constant' | 'linear' | 'cosine' | 'inverseSquareRoot';

export interface Schedule {
  readonly kind: ScheduleKind;
  /** The largest learning rate, reached at the end of the warm-up. */
  readonly peak: number;
  /** Steps of linear warm-up from 0. */
  readonly warmupSteps: number;
  readonly totalSteps: number;
  /** Share of the peak that is left at the end of `linear` and `cosine`. */
  readonly finalShare: number;
}

/** The learning rate of a step. @param step - 1 for the first */
export function learningRateAt({ kind, peak, warmupSteps, totalSteps, finalShare }: Schedule, step: number): number {
  if (step <= warmupSteps) return (peak * step) / warmupSteps;
  const decaySteps = Math.max(1, totalSteps - warmupSteps);
  const done = Math.min(1, (step - warmupSteps) / decaySteps);
  switch (kind) {
    case 'constant':
      return peak;
    case 'linear':
      return peak * (1 - (1 - finalShare) * done);
    case 'cosine':
      return peak * (finalShare + (1 - finalShare) * 0.5 * (1 + Math.cos(Math.PI * done)));
    case 'inverseSquareRoot':
      return peak * Math.sqrt(Math.max(1, warmupSteps) / step);
  }
}

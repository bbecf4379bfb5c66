// How sparsity rises while a model trains: a cubic with steps before and after it.
import { AppError } from '#base';

export interface PruningSchedule {
  /** Of the training. */
  readonly steps: number;
  /** Steps at the start without zeros. */
  readonly warmupSteps: number;
  /** Steps at the end with all of the zeros. */
  readonly cooldownSteps: number;
  /** Steps between two choices of what is zero. */
  readonly every: number;
}

/** @throws AppError `schedule_misses_target` where nothing is left between the steps before and after */
export function checkSchedule({ steps, warmupSteps, cooldownSteps }: PruningSchedule, place: string): void {
  if (warmupSteps + cooldownSteps < steps) return;
  throw new AppError(
    'schedule_misses_target',
    `${place}: ${warmupSteps} steps of warm-up and ${cooldownSteps} of cool-down leave none of the ${steps} training steps to prune in. Lower them, or train for more steps (${place}.training.steps).`,
    { details: { field: place, steps } },
  );
}

/**
 * How far pruning is at a step, counted from 1: 0 in the warm-up, 1 from the first step of the cool-down on, 1 − (1 − x)³ between.
 *
 * @see M. Zhu, S. Gupta, "To prune, or not to prune", 2017, eq. 1; V. Sanh et al., "Movement pruning", NeurIPS 2020, §5
 */
export function pruningShare(step: number, { steps, warmupSteps, cooldownSteps }: PruningSchedule): number {
  const reached = Math.max(0, Math.min(1, (step - warmupSteps) / (steps - warmupSteps - cooldownSteps)));
  return 1 - (1 - reached) ** 3;
}

/** The first step with all of the zeros. */
export function lastRise({ steps, cooldownSteps }: PruningSchedule): number {
  return steps - cooldownSteps;
}

/** Whether zeros are chosen anew before a step. */
export function choosesBefore(step: number, schedule: PruningSchedule): boolean {
  const since = step - schedule.warmupSteps;
  return step <= schedule.steps && since > 0 && (since % schedule.every === 0 || step === lastRise(schedule));
}

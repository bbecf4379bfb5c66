// When what happens in a training with gates: the target's warm-up, the smaller graphs, the settling; and the speed of gates.
import { AppError } from '#base';
import type { TrainSettings } from '#train';
import type { FlopSettings } from './settings.ts';

export interface GateSchedule {
  /** Steps with gates; those after them train what is left without. */
  readonly gatedSteps: number;
  readonly targetWarmupSteps: number;
  /** Steps after which closed gates are taken out; 0: never. */
  readonly recompileEvery: number;
  /** Factors of the schedule's learning rate. */
  readonly gateFactor: number;
  readonly multiplierFactor: number;
}

/**
 * The way that a gate goes in a training, in units of α: from wide open to shut and some to and fro, which steps of Adam's size must add up to.
 */
const gateTravel = 80;

/** @throws AppError `bad_recipe` where the target is reached after the gates' last step */
export function gateSchedule(settings: FlopSettings, { steps, learningRate }: Pick<TrainSettings, 'steps' | 'learningRate'>): GateSchedule {
  const { settleSteps = Math.floor(steps / 3), recompileEvery = Math.ceil(steps / 10) } = settings;
  const gatedSteps = steps - settleSteps;
  const { targetWarmupSteps = Math.floor(gatedSteps / 2) } = settings;
  const late = (field: string, why: string): AppError =>
    new AppError('bad_recipe', `flop.${field}: ${why}`, { details: { field: `flop.${field}` } });
  if (gatedSteps < 1)
    throw late('settleSteps', `${settleSteps} of ${steps} steps leave none for the gates. Settle for fewer, or train longer.`);
  if (targetWarmupSteps > gatedSteps)
    throw late(
      'targetWarmupSteps',
      `the target is reached after step ${targetWarmupSteps}, but gates train for ${gatedSteps} steps only. Warm up for fewer, or train longer.`,
    );
  const { gateLearningRate = gateTravel / steps, multiplierLearningRate = gateTravel / steps } = settings;
  return {
    gatedSteps,
    targetWarmupSteps,
    recompileEvery,
    gateFactor: gateLearningRate / learningRate,
    multiplierFactor: multiplierLearningRate / learningRate,
  };
}

/** The last step of the stage that goes on after `step`: the next smaller graph, the end of the gates, or the end. */
export function endOfStage({ gatedSteps, recompileEvery }: GateSchedule, step: number, steps: number): number {
  if (step >= gatedSteps) return steps;
  const next = recompileEvery === 0 ? gatedSteps : (Math.floor(step / recompileEvery) + 1) * recompileEvery;
  return Math.min(next, gatedSteps);
}

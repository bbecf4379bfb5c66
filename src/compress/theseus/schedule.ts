// How likely a module is replaced at each step, and which ones are: both follow from the step's number.
import { AppError, Random } from '#base';
import type { TheseusSettings } from './settings.ts';

/** What the paper's runs that were safe have in common. */
const defaultChance = 0.5;
const defaultBase = 0.3;

export interface ReplacementSchedule {
  /** Steps in which modules are drawn; in all later ones every module is replaced. */
  readonly replacementSteps: number;
  /** The chance of a module to be replaced, 0..1. @param step - counts from 1 */
  chance(step: number): number;
}

type ScheduleSettings = Pick<TheseusSettings, 'schedule' | 'p' | 'k' | 'b' | 'replacementSteps'>;

/**
 * `constant`: p. `linear`: min(1, k·t + b). `antiCurriculum`: max(b, 1 - k·t). t counts the steps that are done; after `replacementSteps` all are 1.
 *
 * @param steps - of the whole training
 * @throws AppError `schedule_misses_target` when the modules are not all replaced by the last step
 * @see Xu et al., "BERT-of-Theseus: Compressing BERT by Progressive Module Replacing", EMNLP 2020, §3.2 and §3.4. The paper gives no formula of its
 * anti-curriculum: ours is the linear schedule backwards.
 */
export function replacementSchedule(settings: ScheduleSettings, steps: number): ReplacementSchedule {
  const { schedule, b = defaultBase, p = defaultChance } = settings;
  // With a step for each number of steps done from 0 on; the rounding of 1 - b must not cost a step.
  const fromSlope = settings.k === undefined ? undefined : Math.ceil((1 - b) / settings.k - 1e-9);
  const replacementSteps = fromSlope ?? settings.replacementSteps ?? Math.ceil(steps / 2);
  if (replacementSteps > steps) {
    const [field, remedy] =
      settings.k === undefined
        ? ['replacementSteps', `Give replacementSteps of at most ${steps}`]
        : ['k', `Give k of at least ${((1 - b) / steps).toPrecision(3)}`];
    throw new AppError(
      'schedule_misses_target',
      `theseus.${field}: the modules are all replaced after ${replacementSteps} steps, and the training has ${steps}. ${remedy}, or more steps.`,
      { details: { field: `theseus.${field}`, replacementSteps, steps } },
    );
  }
  const slope = settings.k ?? (1 - b) / replacementSteps;
  const whileReplacing: Readonly<Record<TheseusSettings['schedule'], (done: number) => number>> = {
    constant: () => p,
    linear: (done) => Math.min(1, slope * done + b),
    antiCurriculum: (done) => Math.max(b, 1 - slope * done),
  };
  return {
    replacementSteps,
    chance: (step) => (step > replacementSteps ? 1 : whileReplacing[schedule](step - 1)),
  };
}

/**
 * One draw a module, as a text of `1` (replaced) and `0`: the same for equal seeds and steps.
 *
 * @param step - counts from 1
 */
export function drawModules(modules: number, chance: number, seed: number, step: number): string {
  const random = new Random(seed * 1_000_003 + step);
  return Array.from({ length: modules }, () => (random.uniform() < chance ? '1' : '0')).join('');
}

// Which recipe a search tries next: a pure function of what was tried, so that a search that goes on draws nothing twice.
import { at } from '#base';
import type { Goal } from './goal.ts';
import type { SearchTrial } from './report.ts';
import type { Family, Level } from './space.ts';

export interface Proposal {
  readonly family: string;
  /** Index in the family's levels. */
  readonly level: number;
  readonly name: string;
  readonly steps: readonly unknown[];
  readonly trained: boolean;
}

export interface SearchPlan {
  readonly families: readonly Family[];
  readonly goal: Goal;
  /** Trials in all. */
  readonly trials: number;
  /** A step for the best trials, before their numbers become codes; none when absent. */
  readonly training?: unknown;
}

/** Share of the trials that are kept for training where there is any. */
const trainedShare = 0.25;

/**
 * First every family once, at the size that is expected to reach the target; then successive halving: the better half of the families may move by a level
 * towards the edge of the target, the better quarter by two, and so on, each by galloping and then bisecting its levels. The last trials, where training is
 * asked for, are the best recipes so far with training in them.
 *
 * Answers undefined where nothing is left to try.
 *
 * @see Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016 (successive halving). We differ: what a
 * family that stays in gets is another size, not more training.
 */
export function nextTrial(plan: SearchPlan, trials: readonly SearchTrial[]): Proposal | undefined {
  const { training } = plan;
  const numTrained = training === undefined ? 0 : Math.max(1, Math.floor(trainedShare * plan.trials));
  if (trials.length < plan.trials - numTrained) {
    const found = untrained(plan, trials);
    if (found !== undefined) return found;
  }
  return training === undefined ? undefined : trainedNext(plan, trials, training);
}

function untrained({ families, goal }: SearchPlan, trials: readonly SearchTrial[]): Proposal | undefined {
  const tried = families.map((family) => trials.filter((trial) => trial.family === family.name && !trial.trained));
  const fresh = families.findIndex((_, index) => at(tried, index).length === 0);
  if (fresh >= 0) return proposal(at(families, fresh), firstLevel(at(families, fresh), goal));

  const open = families.flatMap((family, index) => {
    const own = at(tried, index);
    const made = own.filter(({ failure }) => failure === undefined);
    const [best] = [...made].sort((one, other) => goal.compare(one.measures, other.measures));
    const level = made.length < own.length ? undefined : nextLevel(family, own, goal);
    return best === undefined ? [] : [{ family, best, level, moves: own.length - 1 }];
  });
  open.sort((one, other) => goal.compare(one.best.measures, other.best.measures));
  const numIn = (round: number): number => Math.max(1, Math.ceil(open.length / 2 ** round));
  // A round gives each family that is still in one more move.
  const wanting = open.flatMap(({ family, level, moves }, rank) => (level === undefined ? [] : [{ family, level, moves, rank }]));
  const isIn = wanting.filter(({ rank, moves }) => rank < numIn(moves + 1));
  const [next] = (isIn.length > 0 ? isIn : wanting).sort((one, other) => one.moves - other.moves || one.rank - other.rank);
  return next === undefined ? undefined : proposal(next.family, next.level);
}

function proposal({ name: family, levels }: Family, level: number): Proposal {
  const { name, steps } = at(levels, level);
  return { family, level, name, steps, trained: false };
}

/** The largest model that is expected to be small enough; the middle one where the target says nothing of bytes. */
function firstLevel({ levels }: Family, { storedBytes }: Goal): number {
  const middle = Math.floor((levels.length - 1) / 2);
  if (storedBytes === undefined || levels.every(({ expectedBytes }) => expectedBytes === undefined)) return middle;
  const fits = levels.findIndex(({ expectedBytes = Number.POSITIVE_INFINITY }: Level) => expectedBytes <= storedBytes);
  return fits < 0 ? levels.length - 1 : fits;
}

/** Towards the edge of the target: away from the last level in steps that double, then halving what is between. */
function nextLevel({ levels }: Family, trials: readonly SearchTrial[], goal: Goal): number | undefined {
  // Levels get smaller: up to `above` the model has room to shrink, from `below` on it has shrunk too much.
  const mayShrink = ({ measures, meets }: SearchTrial): boolean =>
    goal.minimizesSize ? meets || goal.isTooLarge(measures) : goal.isTooLarge(measures);
  const above = Math.max(-1, ...trials.filter(mayShrink).map(({ level }) => level));
  const below = Math.min(levels.length, ...trials.filter((trial) => !mayShrink(trial)).map(({ level }) => level));
  if (above >= below - 1) return undefined;
  const known = trials.map(({ level }) => level);
  const stride = 2 ** Math.max(0, trials.length - 1);
  const next =
    above < 0
      ? Math.max(0, below - stride)
      : below === levels.length
        ? Math.min(levels.length - 1, above + stride)
        : Math.floor((above + below) / 2);
  return known.includes(next) ? undefined : next;
}

/**
 * The best recipes so far that have numbers left to train, best first. Where the smallest model is looked for, those that are smaller than the best and
 * lose a little too much: training does not shrink.
 */
function trainedNext({ goal }: SearchPlan, trials: readonly SearchTrial[], training: unknown): Proposal | undefined {
  const done = new Set(trials.filter(({ trained }) => trained).map(({ family, level }) => `${family} ${level}`));
  const { storedBytes: bestBytes = Number.POSITIVE_INFINITY } = goal.best(trials)?.measures ?? {};
  const mayGain = ({ meets, measures }: SearchTrial): boolean =>
    !goal.minimizesSize || (!meets && !goal.isTooLarge(measures) && (measures['storedBytes'] ?? 0) < bestBytes);
  const [best] = trials
    .filter(({ trained, failure, steps }) => !trained && failure === undefined && !isCodes(steps[0]))
    .filter((trial) => mayGain(trial) && !done.has(`${trial.family} ${trial.level}`))
    .sort((one, other) => goal.compare(one.measures, other.measures));
  if (best === undefined) return undefined;
  const { family, level, name, steps } = best;
  const codes = steps.findIndex(isCodes);
  const place = codes < 0 ? steps.length : codes;
  return { family, level, name: `${name}, distilled`, steps: [...steps.slice(0, place), training, ...steps.slice(place)], trained: true };
}

function isCodes(step: unknown): boolean {
  return typeof step === 'object' && step !== null && 'quantize' in step;
}

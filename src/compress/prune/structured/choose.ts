// Which units stay, given how important each is.
import { AppError, at } from '#base';

/** The units of one axis and their importance. */
export interface ScoredAxis {
  readonly name: string;
  /** One number a unit, larger stays longer. */
  readonly scores: Float64Array;
}

export interface ChoiceSettings {
  /** Share of the units that stays. */
  readonly ratio: number;
  readonly spread: 'uniform' | 'global';
  readonly multipleOf: number;
}

/**
 * The units that stay on each axis, ascending, by the axis's name. Every axis keeps at least one unit.
 *
 * @throws AppError `invalid_argument` where only the rounding keeps every unit
 */
export function chooseUnits(axes: readonly ScoredAxis[], { ratio, spread, multipleOf }: ChoiceSettings): Map<string, number[]> {
  const wanted = spread === 'uniform' ? axes.map(({ scores }) => ratio * scores.length) : globalCounts(axes, ratio);
  checkRemoves(axes, wanted, multipleOf);
  return new Map(
    axes.map(({ name, scores }, index) => {
      const count = roundedCount(at(wanted, index), scores.length, multipleOf);
      return [name, ranking(scores).slice(0, count).sort(ascending)];
    }),
  );
}

function checkRemoves(axes: readonly ScoredAxis[], wanted: readonly number[], multipleOf: number): void {
  const removes = (multiple: number): boolean =>
    axes.some(({ scores }, index) => roundedCount(at(wanted, index), scores.length, multiple) < scores.length);
  if (removes(multipleOf) || !removes(1)) return;
  const sizes = [...new Set(axes.map(({ scores }) => scores.length))].join(', ');
  throw new AppError(
    'invalid_argument',
    `prune.multipleOf: rounded to multiples of ${multipleOf}, all of ${sizes} units stay and nothing is removed. Choose a smaller multiple or ratio.`,
    { details: { field: 'prune.multipleOf', multipleOf } },
  );
}

/** How many units of an axis stay where every axis keeps the same share. */
export function uniformCount(size: number, { ratio, multipleOf }: Pick<ChoiceSettings, 'ratio' | 'multipleOf'>): number {
  return roundedCount(ratio * size, size, multipleOf);
}

/** How many of an axis's units stay when the least important of all axes go; each axis's best unit always stays. */
function globalCounts(axes: readonly ScoredAxis[], ratio: number): number[] {
  const counts = axes.map(() => 1);
  const others = axes.flatMap(({ scores }, axis) =>
    ranking(scores)
      .slice(1)
      .map((unit) => ({ axis, score: at(scores, unit) })),
  );
  others.sort((first, second) => second.score - first.score || first.axis - second.axis);
  const total = axes.reduce((sum, { scores }) => sum + scores.length, 0);
  const numStaying = Math.max(0, Math.round(ratio * total) - axes.length);
  for (const { axis } of others.slice(0, numStaying)) counts[axis] = at(counts, axis) + 1;
  return counts;
}

/** The nearest multiple that is at least one unit and at most all. */
function roundedCount(wanted: number, size: number, multipleOf: number): number {
  const rounded = Math.max(1, Math.round(wanted / multipleOf)) * multipleOf;
  return Math.min(rounded, size);
}

/** Units from the most to the least important; of equals the first. */
function ranking(scores: Float64Array): number[] {
  return Array.from(scores.keys()).sort((first, second) => at(scores, second) - at(scores, first) || first - second);
}

function ascending(first: number, second: number): number {
  return first - second;
}

/** Scaled to length one, so that the units of different blocks can be compared; zeros stay zeros. */
export function normalized(scores: Float64Array): Float64Array {
  const length = Math.hypot(...scores);
  return length === 0 ? scores : scores.map((score) => score / length);
}

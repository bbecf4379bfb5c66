// What a search is after: which trials are within the target, which of two is better, and which are on the front.
import { AppError } from '#base';
import { figure } from '../gate/verdict.ts';
import { type Measures, type QualityMetric, risesWithQuality, worsening } from '../measures.ts';
import type { SearchTrial } from './report.ts';
import type { SearchSettings } from './settings.ts';

/** The measures of one model against a target. */
export class Goal {
  readonly #metric: QualityMetric;
  readonly #start: Measures;
  /** Upper bounds of measures by name. */
  readonly #sizes: readonly (readonly ['storedBytes' | 'latencyMs', number])[];
  readonly #maxLoss: number | undefined;

  /** @param start - `storedBytes` and the figures of the model that the search starts from */
  constructor({ target, metric }: Pick<SearchSettings, 'target' | 'metric'>, start: Measures) {
    const { ratio, latencyMs, maxLoss } = target;
    const storedBytes = target.storedBytes ?? (ratio === undefined ? undefined : Math.floor(ratio * (start['storedBytes'] ?? 0)));
    this.#metric = metric;
    this.#start = start;
    this.#maxLoss = maxLoss;
    this.#sizes = [
      ...(storedBytes === undefined ? [] : [['storedBytes', storedBytes] as const]),
      ...(latencyMs === undefined ? [] : [['latencyMs', latencyMs] as const]),
    ];
  }

  /** Bytes that the model may have; undefined where the target says nothing of them. */
  get storedBytes(): number | undefined {
    return this.#sizes.find(([name]) => name === 'storedBytes')?.[1];
  }

  /** The worse the quality may be, the smaller a model is looked for; otherwise the best one of the size. */
  get minimizesSize(): boolean {
    return this.#maxLoss !== undefined;
  }

  get measuresLatency(): boolean {
    return this.#sizes.some(([name]) => name === 'latencyMs');
  }

  /** How far outside the target, as the largest share by which a bound is exceeded; 0 within. */
  violation(measures: Measures): number {
    const over = this.#sizes.map(([name, bound]) => (measures[name] ?? Number.POSITIVE_INFINITY) / bound - 1);
    return Math.max(0, ...over, this.#lossOver(measures));
  }

  meets(measures: Measures): boolean {
    return this.violation(measures) === 0;
  }

  /** Whether the model is too large or too slow, quality aside. */
  isTooLarge(measures: Measures): boolean {
    return this.#sizes.some(([name, bound]) => (measures[name] ?? Number.POSITIVE_INFINITY) > bound);
  }

  /** Below 0 where `one` is better: the one nearer to the target, within it the better model, or the smaller one where the loss is bounded. */
  compare(one: Measures, other: Measures): number {
    return this.violation(one) - this.violation(other) || this.#cost(one) - this.#cost(other) || this.#size(one) - this.#size(other);
  }

  /** The trials that no other beats in both size (in latency, where that is the target) and quality; of equals the first. */
  front(trials: readonly SearchTrial[]): ReadonlySet<SearchTrial> {
    const made = trials.filter(({ failure }) => failure === undefined);
    const sizes = (trial: SearchTrial): readonly [number, number] => [this.#frontSize(trial.measures), this.#quality(trial.measures)];
    const beats = (one: SearchTrial, other: SearchTrial): boolean => {
      const [[size, quality], [otherSize, otherQuality]] = [sizes(one), sizes(other)];
      if (size > otherSize || !(quality <= otherQuality)) return false;
      return size < otherSize || quality < otherQuality || made.indexOf(one) < made.indexOf(other);
    };
    return new Set(made.filter((trial) => !made.some((other) => other !== trial && beats(other, trial))));
  }

  /** The best trial within the target. */
  best(trials: readonly SearchTrial[]): SearchTrial | undefined {
    return trials
      .filter(({ meets }) => meets)
      .reduce<SearchTrial | undefined>(
        (best, trial) => (best === undefined || this.compare(trial.measures, best.measures) < 0 ? trial : best),
        undefined,
      );
  }

  /** @throws AppError `target_not_reached` always: what was reached instead */
  notReached(trials: readonly SearchTrial[]): AppError {
    const made = trials.filter(({ failure }) => failure === undefined);
    const [nearest] = [...made].sort((one, other) => this.compare(one.measures, other.measures));
    const wanted = [
      ...this.#sizes.map(([name, bound]) => `${name} at most ${bound}`),
      ...(this.#maxLoss === undefined ? [] : [`${this.#metric} at most ${(100 * this.#maxLoss).toFixed(2)} % worse`]),
    ].join(' and ');
    if (nearest === undefined) {
      const why = trials[0]?.failure ?? 'nothing was tried';
      return new AppError('target_not_reached', `search: ${wanted} is wanted, and none of ${trials.length} trials could be made: ${why}`);
    }
    const smallest = made.reduce((best, trial) => (this.#frontSize(trial.measures) < this.#frontSize(best.measures) ? trial : best));
    const reached = this.#describe(nearest);
    const least = smallest === nearest ? '' : ` The smallest is ${this.#describe(smallest)}.`;
    const message = `search: ${wanted} is wanted, and the nearest of ${trials.length} trials is ${reached}.${least} Ask for less, give more trials, or candidates that are smaller.`;
    return new AppError('target_not_reached', message, {
      details: { nearest: nearest.name, storedBytes: figureOf(nearest, 'storedBytes'), [this.#metric]: figureOf(nearest, this.#metric) },
    });
  }

  #describe({ name, measures }: SearchTrial): string {
    const { latencyMs } = measures;
    const latency = latencyMs === undefined ? '' : `, ${latencyMs.toFixed(2)} ms`;
    return `"${name}" with ${measures['storedBytes']} stored bytes${latency}, ${this.#metric} ${figure(measures, this.#metric).toFixed(4)}`;
  }

  /** As a share of what is allowed, 1 and more where nothing is. */
  #lossOver(measures: Measures): number {
    if (this.#maxLoss === undefined) return 0;
    const [before, after] = [figure(this.#start, this.#metric), figure(measures, this.#metric)];
    const over = worsening(this.#metric, before, after, !risesWithQuality(this.#metric)) - this.#maxLoss;
    return Number.isNaN(over) ? Number.POSITIVE_INFINITY : over;
  }

  #cost(measures: Measures): number {
    return this.minimizesSize ? this.#size(measures) : this.#quality(measures);
  }

  #quality(measures: Measures): number {
    const value = figure(measures, this.#metric);
    if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
    return risesWithQuality(this.#metric) ? -value : value;
  }

  #size(measures: Measures): number {
    return measures['storedBytes'] ?? Number.POSITIVE_INFINITY;
  }

  #frontSize(measures: Measures): number {
    return this.measuresLatency ? (measures['latencyMs'] ?? Number.POSITIVE_INFINITY) : this.#size(measures);
  }
}

function figureOf({ measures }: SearchTrial, name: string): number {
  return measures[name] ?? 0;
}

// Which range of activations an 8-bit grid should cover, from what calibration saw of them.
import { AppError, at } from '#base';
import { type InputHistogram, type InputRange, reachOf } from '../activation-statistics.ts';

/** Numbers from `low` ≤ 0 to `high` ≥ 0. */
export interface ActivationRange {
  readonly low: number;
  readonly high: number;
}

/** The whole range that was seen. */
export function observedRange({ low, high }: InputRange): ActivationRange {
  return { low: low.reduce((least, value) => Math.min(least, value), 0), high: high.reduce((most, value) => Math.max(most, value), 0) };
}

/**
 * The range that holds `percentile` % of the numbers, the rest shared by both ends; zero is always in it.
 *
 * @param percentile - above 50, at most 100
 */
export function percentileRange({ counts, reach }: InputHistogram, percentile: number): ActivationRange {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const tail = (total * (1 - percentile / 100)) / 2;
  const width = (2 * reach) / counts.length;
  /** Whole bins from one end that hold no more than the tail. */
  const dropped = (order: Float64Array): number => {
    let [sum, bins] = [0, 0];
    while (bins < order.length && sum + at(order, bins) <= tail) sum += at(order, bins++);
    return bins;
  };
  return {
    low: Math.min(0, -reach + dropped(counts) * width),
    high: Math.max(0, reach - dropped(counts.toReversed()) * width),
  };
}

/** Levels on one side of zero. */
const numLevels = 128;

/**
 * The range ±T whose 128 levels a side lose least of the histogram of magnitudes: the smallest Kullback–Leibler divergence from the magnitudes cut
 * off at T to the same on the levels.
 *
 * @see S. Migacz, "8-bit inference with TensorRT", GPU Technology Conference 2017
 */
export function entropyRange({ counts, reach }: InputHistogram, observed: ActivationRange): ActivationRange {
  const half = counts.length / 2;
  const magnitudes = Float64Array.from({ length: half }, (_, bin) => at(counts, half + bin) + at(counts, half - 1 - bin));
  let [best, least] = [half, Number.POSITIVE_INFINITY];
  let beyond = magnitudes.subarray(numLevels).reduce((sum, count) => sum + count, 0);
  for (let kept = numLevels; kept <= half; kept++) {
    const lost = divergence(magnitudes.subarray(0, kept), beyond);
    if (lost < least) [best, least] = [kept, lost];
    beyond -= magnitudes[kept] ?? 0;
  }
  const threshold = (best / half) * reach;
  return { low: Math.max(observed.low, -threshold), high: Math.min(observed.high, threshold) };
}

/** KL(P ‖ Q) for P the bins with all beyond them in the last, and Q the bins spread evenly over those of their level that are not empty. */
function divergence(bins: Float64Array, beyond: number): number {
  const last = bins.length - 1;
  const mass = bins.reduce((sum, count) => sum + count, 0);
  const total = mass + beyond;
  if (mass <= 0) return Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let level = 0; level < numLevels; level++) {
    const start = Math.floor((level * bins.length) / numLevels);
    const end = Math.floor(((level + 1) * bins.length) / numLevels);
    let [inLevel, numFilled] = [0, 0];
    for (let bin = start; bin < end; bin++) {
      const count = bins[bin] ?? 0;
      inLevel += count;
      if (count > 0) numFilled += 1;
    }
    for (let bin = start; bin < end; bin++) {
      const count = (bins[bin] ?? 0) + (bin === last ? beyond : 0);
      if (count === 0) continue;
      // What was cut off falls on an empty bin: nothing of Q is there, and the divergence has no bound.
      if ((bins[bin] ?? 0) === 0) return Number.POSITIVE_INFINITY;
      sum += (count / total) * Math.log((count * mass * numFilled) / (total * inLevel));
    }
  }
  return sum;
}

/** The grid of codes 0 … 255 over a range, with zero on it. */
export function activationGrid({ low, high }: ActivationRange): { readonly scale: number; readonly zeroPoint: number } {
  const scale = Math.fround((high - low) / 255);
  return { scale, zeroPoint: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/** @throws AppError `not_enough_samples` where nothing but zeros was seen */
export function requireLive(range: InputRange): void {
  if (reachOf(range) > 0) return;
  const place = range.slot.replace(':', ', slot ');
  throw new AppError(
    'not_enough_samples',
    `${place}: every input is zero on the calibration text, which gives no range. Give other text, use method "dynamic", or exclude the matrix.`,
  );
}

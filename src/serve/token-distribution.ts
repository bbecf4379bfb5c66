// The probabilities from which the next token is drawn: temperature and filters over scores. Pure.
import { at, type Random } from '#base';
import { largestIds } from './largest-ids.ts';
import type { SamplingOptions } from './sampling-options.ts';

/** Probabilities of tokens, up to a factor; those that are not named have none. */
export interface TokenDistribution {
  /** Ascending; absent: every token. */
  readonly ids?: Int32Array;
  /** One for each of them. */
  readonly weights: Float64Array;
  /** Their sum. */
  readonly total: number;
}

export type FilterOptions = Pick<Required<SamplingOptions>, 'temperature' | 'topK' | 'topP' | 'minP'>;

/** All probability on one token. */
export function certain(id: number): TokenDistribution {
  return { ids: Int32Array.of(id), weights: Float64Array.of(1), total: 1 };
}

/**
 * The order is that of transformers: temperature, top-k, top-p, min-p. Top-p sees the probabilities that top-k left, renormalized.
 * Among equal scores the lower id is the likelier one.
 *
 * @param scores - [V]
 * @param largest - of the scores; finite
 * @see Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020 (top-p); Nguyen et al., "Turning Up the Heat: Min-p
 * Sampling", 2024
 */
export function tokenDistribution(scores: Float32Array, largest: number, options: FilterOptions): TokenDistribution {
  const { temperature, topP, minP } = options;
  const candidates = candidateIds(scores, largest, options);
  const weights = new Float64Array(candidates?.length ?? scores.length);
  for (let index = 0; index < weights.length; index++)
    weights[index] = Math.exp(((scores[candidates?.[index] ?? index] ?? 0) - largest) / temperature);
  const kept = topP < 1 || minP > 0 ? keptIndices(weights, topP, minP) : undefined;
  if (kept === undefined) return { ...(candidates === undefined ? {} : { ids: candidates }), weights, total: sum(weights, 0) };
  const keptWeights = Float64Array.from(kept, (index) => at(weights, index));
  const ids = candidates === undefined ? kept : kept.map((index) => at(candidates, index));
  return { ids, weights: keptWeights, total: sum(keptWeights, 0) };
}

/** Draws a token. */
export function drawToken({ ids, weights, total }: TokenDistribution, random: Random): number {
  let rest = random.uniform() * total;
  let last = 0;
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] ?? 0;
    if (weight === 0) continue;
    last = index;
    rest -= weight;
    if (rest < 0) break;
  }
  return ids === undefined ? last : at(ids, last);
}

/** 0 … 1 */
export function probabilityOf({ ids, weights, total }: TokenDistribution, id: number): number {
  const index = ids === undefined ? id : indexOf(ids, id);
  return (weights[index] ?? 0) / total;
}

/** Of a value in ascending ones; -1 where it is not. */
function indexOf(ids: Int32Array, id: number): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (at(ids, middle) < id) low = middle + 1;
    else high = middle;
  }
  return ids[low] === id ? low : -1;
}

/** Who can be drawn at all, as far as that is known without the weights; absent: all. */
function candidateIds(scores: Float32Array, largest: number, { temperature, topK, topP, minP }: FilterOptions): Int32Array | undefined {
  if (topK > 0 && topK < scores.length) return largestIds(scores, topK).sort();
  // Top-p needs the mass of all; min-p alone needs only those near the likeliest, with room for rounding.
  if (topP < 1 || minP === 0) return undefined;
  const lowest = largest + temperature * Math.log(minP) - 1e-3 * temperature;
  const ids: number[] = [];
  for (let id = 0; id < scores.length; id++) if ((scores[id] ?? 0) >= lowest) ids.push(id);
  return Int32Array.from(ids);
}

/** Weights below this (the likeliest weighs 1) are sorted only where the others do not suffice. */
const coarseWeight = 1e-3;

/**
 * The indices of weights that top-p and min-p keep, in ascending order.
 *
 * Each filter keeps a beginning of the order by falling weight (lower ids first among equals), so the last weight kept says it all.
 */
function keptIndices(weights: Float64Array, topP: number, minP: number): Int32Array {
  const total = sum(weights, 0);
  let sorted = weights.filter((weight) => weight >= coarseWeight).sort();
  if (minP < coarseWeight && (topP === 1 || sum(sorted, 0) < topP * total)) sorted = weights.slice().sort();

  let numKept = sorted.length;
  if (topP < 1) {
    let mass = 0;
    let count = 0;
    for (; count < sorted.length && mass < topP * total; count++) mass += sorted[sorted.length - 1 - count] ?? 0;
    numKept = Math.max(1, count);
  }
  const last = at(sorted, sorted.length - numKept);
  let numEqual = sorted.subarray(sorted.length - numKept).lastIndexOf(last) + 1;
  const kept: number[] = [];
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] ?? 0;
    if (weight < last || weight < minP) continue;
    if (weight > last || numEqual-- > 0) kept.push(index);
  }
  return Int32Array.from(kept);
}

/** Of the elements from `start` on. */
function sum(values: Float64Array, start: number): number {
  let total = 0;
  for (let index = start; index < values.length; index++) total += values[index] ?? 0;
  return total;
}

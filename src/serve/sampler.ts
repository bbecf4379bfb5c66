// Which token comes next: greedy or drawn, from one row of logits. No device, no request, no text.
import { AppError, at, Random } from '#base';

/** How tokens are drawn. Everything absent is off; without a temperature the likeliest token is taken. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token. @default 0 */
  readonly temperature?: number;
  /** Draw among this many likeliest tokens; 0 is all. @default 0 */
  readonly topK?: number;
  /** Draw among the fewest likeliest tokens that together hold this probability (of what top-k left), 0 … 1. @default 1 */
  readonly topP?: number;
  /** Draw among tokens at least this share as likely as the likeliest, 0 … 1. @default 0 */
  readonly minP?: number;
  /** Divides positive logits of tokens that occurred before and multiplies negative ones; 1 is off. @default 1 */
  readonly repetitionPenalty?: number;
  /** Equal seeds, requests and models give equal tokens. @default 0 */
  readonly seed?: number;
}

/** A token that was chosen. */
export interface SampledToken {
  readonly id: number;
  /** ln p of the token under the model itself: before penalty, temperature and filters. */
  readonly logProbability: number;
}

/** @throws AppError `invalid_argument` naming the field */
export function checkSampling(options: SamplingOptions): Required<SamplingOptions> {
  const full = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0, ...options };
  const requireThat = (condition: boolean, field: keyof SamplingOptions, rule: string): void => {
    if (!condition) throw new AppError('invalid_argument', `${field}: must be ${rule}, got ${full[field]}.`, { details: { field } });
  };
  requireThat(Number.isFinite(full.temperature) && full.temperature >= 0, 'temperature', 'a number of at least 0');
  requireThat(Number.isInteger(full.topK) && full.topK >= 0, 'topK', 'a whole number of at least 0');
  requireThat(full.topP > 0 && full.topP <= 1, 'topP', 'above 0 and at most 1');
  requireThat(full.minP >= 0 && full.minP <= 1, 'minP', 'between 0 and 1');
  requireThat(Number.isFinite(full.repetitionPenalty) && full.repetitionPenalty > 0, 'repetitionPenalty', 'a number above 0');
  requireThat(Number.isSafeInteger(full.seed), 'seed', 'a whole number');
  return full;
}

/**
 * Chooses the tokens of one sequence.
 *
 * The order is that of transformers: penalty, temperature, top-k, top-p, min-p. Top-p sees the probabilities that top-k left,
 * renormalized. Among equal logits the lower id is the likelier one.
 *
 * @see Keskar et al., "CTRL", 2019, §4.1 (penalty); Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020 (top-p);
 * Nguyen et al., "Turning Up the Heat: Min-p Sampling", 2024
 */
export class Sampler {
  readonly #options: Required<SamplingOptions>;
  readonly #random: Random;
  readonly #seen = new Set<number>();

  /**
   * @param context - the prompt: its tokens are penalized as repetitions too
   * @throws AppError `invalid_argument`
   */
  constructor(options: SamplingOptions, context: ArrayLike<number> = []) {
    this.#options = checkSampling(options);
    this.#random = new Random(this.#options.seed);
    for (let index = 0; index < context.length; index++) this.#seen.add(at(context, index));
  }

  /** @param logits - [V]; not changed. @throws AppError `bad_weights` when they are not numbers */
  choose(logits: Float32Array): SampledToken {
    const likeliest = argMax(logits);
    const scores = this.#penalized(logits);
    const top = scores === logits ? likeliest : argMax(scores);
    if (!Number.isFinite(scores[top]))
      throw new AppError('bad_weights', `the model's logits have no finite largest one, but ${scores[top]}.`);
    const id = this.#options.temperature === 0 ? top : this.#draw(scores, at(scores, top));
    this.#seen.add(id);
    return { id, logProbability: logProbability(logits, id, at(logits, likeliest)) };
  }

  #penalized(logits: Float32Array): Float32Array {
    const { repetitionPenalty } = this.#options;
    if (repetitionPenalty === 1) return logits;
    const scores = logits.slice();
    for (const id of this.#seen) {
      const logit = at(scores, id);
      scores[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
    return scores;
  }

  #draw(scores: Float32Array, largest: number): number {
    const { temperature, topK, topP, minP } = this.#options;
    const weights = new Float64Array(scores.length);
    for (let id = 0; id < weights.length; id++) weights[id] = Math.exp(((scores[id] ?? 0) - largest) / temperature);
    const isFiltered = (topK > 0 && topK < scores.length) || topP < 1 || minP > 0;
    if (!isFiltered) return pick(weights, undefined, this.#random);
    return pick(weights, keptIds(weights, this.#options), this.#random);
  }
}

/** Weights below this (the likeliest weighs 1) are sorted only where the others do not suffice. */
const coarseWeight = 1e-3;

/**
 * The ids that the filters keep, in ascending order.
 *
 * Each filter keeps a beginning of the order by falling weight (lower ids first among equals), so the last weight kept says it all.
 */
function keptIds(weights: Float64Array, { topK, topP, minP }: Required<SamplingOptions>): Int32Array {
  const limit = topK > 0 ? Math.min(topK, weights.length) : weights.length;
  // What top-p shares out is the mass of the k likeliest, or all of it.
  const total = sum(weights, 0);
  let sorted = weights.filter((weight) => weight >= coarseWeight).sort();
  const isEnough = sorted.length >= limit || (limit === weights.length && (minP >= coarseWeight || sum(sorted, 0) >= topP * total));
  if (!isEnough) sorted = weights.slice().sort();

  let numKept = Math.min(limit, sorted.length);
  const wanted = topP * (limit < weights.length ? sum(sorted, sorted.length - numKept) : total);
  if (topP < 1) {
    let mass = 0;
    let count = 0;
    for (; count < numKept && mass < wanted; count++) mass += sorted[sorted.length - 1 - count] ?? 0;
    numKept = Math.max(1, count);
  }
  const last = at(sorted, sorted.length - numKept);
  let numEqual = sorted.subarray(sorted.length - numKept).lastIndexOf(last) + 1;
  const kept: number[] = [];
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id] ?? 0;
    if (weight < last || weight < minP) continue;
    if (weight > last || numEqual-- > 0) kept.push(id);
  }
  return Int32Array.from(kept);
}

/** Draws one of `ids` (all when absent) with probability in proportion to its weight. */
function pick(weights: Float64Array, ids: Int32Array | undefined, random: Random): number {
  const count = ids?.length ?? weights.length;
  let total = 0;
  for (let index = 0; index < count; index++) total += weights[ids?.[index] ?? index] ?? 0;
  let rest = random.uniform() * total;
  let last = 0;
  for (let index = 0; index < count; index++) {
    const id = ids?.[index] ?? index;
    const weight = weights[id] ?? 0;
    if (weight === 0) continue;
    last = id;
    rest -= weight;
    if (rest < 0) break;
  }
  return last;
}

/** Of the elements from `start` on. */
function sum(values: Float64Array, start: number): number {
  let total = 0;
  for (let index = start; index < values.length; index++) total += values[index] ?? 0;
  return total;
}

/** The first of the largest; NaN wins over nothing, so a row of NaN answers 0. */
function argMax(values: Float32Array): number {
  let best = 0;
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? largest;
    if (value > largest) {
      best = index;
      largest = value;
    }
  }
  return best;
}

function logProbability(logits: Float32Array, id: number, largest: number): number {
  let total = 0;
  for (let index = 0; index < logits.length; index++) total += Math.exp((logits[index] ?? 0) - largest);
  return at(logits, id) - largest - Math.log(total);
}

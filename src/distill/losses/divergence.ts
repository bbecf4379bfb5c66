// How far a student's distribution is from its teacher's, row by row, and distributions of several teachers as one.
import { at, invariant } from '#base';
import type { Emitter, Value } from '#graph';

export interface Divergence {
  readonly divergence: 'forward' | 'reverse' | 'jsd';
  /** β, the teacher's share of the mixture of jsd. */
  readonly beta: number;
  /** Divides jsd by β(1-β). */
  readonly scaled: boolean;
}

/** KL(teacher ‖ student). */
export const forwardKl: Divergence = { divergence: 'forward', beta: 0, scaled: false };

/** KL(student ‖ teacher). */
export const reverseKl: Divergence = { divergence: 'reverse', beta: 1, scaled: false };

/** KL(p ‖ q) over the last axis, in nats, from log p and log q [..., C] -> [...]. */
export function klDivergence(b: Emitter, logP: Value, logQ: Value): Value {
  return b.reduceSum(b.mul(b.exp(logP), b.sub(logP, logQ)), [logP.shape.length - 1]);
}

/**
 * log Σ_i w_i·exp(x_i), element by element: the mixture of distributions, taken of probabilities and not of their logarithms.
 *
 * @param logs - log probabilities, all of one shape
 * @param weights - above 0, summing to 1
 */
export function logMixture(b: Emitter, logs: readonly Value[], weights: readonly number[]): Value {
  invariant(logs.length > 0 && logs.length === weights.length, 'a mixture has one weight a distribution');
  if (logs.length === 1) return at(logs, 0);
  const shifted = logs.map((log, index) => b.add(log, Math.log(at(weights, index))));
  const largest = b.stopGradient(shifted.reduce((high, each) => b.maximum(high, each)));
  const sum = shifted.map((each) => b.exp(b.sub(each, largest))).reduce((total, each) => b.add(total, each));
  return b.add(largest, b.log(sum));
}

/**
 * The divergence of each row, in nats, from log probabilities [n, C] -> [n].
 *
 * forward: KL(teacher ‖ student). reverse: KL(student ‖ teacher). jsd: β·KL(teacher ‖ M) + (1-β)·KL(student ‖ M) with M = β·teacher + (1-β)·student;
 * β 0 and 1 are forward and reverse KL. Near its ends plain jsd goes to 0 as β and 1-β do; scaled, it goes to the KL.
 *
 * @see Agarwal et al., "On-Policy Distillation of Language Models" (GKD), ICLR 2024, §2
 */
export function divergenceRows(b: Emitter, logTeacher: Value, logStudent: Value, { divergence, beta, scaled }: Divergence): Value {
  if (divergence === 'forward' || (divergence === 'jsd' && beta === 0)) return klDivergence(b, logTeacher, logStudent);
  if (divergence === 'reverse' || beta === 1) return klDivergence(b, logStudent, logTeacher);
  const mixture = logMixture(b, [logTeacher, logStudent], [beta, 1 - beta]);
  const ofTeacher = b.mul(klDivergence(b, logTeacher, mixture), beta);
  const both = b.add(ofTeacher, b.mul(klDivergence(b, logStudent, mixture), 1 - beta));
  return scaled ? b.mul(both, 1 / (beta * (1 - beta))) : both;
}

/**
 * What several teachers say together, as log probabilities [n, C] at a temperature: the mean of their probabilities, or the distribution of the
 * mean of their logits, which is sharper where they agree.
 *
 * @param weights - above 0, in any scale
 */
export function teachersAsOne(
  b: Emitter,
  logits: readonly Value[],
  weights: readonly number[],
  { temperature, average }: { readonly temperature: number; readonly average: 'probabilities' | 'logits' },
): Value {
  const total = weights.reduce((sum, each) => sum + each, 0);
  const shares = weights.map((each) => each / total);
  const soft = (x: Value): Value => b.logSoftmax(temperature === 1 ? x : b.mul(x, 1 / temperature));
  if (average === 'probabilities' || logits.length === 1) return logMixture(b, logits.map(soft), shares);
  const weighted = logits.map((each, index) => b.mul(each, at(shares, index)));
  return soft(weighted.reduce((sum, each) => b.add(sum, each)));
}

// Divergences between a teacher's answers that were handed over and a student's, over its likeliest answers and "any other".

import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { staticDim } from '#tensor';
import { lowestLog } from './answers.ts';

/** Which way two distributions are compared. */
export type DivergenceKind =
  /** KL(teacher ‖ student): covers all that the teacher does. */
  | { readonly kind: 'forward' }
  /** KL(student ‖ teacher): keeps to what the teacher does most. */
  | { readonly kind: 'reverse' }
  /** β·KL(teacher ‖ M) + (1-β)·KL(student ‖ M), M = β·teacher + (1-β)·student; 0 and 1 are the forward and the reverse one. */
  | { readonly kind: 'jsd'; readonly beta: number };

/**
 * Of each row, in nats: log-probabilities [n, C] of the same C outcomes -> [n].
 *
 * The mixture is taken in probability space. Limit: for 0 < β < 1 the loss goes to 0 with β, so that β = 0.001 gives a loss about a thousandth of
 * that of β = 0.
 *
 * @see Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, §2 and eq. 1 (generalized JSD)
 */
export function divergences(b: Emitter, logTeacher: Value, logStudent: Value, divergence: DivergenceKind): Value {
  if (divergence.kind === 'reverse') return klOfRows(b, logStudent, logTeacher);
  if (divergence.kind === 'forward') return klOfRows(b, logTeacher, logStudent);
  const { beta } = divergence;
  if (beta === 0) return klOfRows(b, logTeacher, logStudent);
  if (beta === 1) return klOfRows(b, logStudent, logTeacher);
  const mixture = b.add(b.mul(b.exp(logTeacher), beta), b.mul(b.exp(logStudent), 1 - beta));
  const logMixture = b.log(b.maximum(mixture, Math.exp(lowestLog)));
  return b.add(b.mul(klOfRows(b, logTeacher, logMixture), beta), b.mul(klOfRows(b, logStudent, logMixture), 1 - beta));
}

/** KL(p ‖ q) of each row from log p and log q [n, C]. */
function klOfRows(b: Emitter, logP: Value, logQ: Value): Value {
  return b.reduceSum(b.mul(b.exp(logP), b.sub(logP, logQ)), [1]);
}

/**
 * A student's log-probabilities of the answers `ids` int64 [n, k], and of all others together: [n, V] -> [n, k+1].
 *
 * The others are summed, not taken from 1, so that a student that is sure of itself loses no precision.
 */
export function outcomesOf(b: Emitter, logProbabilities: Value, ids: Value): Value {
  const [n, V] = logProbabilities.shape.map((size) => staticDim(size, 'rows of answers')) as [number, number];
  const k = staticDim(at(ids.shape, 1), 'answers of a row');
  const rowStarts = b.reshape(b.mul(b.range(n), V), [n, 1]);
  const places = b.reshape(b.add(rowStarts, ids), [n * k]); // in [n*V]
  const all = b.reshape(logProbabilities, [n * V]);
  const named = b.reshape(b.gather(all, places), [n, k]);
  const isNamed = b.scatterAdd(places, b.broadcastTo(b.scalar(1, 'float32'), [n * k]), n * V);
  const others = b.mul(b.exp(all), b.sub(1, b.stopGradient(isNamed)));
  const left = b.reduceSum(b.reshape(others, [n, V]), [1], true); // [n, 1]
  return b.concat([named, b.log(b.maximum(left, Math.exp(lowestLog)))], 1);
}

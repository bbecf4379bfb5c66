// Distances between attentions of one layer each: scores before softmax, or the probabilities behind it.
import type { Emitter, Value } from '#graph';
import type { AttentionValues } from '#models';
import { klDivergence } from './divergence.ts';
import { hiddenToEither, pairMean, type Sequences, sight, textMean } from './text-means.ts';

export interface AttentionComparison {
  readonly of: 'scores' | 'probabilities';
  readonly distance: 'mse' | 'kl';
}

/** log softmax of scores [B, H, T, S], with what is hidden left out. */
export function logAttention(b: Emitter, scores: Value, hiding: Value | undefined): Value {
  return b.logSoftmax(hiding === undefined ? scores : b.add(scores, hiding));
}

/** KL(teacher ‖ student) of distributions over keys, log probabilities [B, H, T, S]: the mean over heads and real queries. */
export function meanKeyDivergence(b: Emitter, logTeacher: Value, logStudent: Value, sequences: Sequences): Value {
  return textMean(b, b.reduceMean(klDivergence(b, logTeacher, logStudent), [1]), sequences);
}

/**
 * mse: the mean of squared differences over heads and over the pairs of real tokens that see each other; hidden scores count as 0, so that they add
 * nothing. kl: KL(teacher ‖ student) of each query's distribution over the keys.
 *
 * Where student and teacher see different keys (windows), only those that both see count. Head counts must be the same.
 *
 * @see Jiao et al., "TinyBERT", Findings of EMNLP 2020, eq. 7
 */
export function attentionLoss(
  b: Emitter,
  student: AttentionValues,
  teacher: AttentionValues,
  sequences: Sequences,
  { of, distance }: AttentionComparison,
): Value {
  const hiding = hiddenToEither(b, student.hiding, teacher.hiding);
  if (distance === 'kl')
    return meanKeyDivergence(b, logAttention(b, teacher.scores, hiding), logAttention(b, student.scores, hiding), sequences);
  const difference = b.sub(student[of], teacher[of]);
  const squares = b.reduceMean(b.mul(difference, difference), [1]); // [B, T, S]
  return pairMean(b, squares, sequences, sight(b, hiding));
}

// Distances between hidden states: mean squared error, cosine, and that of patient distillation.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { firstRows } from '#models';
import { type Sequences, textMean } from './text-means.ts';

export type StateDistance = 'mse' | 'cosine' | 'pkd';

/** x / ‖x‖ over the last axis; vectors shorter than 1e-12 count as that long, as in PyTorch. */
export function normalized(b: Emitter, x: Value): Value {
  const squares = b.reduceSum(b.mul(x, x), [x.shape.length - 1], true);
  return b.div(x, b.sqrt(b.maximum(squares, 1e-24)));
}

/**
 * Of each row: mse: the mean of (s-t)² over the width. cosine: 1 - cos(s, t). pkd: the mean of (s/‖s‖ - t/‖t‖)² over the width. s and t [N, D] -> [N].
 *
 * @see mse: Jiao et al., "TinyBERT", eq. 8; cosine: Sanh et al., "DistilBERT", 2019, §3; pkd: Sun et al., "Patient Knowledge Distillation", eq. 7
 */
function stateDistances(b: Emitter, student: Value, teacher: Value, distance: StateDistance): Value {
  if (distance === 'cosine') return b.sub(1, b.reduceSum(b.mul(normalized(b, student), normalized(b, teacher)), [1]));
  const [s, t] = distance === 'mse' ? [student, teacher] : [normalized(b, student), normalized(b, teacher)];
  const difference = b.sub(s, t);
  return b.reduceMean(b.mul(difference, difference), [1]);
}

/**
 * The mean of the distances over tokens that count, or over the first tokens of the texts. Rows [B*T, D] -> [].
 *
 * @param tokens - `first` looks at the first token of each text alone, as patient distillation of classifiers does
 */
export function hiddenLoss(
  b: Emitter,
  student: Value,
  teacher: Value,
  sequences: Sequences,
  { distance, tokens = 'all' }: { readonly distance: StateDistance; readonly tokens?: 'all' | 'first' },
): Value {
  if (tokens === 'all') return textMean(b, b.reshape(stateDistances(b, student, teacher, distance), sequences.batch), sequences);
  const first = (rows: Value): Value => firstRows(b, rows, { shape: sequences.batch });
  return b.reduceMean(stateDistances(b, first(student), first(teacher), distance), [0]);
}

/** Rows [N, D] -> the mean over the tokens that count of each text, [B, D]. */
export function textVectors(b: Emitter, rows: Value, { batch, counts }: Sequences): Value {
  const states = b.reshape(rows, [...batch, at(rows.shape, 1)]);
  if (counts === undefined) return b.reduceMean(states, [1]);
  const weights = b.reshape(counts, [...batch, 1]);
  return b.div(b.reduceSum(b.mul(states, weights), [1]), b.maximum(b.reduceSum(weights, [1]), 1));
}

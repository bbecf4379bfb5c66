// Means over what counts: padding, and pairs of tokens that do not see each other, add exactly nothing.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { hidesBelow } from '#models';
import type { Dim } from '#tensor';

/** A batch of sequences. */
export interface Sequences {
  /** [B, T] */
  readonly batch: readonly [Dim, Dim];
  /** float32 [B, T], 1 for tokens that count and 0 for padding and whatever else is left out; absent where all count. */
  readonly counts: Value | undefined;
}

/**
 * The mean over texts of the means over their tokens that count. values [B, T] -> [].
 *
 * Every text counts the same however long it is, so that a batch that is cut in equal parts has the mean of their losses.
 */
export function textMean(b: Emitter, values: Value, { counts }: Sequences): Value {
  return counts === undefined ? b.reduceMean(values, [0, 1]) : weightedTextMean(b, values, counts, [1]);
}

/** values and weights of one shape, [B, ...] -> []: per text the weighted mean over `axes`, then the mean over texts. */
function weightedTextMean(b: Emitter, values: Value, weights: Value, axes: readonly number[]): Value {
  const sums = b.reduceSum(b.mul(values, weights), axes);
  return b.reduceMean(b.div(sums, b.maximum(b.reduceSum(weights, axes), 1)), [0]);
}

/**
 * The same over pairs of a query that counts and a key that it sees: values [B, T, S] -> [].
 *
 * @param factors - further weights, broadcast to [B, T, S]
 */
export function pairMean(b: Emitter, values: Value, { counts }: Sequences, factors: readonly Value[]): Value {
  const { shape } = values;
  const queries = counts === undefined ? [] : [b.reshape(counts, [at(shape, 0), at(shape, 1), 1])];
  return weightedPairMean(b, values, [...factors, ...queries]);
}

function weightedPairMean(b: Emitter, values: Value, factors: readonly Value[]): Value {
  if (factors.length === 0) return b.reduceMean(values, [0, 1, 2]);
  const weights = b.broadcastTo(
    factors.reduce((product, each) => b.mul(product, each)),
    values.shape,
  );
  return weightedTextMean(b, values, weights, [1, 2]);
}

/** 1 where a query sees a key, float32; broadcast to [B, T, S]. */
export function sight(b: Emitter, hiding: Value | undefined): readonly Value[] {
  return hiding === undefined ? [] : [b.cast(b.less(hidesBelow, withoutHeads(b, hiding)), 'float32')];
}

/** [T, S] or [B, 1, T or 1, S] -> broadcast to [B, T, S]. */
function withoutHeads(b: Emitter, hiding: Value): Value {
  if (hiding.shape.length !== 4) return hiding;
  return b.reshape(hiding, [at(hiding.shape, 0), at(hiding.shape, 2), at(hiding.shape, 3)]);
}

/** What either hides, added to scores [B, H, T, S]; undefined where both see everything. */
export function hiddenToEither(b: Emitter, first: Value | undefined, second: Value | undefined): Value | undefined {
  return first === undefined || second === undefined ? (first ?? second) : b.minimum(first, second);
}

// Attention written in differentiable ops, with grouped keys and values, and the biases that hide keys.
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { type Dim, float32, multiplyDims, staticDim } from '#tensor';
import type { AttentionOptions } from './architecture.ts';

/** Added to scores that must not count; finite, so that a row in which nothing counts stays free of NaN. */
const masked = -1e30;

/**
 * What is added to the scores [B, H, T, T] of attention: 0 where a query may see a key, else a very negative number.
 *
 * @param keyMask - bool [B, T], true where a key is a real token; absent when sequences are not padded on the left
 * @param window - the number of latest positions that a query sees, itself included; all when absent
 * @returns [T, T], or [B, 1, T, T] with a key mask
 */
export function causalBias(b: Emitter, length: Dim, keyMask?: Value, window?: number): Value {
  const triangle = typeof length === 'number' ? hostTriangle(b, length, window) : graphTriangle(b, length, window);
  if (keyMask === undefined) return triangle;
  return b.add(triangle, keyBias(b, keyMask));
}

function hostTriangle(b: Emitter, length: number, window = length): Value {
  const biasData = new Float32Array(length * length);
  for (let query = 0; query < length; query++) {
    biasData.fill(masked, query * length, query * length + Math.max(0, query + 1 - window));
    biasData.fill(masked, query * length + query + 1, (query + 1) * length);
  }
  return b.constant(float32([length, length], biasData));
}

function graphTriangle(b: Emitter, length: Dim, window: number | undefined): Value {
  const positions = b.range(length);
  const [queries, keys] = [b.reshape(positions, [length, 1]), b.reshape(positions, [1, length])];
  const [hidden, seen] = [b.scalar(masked, 'float32'), b.scalar(0, 'float32')];
  const triangle = b.where(b.less(queries, keys), hidden, seen); // [T, T]
  if (window === undefined) return triangle;
  const isTooOld = b.less(b.add(keys, b.scalar(window - 1, 'int64')), queries); // [T, T]
  return b.where(isTooOld, hidden, triangle);
}

/** bool [B, S], true where a key is a real token -> [B, 1, 1, S], to be added to the scores. */
export function keyBias(b: Emitter, keyMask: Value): Value {
  const [B, S] = [at(keyMask.shape, 0), at(keyMask.shape, 1)];
  return b.reshape(b.where(keyMask, b.scalar(0, 'float32'), b.scalar(masked, 'float32')), [B, 1, 1, S]);
}

/** x [B, S, heads, K] -> [B, heads, S, K] */
export function byHead(b: Emitter, x: Value): Value {
  return b.transpose(x, [0, 2, 1, 3]);
}

/** What one attention was made of. Nothing of it is computed because it is here: a graph holds what its outputs ask for. */
export interface AttentionValues {
  /** [B, T, H, K], rotated where the architecture rotates. */
  readonly q: Value;
  /** [B, S, G, K] */
  readonly k: Value;
  readonly v: Value;
  /** [B, H, T, S]: scale·q·kᵀ, with what depends on relative positions, before anything is hidden. */
  readonly scores: Value;
  /** Added to the scores before softmax: 0 where a query sees a key, else a very negative number; broadcast to [B, H, T, S]. Absent where all is seen. */
  readonly hiding: Value | undefined;
  /** [B, H, T, S]: what is left of the scores after softmax; rows sum to 1. */
  readonly probabilities: Value;
}

/** Below this, what is added to a score hides it. */
export const hidesBelow = -100;

/**
 * softmax(cap(scale·q·kᵀ) + bias)·v. q [B, T, H, K]; k and v [B, G, S, K], by head -> rows [B*T, H*K].
 *
 * The H/G query heads of a group are put one under the other as [H/G*T, K] rows of one product with the group's keys: no copy
 * of keys and values, and their gradients need no sum over copies.
 *
 * @param bias - broadcast to [B, H, T, S]; absent where every query sees every key
 * @param seen - is told the scores without the bias and the weights of the values, both [B, H, T, S]
 */
export function attention(
  b: Emitter,
  q: Value,
  k: Value,
  v: Value,
  bias: Value | undefined,
  { scale, softCap }: Pick<AttentionOptions, 'scale' | 'softCap'> = {},
  seen?: (scores: Value, weights: Value) => void,
): Value {
  const [B, T] = [at(q.shape, 0), at(q.shape, 1)];
  const [G, S] = [staticDim(k.shape[1], 'heads of keys'), at(k.shape, 2)];
  const [H, K] = [staticDim(q.shape[2], 'heads'), staticDim(q.shape[3], 'head width')];
  const stacked = multiplyDims(H / G, T);

  const queries = b.reshape(byHead(b, q), [B, G, stacked, K]); // [B, G, H/G*T, K]
  const products = b.matmul(queries, k, { transposeB: true, scale: scale ?? 1 / Math.sqrt(K) }); // [B, G, H/G*T, S]
  const scores = softCap === undefined ? products : softCapped(b, products, softCap);
  const byQuery = b.reshape(scores, [B, H, T, S]);
  const weights = b.softmax(bias === undefined ? byQuery : b.add(byQuery, bias)); // [B, H, T, S]
  seen?.(byQuery, weights);
  const mixed = b.matmul(b.reshape(weights, [B, G, stacked, S]), v); // [B, G, H/G*T, K]
  return b.reshape(byHead(b, b.reshape(mixed, [B, H, T, K])), [multiplyDims(B, T), H * K]);
}

/** cap·tanh(x/cap): x where it is small, and never beyond the cap. */
export function softCapped(b: Emitter, x: Value, cap: number): Value {
  return b.mul(b.tanh(b.mul(x, 1 / cap)), cap);
}

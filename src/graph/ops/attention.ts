// Attention of new positions over a key-value cache that grows in place: what decoding runs on.
import { AppError } from '#base';
import { printShape } from '#tensor';
import { defineOp } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { GroupQueryAttentionAttrs, PlainTensor, TensorType } from '../types.ts';
import { given, normal, requireDtype } from './checks.ts';

export type CacheOperands<T> = readonly [q: T, k: T, v: T, pastKey: T, pastValue: T, lastIndex: T, totalLength: T];

/** Types of attention over a cache; the cache may be of any type. */
export function inferCached(
  [q, k, v, pastKey, pastValue, lastIndex, totalLength]: CacheOperands<TensorType>,
  { heads, keyValueHeads, window, softCap }: GroupQueryAttentionAttrs,
  place: string,
): readonly TensorType[] {
  requireDtype(lastIndex, 'int32', place);
  requireDtype(totalLength, 'int32', place);
  if ((window !== undefined && window < 1) || (softCap !== undefined && softCap <= 0))
    throw new AppError('shape_mismatch', `${place}: window ${window} and softCap ${softCap} must be above 0.`);
  if (heads % keyValueHeads !== 0)
    throw new AppError('shape_mismatch', `${place}: ${heads} heads cannot share ${keyValueHeads} key-value heads evenly.`);
  const fits =
    q.shape.length === 3 &&
    k.shape.length === 3 &&
    v.shape[2] === k.shape[2] &&
    pastKey.shape.length === 4 &&
    pastKey.shape[1] === keyValueHeads &&
    pastValue.shape[3] === pastKey.shape[3];
  if (!fits)
    throw new AppError(
      'shape_mismatch',
      `${place}: q ${printShape(q.shape)}, k ${printShape(k.shape)} and cache ${printShape(pastKey.shape)} do not fit ${heads} heads over ${keyValueHeads}.`,
    );
  return [q, pastKey, pastValue];
}

/** What is added to the score of one query and one key. */
type ScoreBias = (row: number, head: number, t: number, position: number) => number;

/** The result, and the caches with the new positions in them. */
export function evaluateCached(
  [q, k, v, pastKey, pastValue, lastIndex, totalLength]: CacheOperands<PlainTensor>,
  attrs: GroupQueryAttentionAttrs,
  cacheShape: readonly number[],
  bias: ScoreBias,
): readonly [y: PlainTensor, key: PlainTensor, value: PlainTensor] {
  const { heads, keyValueHeads } = attrs;
  const [batch = 0, length = 0] = q.shape;
  const [, , room = 0, width = 0] = cacheShape;
  const key = plain(cacheShape, Float64Array.from(pastKey.data));
  const value = plain(cacheShape, Float64Array.from(pastValue.data));
  const y = plain(q.shape);
  const cacheAt = (row: number, group: number, position: number): number => ((row * keyValueHeads + group) * room + position) * width;
  const tokenAt = (row: number, t: number, count: number, head: number): number => ((row * length + t) * count + head) * width;
  // A first step: prompts start at 0 and shorter ones are padded behind.
  const isPrompt = read(totalLength, 0) === length;
  for (let row = 0; row < batch; row++) {
    const before = isPrompt ? 0 : read(lastIndex, row) + 1 - length;
    for (let t = 0; t < length; t++)
      for (let group = 0; group < keyValueHeads; group++)
        for (let x = 0; x < width; x++) {
          key.data[cacheAt(row, group, before + t) + x] = read(k, tokenAt(row, t, keyValueHeads, group) + x);
          value.data[cacheAt(row, group, before + t) + x] = read(v, tokenAt(row, t, keyValueHeads, group) + x);
        }
    for (let t = 0; t < length; t++)
      for (let head = 0; head < heads; head++) {
        const group = Math.floor(head / (heads / keyValueHeads));
        const biasAt = (position: number): number => bias(row, head, t, position);
        attendOne(y, tokenAt(row, t, heads, head), q, key, value, cacheAt(row, group, 0), before + t + 1, width, attrs, biasAt);
      }
  }
  return [y, key, value];
}

const groupQueryAttention = defineOp<7, GroupQueryAttentionAttrs>({
  traits: ['fused'],
  infer: (operands, attrs, place) => inferCached(operands, attrs, place),
  vjp: 'not-differentiable',
  evaluate: (operands, attrs, [, cacheShape = []]) => evaluateCached(operands, attrs, cacheShape, () => 0),
  samples: [
    {
      operands: [
        normal(2, 1, 16),
        normal(2, 1, 8),
        normal(2, 1, 8),
        normal(2, 1, 6, 8),
        normal(2, 1, 6, 8),
        given([2], [3, 1], 'int32'),
        given([1], [4], 'int32'),
      ],
      attrs: { heads: 2, keyValueHeads: 1, scale: 0.35 },
      note: 'decode of rows with different lengths',
    },
    {
      operands: [
        normal(1, 3, 16),
        normal(1, 3, 16),
        normal(1, 3, 16),
        normal(1, 2, 5, 8),
        normal(1, 2, 5, 8),
        given([1], [2], 'int32'),
        given([1], [3], 'int32'),
      ],
      attrs: { heads: 2, keyValueHeads: 2, scale: 0.35 },
      note: 'prefill without a past',
    },
    {
      operands: [
        normal(2, 1, 16),
        normal(2, 1, 8),
        normal(2, 1, 8),
        normal(2, 1, 6, 8),
        normal(2, 1, 6, 8),
        given([2], [4, 1], 'int32'),
        given([1], [5], 'int32'),
      ],
      attrs: { heads: 2, keyValueHeads: 1, scale: 0.7, window: 3, softCap: 1.5 },
      note: 'decode with a window and bounded scores',
    },
    {
      operands: [
        normal(1, 4, 16),
        normal(1, 4, 16),
        normal(1, 4, 16),
        normal(1, 2, 5, 8),
        normal(1, 2, 5, 8),
        given([1], [3], 'int32'),
        given([1], [4], 'int32'),
      ],
      attrs: { heads: 2, keyValueHeads: 2, scale: 0.7, window: 2, softCap: 1.5 },
      note: 'prefill with a window and bounded scores',
    },
  ],
});

/** The same with a bias of the scores: [B or 1, H or 1, T, N], N being totalLength. */
const biasedGroupQueryAttention = defineOp<8, GroupQueryAttentionAttrs>({
  traits: ['fused'],
  infer: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, place) => {
    const [batch, heads, length] = bias.shape;
    const fits =
      bias.shape.length === 4 &&
      (batch === 1 || batch === q.shape[0]) &&
      (heads === 1 || heads === attrs.heads) &&
      length === q.shape[1] &&
      bias.dtype === q.dtype;
    if (!fits) throw new AppError('shape_mismatch', `${place}: a bias ${printShape(bias.shape)} does not fit q ${printShape(q.shape)}.`);
    return inferCached([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, place);
  },
  vjp: 'not-differentiable',
  evaluate: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, [, cacheShape = []]) => {
    const [batch = 1, heads = 1, length = 0, positions = 0] = bias.shape;
    const biasAt: ScoreBias = (row, head, t, position) => {
      const line = ((batch === 1 ? 0 : row) * heads + (heads === 1 ? 0 : head)) * length + t;
      return read(bias, line * positions + position);
    };
    return evaluateCached([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, cacheShape, biasAt);
  },
  samples: [
    {
      operands: [
        normal(2, 1, 16),
        normal(2, 1, 8),
        normal(2, 1, 8),
        normal(2, 1, 6, 8),
        normal(2, 1, 6, 8),
        given([2], [3, 3], 'int32'),
        given([1], [4], 'int32'),
        normal(2, 2, 1, 4),
      ],
      attrs: { heads: 2, keyValueHeads: 1, scale: 1 },
      note: 'decode with a bias for each sequence and head',
    },
    {
      operands: [
        normal(2, 3, 16),
        normal(2, 3, 16),
        normal(2, 3, 16),
        normal(2, 2, 5, 8),
        normal(2, 2, 5, 8),
        given([2], [2, 2], 'int32'),
        given([1], [3], 'int32'),
        normal(1, 2, 3, 3),
      ],
      attrs: { heads: 2, keyValueHeads: 2, scale: 0.35 },
      note: 'prefill without a past, one bias for all sequences',
    },
  ],
});

function attendOne(
  y: PlainTensor,
  offset: number,
  q: PlainTensor,
  key: PlainTensor,
  value: PlainTensor,
  cacheStart: number,
  visible: number,
  width: number,
  { scale, window = visible, softCap }: GroupQueryAttentionAttrs,
  bias: (position: number) => number,
): void {
  const first = Math.max(0, visible - window);
  const weights = Float64Array.from({ length: visible - first }, (_, index) => {
    const position = first + index;
    let dot = 0;
    for (let x = 0; x < width; x++) dot += read(q, offset + x) * read(key, cacheStart + position * width + x);
    const bounded = softCap === undefined ? dot * scale : softCap * Math.tanh((dot * scale) / softCap);
    return bounded + bias(position);
  });
  const largest = weights.reduce((best, weight) => Math.max(best, weight), Number.NEGATIVE_INFINITY);
  const total = weights.reduce((sum, weight) => sum + Math.exp(weight - largest), 0);
  for (let x = 0; x < width; x++) {
    let sum = 0;
    weights.forEach((weight, index) => {
      sum += (Math.exp(weight - largest) / total) * read(value, cacheStart + (first + index) * width + x);
    });
    y.data[offset + x] = sum;
  }
}

export const attentionOps = { groupQueryAttention, biasedGroupQueryAttention };

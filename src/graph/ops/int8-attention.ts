// Attention of new positions over a key-value cache of 8-bit codes, with a scale a channel that never changes.

import { AppError } from '#base';
import { printShape } from '#tensor';
import { defineOp } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { GroupQueryAttentionAttrs, PlainTensor } from '../types.ts';
import { evaluateCached, inferCached } from './attention.ts';
import { given, normal, positive, requireDtype, requireSame } from './checks.ts';
import { roundToEven } from './int8.ts';

const [leastCode, largestCode] = [-128, 127];

function codeOf(value: number, scale: number): number {
  return Math.min(largestCode, Math.max(leastCode, roundToEven(value / scale)));
}

/** The codes [B, G, S, K] times the scales [1, G, 1, K]. */
function decoded(codes: PlainTensor, scales: PlainTensor): PlainTensor {
  return plain(
    codes.shape,
    codes.data.map((code, index) => code * cacheScale(scales, codes.shape, index)),
  );
}

function encoded(values: PlainTensor, scales: PlainTensor): PlainTensor {
  return plain(
    values.shape,
    values.data.map((value, index) => codeOf(value, cacheScale(scales, values.shape, index))),
  );
}

function cacheScale(scales: PlainTensor, [, , S = 1, K = 1]: readonly number[], index: number): number {
  const groups = scales.shape[1] ?? 1;
  return read(scales, (Math.floor(index / (S * K)) % groups) * K + (index % K));
}

/** New keys or values [B, T, G*K] as the cache holds them. */
function rounded(x: PlainTensor, scales: PlainTensor): PlainTensor {
  const channels = scales.data.length;
  const round = (value: number, scale: number): number => codeOf(value, scale) * scale;
  return plain(
    x.shape,
    x.data.map((value, index) => round(value, read(scales, index % channels))),
  );
}

/** Engines may let the new positions of a long piece of a prompt read each other before they are rounded. */
const int8GroupQueryAttention = defineOp<9, GroupQueryAttentionAttrs>({
  traits: ['fused'],
  infer: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, keyScales, valueScales], attrs, place) => {
    for (const past of [pastKey, pastValue]) requireDtype(past, 'int8', place);
    for (const scales of [keyScales, valueScales]) {
      requireSame(q, scales, place);
      const [one, G, positions, K] = scales.shape;
      if (one !== 1 || G !== attrs.keyValueHeads || positions !== 1 || K !== pastKey.shape[3])
        throw new AppError(
          'shape_mismatch',
          `${place}: scales ${printShape(scales.shape)} do not fit the cache ${printShape(pastKey.shape)}.`,
        );
    }
    return inferCached([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, place);
  },
  vjp: 'not-differentiable',
  evaluate: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, keyScales, valueScales], attrs, [, cacheShape = []]) => {
    const past = [decoded(pastKey, keyScales), decoded(pastValue, valueScales)] as const;
    const added = [rounded(k, keyScales), rounded(v, valueScales)] as const;
    const [y, key, value] = evaluateCached([q, ...added, ...past, lastIndex, totalLength], attrs, cacheShape, () => 0);
    return [y, encoded(key, keyScales), encoded(value, valueScales)];
  },
  samples: [
    {
      operands: [
        normal(2, 1, 32),
        normal(2, 1, 16),
        normal(2, 1, 16),
        codes(2, 1, 6, 16),
        codes(2, 1, 6, 16),
        given([2], [3, 1], 'int32'),
        given([1], [4], 'int32'),
        positive(1, 1, 1, 16),
        positive(1, 1, 1, 16),
      ],
      attrs: { heads: 2, keyValueHeads: 1, scale: 0.01 },
      note: 'decode of rows with different lengths',
    },
    {
      operands: [
        normal(1, 3, 32),
        normal(1, 3, 32),
        normal(1, 3, 32),
        codes(1, 2, 5, 16),
        codes(1, 2, 5, 16),
        given([1], [2], 'int32'),
        given([1], [3], 'int32'),
        positive(1, 2, 1, 16),
        positive(1, 2, 1, 16),
      ],
      attrs: { heads: 2, keyValueHeads: 2, scale: 0.01 },
      note: 'a short prefill without a past',
    },
    {
      operands: [
        normal(2, 1, 32),
        normal(2, 1, 16),
        normal(2, 1, 16),
        codes(2, 1, 6, 16),
        codes(2, 1, 6, 16),
        given([2], [4, 1], 'int32'),
        given([1], [5], 'int32'),
        positive(1, 1, 1, 16),
        positive(1, 1, 1, 16),
      ],
      attrs: { heads: 2, keyValueHeads: 1, scale: 0.01, window: 3, softCap: 1.5 },
      note: 'decode with a window and bounded scores',
    },
  ],
});

function codes(...shape: number[]): ReturnType<typeof given> {
  const count = shape.reduce((product, size) => product * size, 1);
  return given(
    shape,
    Array.from({ length: count }, (_, index) => ((index * 37) % 61) - 30),
    'int8',
  );
}

export const int8AttentionOps = { int8GroupQueryAttention };

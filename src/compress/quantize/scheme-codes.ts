// Ternary and binary codes: weights −a, 0, a or −a, a with one a for each group.
import type { Steps } from '#linalg';
import { sharedZero } from '#models';
import { floatToHalf, halfToFloat } from '#tensor';
import type { GridShape } from './grid.ts';
import type { Coded } from './slot-codes.ts';

export type Scheme = 'ternary' | 'binary';
export type TernaryThreshold = 'twn' | 'absmean';

export const schemeBits: Readonly<Record<Scheme, number>> = { ternary: 2, binary: 1 };

const groupsBetweenPauses = 1 << 13;

/** Codes of one group, and its scale. */
interface GroupCodes {
  readonly scale: number;
  readonly codeOf: (value: number) => number;
}

/**
 * Ternary weight networks: zero below Δ = 0.7·mean|w|, a = the mean magnitude of the others.
 *
 * @see F. Li, B. Zhang, B. Liu, "Ternary weight networks", 2016
 */
function twn(group: Float32Array): GroupCodes {
  const limit = 0.7 * meanMagnitude(group);
  const others = group.filter((value) => Math.abs(value) > limit);
  return { scale: meanMagnitude(others), codeOf: (value) => (Math.abs(value) > limit ? 1 + Math.sign(value) : 1) };
}

/**
 * a = mean|w|, codes round(w/a) within −1 … 1.
 *
 * @see S. Ma et al., "The era of 1-bit LLMs: all large language models are in 1.58 bits", 2024
 */
function absmean(group: Float32Array): GroupCodes {
  const scale = meanMagnitude(group);
  return { scale, codeOf: (value) => 1 + Math.max(-1, Math.min(1, Math.round(scale === 0 ? 0 : value / scale))) };
}

/** a = mean|w|, which is nearest in squares; codes 0 and 1 stand for −½ and ½ of the scale 2a. */
function binary(group: Float32Array): GroupCodes {
  return { scale: 2 * meanMagnitude(group), codeOf: (value) => (value < 0 ? 0 : 1) };
}

function meanMagnitude(numbers: Float32Array): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, value) => sum + Math.abs(value), 0) / numbers.length;
}

/** Codes of rows [N, K]; scales are rounded to 16 bits. */
export function* schemeCodes(rows: Float32Array, shape: GridShape, scheme: Scheme, threshold: TernaryThreshold): Steps<Coded> {
  const { rows: N, columns: K, groupSize } = shape;
  const groups = Math.ceil(K / groupSize);
  const bits = schemeBits[scheme];
  const zero = sharedZero({ scheme, bits });
  const choose = scheme === 'binary' ? binary : threshold === 'twn' ? twn : absmean;
  const scales = new Float64Array(N * groups);
  const codes = new Uint8Array(N * groups * groupSize).fill(Math.floor(zero));
  for (let index = 0; index < N * groups; index++) {
    const [row, group] = [Math.floor(index / groups), index % groups];
    const start = row * K + group * groupSize;
    const numbers = rows.subarray(start, Math.min((row + 1) * K, start + groupSize));
    const { scale, codeOf } = choose(numbers);
    scales[index] = scale;
    for (const [place, value] of numbers.entries()) codes[index * groupSize + place] = codeOf(value);
    if (index % groupsBetweenPauses === 0) yield;
  }
  const grid = {
    ...shape,
    scheme,
    bits,
    symmetric: true,
    groups,
    scales: halfToFloat(floatToHalf(scales)),
    zeroPoints: new Float32Array(N * groups).fill(zero),
  };
  return { grid, codes };
}

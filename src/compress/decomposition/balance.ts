// Splits the scale of each component evenly between its two factors, and rounds them to the stored type.
import { at } from '#base';
import { type DType, fromNumbers, type HostTensor, hostTensor } from '#tensor';
import type { Factors } from './factor-problem.ts';

/**
 * left·D and D⁻¹·right with equal norms of each column and row: for a plain SVD, √σ on both sides.
 *
 * Even scales keep 16-bit factors from overflow and give training the same step sizes on both sides.
 */
export function balanceFactors({ rank, left, right }: Factors): Factors {
  const m = left.length / rank;
  const n = right.length / rank;
  const leftSquares = new Float64Array(rank);
  for (let i = 0; i < m; i++) for (let k = 0; k < rank; k++) leftSquares[k] = at(leftSquares, k) + at(left, i * rank + k) ** 2;
  const balancedLeft = new Float64Array(left.length);
  const balancedRight = new Float64Array(right.length);
  const scales = new Float64Array(rank);
  for (let k = 0; k < rank; k++) {
    let rightSquares = 0;
    for (let j = k * n; j < (k + 1) * n; j++) rightSquares += at(right, j) ** 2;
    const ratio = Math.sqrt(Math.sqrt(rightSquares / at(leftSquares, k)));
    const scale = Number.isFinite(ratio) && ratio > 0 ? ratio : 1;
    scales[k] = scale;
    for (let j = k * n; j < (k + 1) * n; j++) balancedRight[j] = at(right, j) / scale;
  }
  for (let i = 0; i < m; i++) for (let k = 0; k < rank; k++) balancedLeft[i * rank + k] = at(left, i * rank + k) * at(scales, k);
  return { rank, left: balancedLeft, right: balancedRight };
}

/** Factors as they are stored. */
export interface StoredFactors {
  readonly rank: number;
  /** [m, rank] */
  readonly left: HostTensor;
  /** [rank, n] */
  readonly right: HostTensor;
}

/** Rounds factors to the stored type. */
export function roundFactors({ rank, left, right }: Factors, dtype: DType): StoredFactors {
  return {
    rank,
    left: hostTensor(dtype, [left.length / rank, rank], fromNumbers(dtype, left)),
    right: hostTensor(dtype, [rank, right.length / rank], fromNumbers(dtype, right)),
  };
}

/** The first `rank` components: the best factors of that rank, since components come in the order of their weight. */
export function cutFactors(factors: Factors, rank: number): Factors {
  const { rank: width, left, right } = factors;
  if (rank === width) return factors;
  const m = left.length / width;
  const n = right.length / width;
  const cut = new Float64Array(m * rank);
  for (let i = 0; i < m; i++) cut.set(left.subarray(i * width, i * width + rank), i * rank);
  return { rank, left: cut, right: right.slice(0, rank * n) };
}

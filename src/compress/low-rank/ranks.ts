// How many components each matrix keeps: by its share of the bytes, by energy, or by where the bytes help most.
import { at } from '#base';

/** What rank rules need to know of one matrix. */
export interface RankCase {
  /** [m, n] */
  readonly rows: number;
  readonly columns: number;
  /** Of one stored element of the factors. */
  readonly elementBytes: number;
  readonly bytesBefore: number;
}

/** Stored bytes of one component: a column of the left and a row of the right factor. */
export function componentBytes({ rows, columns, elementBytes }: RankCase): number {
  return (rows + columns) * elementBytes;
}

/** The largest rank that stores less than the matrix does now, at least 1. */
export function breakEvenRank(matrix: RankCase): number {
  const below = Math.ceil(matrix.bytesBefore / componentBytes(matrix)) - 1;
  return Math.max(1, Math.min(below, matrix.rows, matrix.columns));
}

/** ⌊ratio·mn/(m+n)⌋ for a dense matrix, and the like for one that is stored in fewer bytes already; at least 1. */
export function rankForRatio(matrix: RankCase, ratio: number): number {
  const rank = Math.floor((ratio * matrix.bytesBefore) / componentBytes(matrix));
  return Math.max(1, Math.min(rank, matrix.rows, matrix.columns));
}

/** The smallest rank whose squared singular values (descending) sum to the share `energy` of all. */
export function rankForEnergy(squares: Float64Array, energy: number): number {
  const total = squares.reduce((sum, square) => sum + square, 0);
  let kept = 0;
  for (let rank = 1; rank < squares.length; rank++) {
    kept += at(squares, rank - 1);
    if (kept >= energy * total) return rank;
  }
  return Math.max(1, squares.length);
}

/** A matrix with its spectrum, for sharing out bytes. */
export interface AllocationCase extends RankCase {
  /** σ² in descending order, of the whole spectrum. */
  readonly squares: Float64Array;
}

/**
 * Shares out `budgetBytes` over the matrices so that the sum of their relative squared errors is smallest.
 *
 * Every component earns σ²/Σσ² of its matrix for its bytes. Since σ² falls with the rank, taking components in the order of earnings a
 * byte is optimal up to the last one that fits. Each matrix keeps at least one component and none more than its break-even rank.
 *
 * @returns one rank a matrix, in order
 */
export function allocateByLoss(matrices: readonly AllocationCase[], budgetBytes: number): number[] {
  const ranks = matrices.map(() => 1);
  let left = matrices.reduce((budget, matrix) => budget - componentBytes(matrix), budgetBytes);
  const offers = matrices.flatMap((matrix, index) => {
    const total = matrix.squares.reduce((sum, square) => sum + square, 0) || 1;
    const limit = breakEvenRank(matrix);
    const earned = (component: number): number => at(matrix.squares, component) / total / componentBytes(matrix);
    return Array.from({ length: limit - 1 }, (_, offset) => ({ index, component: offset + 1, earned: earned(offset + 1) }));
  });
  offers.sort((first, second) => second.earned - first.earned || first.component - second.component || first.index - second.index);
  const isFull = matrices.map(() => false);
  for (const { index, component } of offers) {
    if (isFull[index]) continue;
    const bytes = componentBytes(at(matrices, index));
    if (bytes > left) {
      isFull[index] = true;
      continue;
    }
    left -= bytes;
    ranks[index] = component + 1;
  }
  return ranks;
}

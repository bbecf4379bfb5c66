// How many components a matrix keeps: by its share of the bytes, or by energy.
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

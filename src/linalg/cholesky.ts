// Cholesky factorization and the inverse of its triangle.
import { invariant } from '#base';
import type { Steps } from './cooperative.ts';

/**
 * A = L·Lᵀ for a symmetric positive definite matrix, of which only the lower triangle is read.
 *
 * Returns L [n, n] with zeros above its diagonal, or null where A is not positive definite within rounding: a pivot
 * that is not larger than n·ε of its own diagonal entry has lost all its digits.
 *
 * @param diagonal - where A is a panel of a larger matrix from which columns were taken off already: the diagonal of before
 * @param order - n of that larger matrix
 */
export function* cholesky(a: Float64Array, n: number, diagonal?: Float64Array, order: number = n): Steps<Float64Array | null> {
  invariant(a.length === n * n, `a matrix of order ${n} has ${n * n} entries, got ${a.length}`);
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < i; j++) {
      const other = j * n;
      factor[row + j] = (a[row + j]! - dot(factor, row, other, j)) / factor[other + j]!;
    }
    const pivot = a[row + i]! - dot(factor, row, row, i);
    const whole = diagonal === undefined ? a[row + i]! : diagonal[i]!;
    if (!(pivot > order * Number.EPSILON * whole)) return null;
    factor[row + i] = Math.sqrt(pivot);
    if (i % 64 === 63) yield;
  }
  return factor;
}

/** Σ data[first + k]·data[second + k] over `length` entries, in four independent sums. */
function dot(data: Float64Array, first: number, second: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let k = 0;
  for (; k + 3 < length; k += 4) {
    s0 += data[first + k]! * data[second + k]!;
    s1 += data[first + k + 1]! * data[second + k + 1]!;
    s2 += data[first + k + 2]! * data[second + k + 2]!;
    s3 += data[first + k + 3]! * data[second + k + 3]!;
  }
  for (; k < length; k++) s0 += data[first + k]! * data[second + k]!;
  return s0 + s1 + (s2 + s3);
}

/** Solves L·X = B row by row, in place: `right` [n, columns] becomes X. L is lower triangular with a diagonal without zeros. */
export function solveLower(lower: Float64Array, right: Float64Array, n: number, columns: number): void {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtractRow(right, i, k, lower[i * n + k]!, columns);
    scaleRow(right, i, 1 / lower[i * n + i]!, columns);
  }
}

/** Solves Lᵀ·X = B row by row, in place: `right` [n, columns] becomes X. */
export function solveLowerTransposed(lower: Float64Array, right: Float64Array, n: number, columns: number): void {
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtractRow(right, i, k, lower[k * n + i]!, columns);
    scaleRow(right, i, 1 / lower[i * n + i]!, columns);
  }
}

/** L⁻¹ [n, n], lower triangular. */
export function* invertLower(lower: Float64Array, n: number): Steps<Float64Array> {
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = i * n;
    inverse[row + i] = 1;
    for (let k = 0; k < i; k++) {
      const factor = lower[row + k]!;
      const source = k * n;
      for (let j = 0; j <= k; j++) inverse[row + j] = inverse[row + j]! - factor * inverse[source + j]!;
    }
    const scale = 1 / lower[row + i]!;
    for (let j = 0; j <= i; j++) inverse[row + j] = inverse[row + j]! * scale;
    if (i % 64 === 63) yield;
  }
  return inverse;
}

function subtractRow(data: Float64Array, target: number, source: number, factor: number, columns: number): void {
  if (factor === 0) return;
  const to = target * columns;
  const from = source * columns;
  for (let j = 0; j < columns; j++) data[to + j] = data[to + j]! - factor * data[from + j]!;
}

function scaleRow(data: Float64Array, row: number, scale: number, columns: number): void {
  for (let j = row * columns; j < (row + 1) * columns; j++) data[j] = data[j]! * scale;
}

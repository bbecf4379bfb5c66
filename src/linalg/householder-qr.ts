// Householder QR of tall matrices, kept as rows so that every pass over memory is contiguous.
import { invariant } from '#base';
import type { Steps } from './cooperative.ts';

export interface QrFactors {
  /** Row j [m] is the j-th orthonormal direction; the columns of Q as rows, [n, m]. */
  readonly directions: Float64Array;
  /** Upper triangular [n, n]. */
  readonly r: Float64Array;
}

/**
 * A = Q·R for a matrix given by its columns: row j of `columns` [n, m] is column j of A [m, n], m ≥ n.
 *
 * Orthonormal to rounding for every input, rank-deficient and zero ones included, where Cholesky-QR gives up.
 * Cost: 4·m·n² flops on one thread.
 */
export function* householderQr(columns: Float64Array, n: number, m: number): Steps<QrFactors> {
  invariant(m >= n, `QR needs at least as many rows as columns, got ${m} x ${n}`);
  invariant(columns.length === n * m, `${n} columns of ${m} entries expected, got ${columns.length} entries`);
  const work = columns.slice();
  const tau = new Float64Array(n);
  const r = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    tau[k] = reflectColumn(work, k, m, r, n);
    for (let j = k + 1; j < n; j++) applyTo(work, j * m, work, k, m, tau[k]!);
    for (let j = k + 1; j < n; j++) r[k * n + j] = work[j * m + k]!;
    yield;
  }
  const directions = new Float64Array(n * m);
  for (let j = 0; j < n; j++) {
    directions[j * m + j] = 1;
    for (let k = j; k >= 0; k--) applyTo(directions, j * m, work, k, m, tau[k]!);
    yield;
  }
  return { directions, r };
}

/** Reflector k from entries k … m-1 of row k; it replaces them (with leading 1), and R[k, k] is written. */
function reflectColumn(work: Float64Array, k: number, m: number, r: Float64Array, n: number): number {
  const row = k * m;
  let largest = 0;
  for (let i = k; i < m; i++) largest = Math.max(largest, Math.abs(work[row + i]!));
  let squares = 0;
  if (largest > 0) {
    for (let i = k; i < m; i++) {
      const scaled = work[row + i]! / largest;
      squares += scaled * scaled;
    }
  }
  const head = work[row + k]!;
  const norm = largest * Math.sqrt(squares);
  if (norm === 0 || norm === Math.abs(head)) {
    r[k * n + k] = head;
    work.fill(0, row + k, row + m);
    return 0;
  }
  const value = head > 0 ? -norm : norm;
  const scale = 1 / (head - value);
  for (let i = k + 1; i < m; i++) work[row + i] = work[row + i]! * scale;
  work[row + k] = 1;
  r[k * n + k] = value;
  return (value - head) / value;
}

/** Applies reflector k (row k of `reflectors`) to the row of `target` that starts at `at`. */
function applyTo(target: Float64Array, at: number, reflectors: Float64Array, k: number, m: number, tau: number): void {
  if (tau === 0) return;
  const v = k * m;
  let sum = 0;
  for (let i = k; i < m; i++) sum += reflectors[v + i]! * target[at + i]!;
  sum *= tau;
  for (let i = k; i < m; i++) target[at + i] = target[at + i]! - sum * reflectors[v + i]!;
}

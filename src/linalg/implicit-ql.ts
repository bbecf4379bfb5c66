// Implicit QL iteration with Wilkinson shifts: the leaves of divide and conquer, and eigenvalues without vectors.
import { invariant } from '#base';

/** Far above the one or two sweeps an eigenvalue takes. */
const maxSweeps = 60;

/**
 * Solves a symmetric tridiagonal problem; `diagonal` becomes the eigenvalues, in no order.
 *
 * Returns the eigenvectors as rows [n, n]: every rotation then touches two contiguous rows. For small n.
 */
export function implicitQl(diagonal: Float64Array, offDiagonal: Float64Array): Float64Array {
  const n = diagonal.length;
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  iterate(diagonal, offDiagonal, rows);
  return rows;
}

/** The same without vectors, in O(n²). */
export function implicitQlValues(diagonal: Float64Array, offDiagonal: Float64Array): void {
  iterate(diagonal, offDiagonal, new Float64Array(0));
}

/** `rows` is turned by every rotation, unless it is empty. */
function iterate(d: Float64Array, offDiagonal: Float64Array, rows: Float64Array): void {
  const n = d.length;
  const e = new Float64Array(n);
  e.set(offDiagonal.subarray(0, n - 1));
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      const m = firstNegligible(d, e, l);
      if (m === l) break;
      invariant(sweep < maxSweeps, `QL did not converge at index ${l} of ${n}`);
      sweepOnce(d, e, rows, l, m);
    }
  }
}

function firstNegligible(d: Float64Array, e: Float64Array, l: number): number {
  const n = d.length;
  let m = l;
  for (; m < n - 1; m++) {
    const scale = Math.abs(d[m]!) + Math.abs(d[m + 1]!);
    if (Math.abs(e[m]!) <= Number.EPSILON * scale || Math.abs(e[m]!) < Number.MIN_VALUE / Number.EPSILON) break;
  }
  return m;
}

function sweepOnce(d: Float64Array, e: Float64Array, rows: Float64Array, l: number, m: number): void {
  const n = d.length;
  const slope = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  const root = Math.hypot(slope, 1);
  let g = d[m]! - d[l]! + e[l]! / (slope + (slope >= 0 ? root : -root));
  let sine = 1;
  let cosine = 1;
  let shift = 0;
  for (let i = m - 1; i >= l; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const length = Math.hypot(f, g);
    e[i + 1] = length;
    if (length === 0) {
      d[i + 1] = d[i + 1]! - shift;
      e[m] = 0;
      return;
    }
    sine = f / length;
    cosine = g / length;
    g = d[i + 1]! - shift;
    const r = (d[i]! - g) * sine + 2 * cosine * b;
    shift = sine * r;
    d[i + 1] = g + shift;
    g = cosine * r - b;
    const upper = i * n;
    const lower = upper + n;
    const width = rows.length === 0 ? 0 : n;
    for (let j = 0; j < width; j++) {
      const x = rows[lower + j]!;
      const y = rows[upper + j]!;
      rows[lower + j] = sine * y + cosine * x;
      rows[upper + j] = cosine * y - sine * x;
    }
  }
  d[l] = d[l]! - shift;
  e[l] = g;
  e[m] = 0;
}

// One-sided Jacobi: the singular value decomposition where small singular values must be accurate too.
import { invariant } from '#base';
import type { Steps } from './cooperative.ts';
import { householderQr } from './householder-qr.ts';

export interface Svd {
  /** Descending, min(m, n) of them. */
  readonly sigma: Float64Array;
  /** Row k [m] is the left singular vector of sigma[k]. */
  readonly left: Float64Array;
  /** Row k [n] is the right singular vector of sigma[k]. */
  readonly right: Float64Array;
}

/** Quadratic convergence sets in after a few sweeps; ten is already rare. */
const maxSweeps = 40;

/**
 * A = Σ sigma[k]·left[k]·right[k]ᵀ for a matrix A [m, n] of any rank.
 *
 * QR first, then rotations that make the rows of R orthogonal in pairs. Every singular value is accurate relative to its column
 * scaling, not only relative to the largest. Cost: some 10·n³ flops for each of about eight sweeps: for n up to a few hundred.
 *
 * @see J. Demmel and K. Veselić, "Jacobi's method is more accurate than QR", SIAM J. Matrix Anal. Appl. 1992.
 */
export function* jacobiSvd(a: Float64Array, m: number, n: number): Steps<Svd> {
  invariant(a.length === m * n, `a matrix [${m}, ${n}] has ${m * n} entries, got ${a.length}`);
  if (m < n) {
    const { sigma, left, right } = yield* jacobiSvd(transposed(a, m, n), n, m);
    return { sigma, left: right, right: left };
  }
  const { directions, r } = yield* householderQr(transposed(a, m, n), n, m);
  // Rᵀ = V·Σ·Uᵀ is what the rows of R give: rotate rows of R into orthogonal ones, gather the rotations.
  const rows = r;
  const rotations = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rotations[i * n + i] = 1;
  for (let sweep = 0; ; sweep++) {
    invariant(sweep < maxSweeps, `Jacobi did not converge for a matrix of ${m} x ${n}`);
    let rotated = false;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) if (rotatePair(rows, rotations, p * n, q * n, n)) rotated = true;
      yield;
    }
    if (!rotated) break;
  }
  return yield* assemble(rows, rotations, directions, m, n);
}

/** Makes rows p and q orthogonal; false when they already are. */
function rotatePair(rows: Float64Array, rotations: Float64Array, p: number, q: number, n: number): boolean {
  let alpha = 0;
  let beta = 0;
  let gamma = 0;
  for (let j = 0; j < n; j++) {
    const x = rows[p + j]!;
    const y = rows[q + j]!;
    alpha += x * x;
    beta += y * y;
    gamma += x * y;
  }
  if (gamma === 0 || Math.abs(gamma) <= 4 * Number.EPSILON * Math.sqrt(alpha) * Math.sqrt(beta)) return false;
  const zeta = (beta - alpha) / (2 * gamma);
  const tangent = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + Math.hypot(1, zeta));
  const cosine = 1 / Math.hypot(1, tangent);
  const sine = cosine * tangent;
  rotate(rows, p, q, n, cosine, sine);
  rotate(rotations, p, q, n, cosine, sine);
  return true;
}

function rotate(data: Float64Array, p: number, q: number, n: number, cosine: number, sine: number): void {
  for (let j = 0; j < n; j++) {
    const x = data[p + j]!;
    const y = data[q + j]!;
    data[p + j] = cosine * x - sine * y;
    data[q + j] = sine * x + cosine * y;
  }
}

/** J·R = Σ·Vᵀ row by row, so A = Q·Jᵀ·Σ·Vᵀ; directions of zero singular values are completed to an orthonormal set. */
function* assemble(rows: Float64Array, rotations: Float64Array, directions: Float64Array, m: number, n: number): Steps<Svd> {
  const norms = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let largest = 0;
    for (let j = 0; j < n; j++) largest = Math.max(largest, Math.abs(rows[i * n + j]!));
    let squares = 0;
    for (let j = 0; j < n && largest > 0; j++) squares += (rows[i * n + j]! / largest) ** 2;
    norms[i] = largest * Math.sqrt(squares);
  }
  const order = Array.from(norms.keys()).sort((first, second) => norms[second]! - norms[first]!);
  const sigma = new Float64Array(n);
  const right = new Float64Array(n * n);
  const left = new Float64Array(n * m);
  order.forEach((source, k) => {
    sigma[k] = norms[source]!;
    if (norms[source]! > 0) for (let j = 0; j < n; j++) right[k * n + j] = rows[source * n + j]! / norms[source]!;
    for (let i = 0; i < n; i++) {
      const weight = rotations[source * n + i]!;
      if (weight !== 0) for (let j = 0; j < m; j++) left[k * m + j] = left[k * m + j]! + weight * directions[i * m + j]!;
    }
  });
  yield;
  // Where sigma is at rounding level a row of `right` is noise: QR keeps the good rows (up to sign) and completes the rest.
  const limit = sigma.length === 0 ? 0 : sigma[0]! * n * Number.EPSILON;
  if (sigma.some((value) => value <= limit)) {
    const completed = yield* householderQr(right, n, n);
    for (let k = 0; k < n; k++) {
      const sign = completed.r[k * n + k]! < 0 ? -1 : 1;
      for (let j = 0; j < n; j++) right[k * n + j] = sign * completed.directions[k * n + j]!;
    }
  }
  return { sigma, left, right };
}

function transposed(a: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[j * m + i] = a[i * n + j]!;
  return result;
}

// Householder reduction of a symmetric matrix to tridiagonal form, and the way back for its eigenvectors.
import type { Steps } from './cooperative.ts';

/** A = Q·T·Qᵀ with T tridiagonal and Q a product of reflectors. */
export interface Tridiagonal {
  readonly size: number;
  /** n entries. */
  readonly diagonal: Float64Array;
  /** n entries, of which the last is unused: entry i couples i and i+1. */
  readonly offDiagonal: Float64Array;
  /** Row k holds the unit-scaled vector of reflector k in columns k+1 … n-1: H_k = I − tau_k·v·vᵀ. */
  readonly reflectors: Float64Array;
  readonly tau: Float64Array;
}

/**
 * Reduces a symmetric matrix; `a` [n, n] is overwritten (only its upper triangle is read).
 *
 * Each step applies the rank-2 update of the step before and forms the product with the new reflector in one pass
 * over the upper triangle, two rows at a time: half the memory traffic of the textbook order.
 */
export function* tridiagonalize(a: Float64Array, n: number): Steps<Tridiagonal> {
  const diagonal = new Float64Array(n);
  const offDiagonal = new Float64Array(n);
  const tau = new Float64Array(n);
  const v = new Float64Array(n);
  const w = new Float64Array(n);
  const previousV = new Float64Array(n);
  const previousW = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const row = k * n;
    if (k > 0) {
      const vk = previousV[k]!;
      const wk = previousW[k]!;
      for (let j = k; j < n; j++) a[row + j] = a[row + j]! - vk * previousW[j]! - wk * previousV[j]!;
    }
    diagonal[k] = a[row + k]!;
    if (k === n - 1) break;
    tau[k] = makeReflector(a, row, k + 1, n, offDiagonal, k);
    for (let j = k + 1; j < n; j++) {
      v[j] = a[row + j]!;
      w[j] = 0;
    }
    updateAndApply(a, n, k + 1, previousV, previousW, v, w);
    // w <- tau·p − (tau²/2)(pᵀv)·v, so that A − v·wᵀ − w·vᵀ = H·A·H
    let projection = 0;
    for (let j = k + 1; j < n; j++) projection += w[j]! * v[j]!;
    const half = 0.5 * tau[k]! * tau[k]! * projection;
    for (let j = k + 1; j < n; j++) {
      previousW[j] = tau[k]! * w[j]! - half * v[j]!;
      previousV[j] = v[j]!;
    }
    if (k % 4 === 3) yield;
  }
  return { size: n, diagonal, offDiagonal, reflectors: a, tau };
}

/**
 * Makes H = I − tau·v·vᵀ with H·x = (β, 0, …) for x = a[row + start … row + n - 1]; v (with v[0] = 1) replaces x, β goes to `beta[k]`.
 * The scaling by the largest entry keeps tiny and huge rows from under- and overflow.
 */
function makeReflector(a: Float64Array, row: number, start: number, n: number, beta: Float64Array, k: number): number {
  let largest = 0;
  for (let j = start + 1; j < n; j++) largest = Math.max(largest, Math.abs(a[row + j]!));
  const head = a[row + start]!;
  if (largest === 0) {
    beta[k] = head;
    a[row + start] = 1;
    return 0;
  }
  largest = Math.max(largest, Math.abs(head));
  let squares = 0;
  for (let j = start; j < n; j++) {
    const scaled = a[row + j]! / largest;
    squares += scaled * scaled;
  }
  const value = head > 0 ? -largest * Math.sqrt(squares) : largest * Math.sqrt(squares);
  const scale = 1 / (head - value);
  for (let j = start + 1; j < n; j++) a[row + j] = a[row + j]! * scale;
  a[row + start] = 1;
  beta[k] = value;
  return (value - head) / value;
}

/** Upper triangle from `start`: A <- A − pv·pwᵀ − pw·pvᵀ, and w <- A·v, in one pass. */
function updateAndApply(
  a: Float64Array,
  n: number,
  start: number,
  pv: Float64Array,
  pw: Float64Array,
  v: Float64Array,
  w: Float64Array,
): void {
  let i = start;
  for (; i + 1 < n; i += 2) {
    const row0 = i * n;
    const row1 = row0 + n;
    const pv0 = pv[i]!;
    const pw0 = pw[i]!;
    const pv1 = pv[i + 1]!;
    const pw1 = pw[i + 1]!;
    const v0 = v[i]!;
    const v1 = v[i + 1]!;
    const d00 = a[row0 + i]! - 2 * pv0 * pw0;
    const d01 = a[row0 + i + 1]! - pv0 * pw1 - pw0 * pv1;
    const d11 = a[row1 + i + 1]! - 2 * pv1 * pw1;
    a[row0 + i] = d00;
    a[row0 + i + 1] = d01;
    a[row1 + i + 1] = d11;
    let sum0 = d00 * v0 + d01 * v1;
    let sum1 = d01 * v0 + d11 * v1;
    for (let j = i + 2; j < n; j++) {
      const pvj = pv[j]!;
      const pwj = pw[j]!;
      const vj = v[j]!;
      const x0 = a[row0 + j]! - pv0 * pwj - pw0 * pvj;
      const x1 = a[row1 + j]! - pv1 * pwj - pw1 * pvj;
      a[row0 + j] = x0;
      a[row1 + j] = x1;
      sum0 += x0 * vj;
      sum1 += x1 * vj;
      w[j] = w[j]! + x0 * v0 + x1 * v1;
    }
    w[i] = w[i]! + sum0;
    w[i + 1] = w[i + 1]! + sum1;
  }
  if (i < n) {
    const corner = a[i * n + i]! - 2 * pv[i]! * pw[i]!;
    a[i * n + i] = corner;
    w[i] = w[i]! + corner * v[i]!;
  }
}

/**
 * Turns eigenvectors of T into those of A: every row z of `rows` [count, n] becomes Q·z, in place.
 *
 * Four rows at a time stay in the first-level cache while all reflectors pass over them.
 */
export function* applyReflectors(tridiagonal: Tridiagonal, rows: Float64Array, count: number): Steps<void> {
  const { size: n, reflectors, tau } = tridiagonal;
  for (let first = 0; first < count; first += 4) {
    if (first + 4 <= count) reflectFourRows(reflectors, tau, n, rows, first * n);
    else for (let row = first; row < count; row++) reflectOneRow(reflectors, tau, n, rows, row * n);
    yield;
  }
}

function reflectFourRows(reflectors: Float64Array, tau: Float64Array, n: number, rows: Float64Array, z0: number): void {
  const z1 = z0 + n;
  const z2 = z1 + n;
  const z3 = z2 + n;
  for (let k = n - 2; k >= 0; k--) {
    const t = tau[k]!;
    if (t === 0) continue;
    const v = k * n;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let j = k + 1; j < n; j++) {
      const vj = reflectors[v + j]!;
      s0 += vj * rows[z0 + j]!;
      s1 += vj * rows[z1 + j]!;
      s2 += vj * rows[z2 + j]!;
      s3 += vj * rows[z3 + j]!;
    }
    s0 *= t;
    s1 *= t;
    s2 *= t;
    s3 *= t;
    for (let j = k + 1; j < n; j++) {
      const vj = reflectors[v + j]!;
      rows[z0 + j] = rows[z0 + j]! - s0 * vj;
      rows[z1 + j] = rows[z1 + j]! - s1 * vj;
      rows[z2 + j] = rows[z2 + j]! - s2 * vj;
      rows[z3 + j] = rows[z3 + j]! - s3 * vj;
    }
  }
}

function reflectOneRow(reflectors: Float64Array, tau: Float64Array, n: number, rows: Float64Array, z: number): void {
  for (let k = n - 2; k >= 0; k--) {
    const v = k * n;
    let sum = 0;
    for (let j = k + 1; j < n; j++) sum += reflectors[v + j]! * rows[z + j]!;
    sum *= tau[k]!;
    for (let j = k + 1; j < n; j++) rows[z + j] = rows[z + j]! - sum * reflectors[v + j]!;
  }
}

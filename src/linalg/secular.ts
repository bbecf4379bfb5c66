// The secular equation 1 + rho·Σ z²/(d − λ) = 0: eigenvalues and eigenvectors of a diagonal matrix plus a rank-one term.
import { invariant } from '#base';
import type { Steps } from './cooperative.ts';

export interface SecularSolution {
  /** Ascending. */
  readonly values: Float64Array;
  /** Row j is the unit eigenvector of values[j]. */
  readonly vectors: Float64Array;
}

/** A root takes three to six evaluations; bisection alone would need about sixty. */
const maxEvaluations = 120;

/**
 * Eigenpairs of diag(d) + rho·z·zᵀ for ascending, distinct d, rho > 0 and z without zeros (deflation saw to that).
 *
 * Each root is kept as a distance from its nearest pole, so that the differences d − λ, from which the vectors are made, are accurate
 * to the last bits. z is then recomputed from the roots (Löwner's formula), which makes the vectors orthogonal however close the roots lie.
 */
export function* solveSecular(d: readonly number[], z: readonly number[], rho: number): Steps<SecularSolution> {
  const n = d.length;
  const poles = Float64Array.from(d);
  const squares = Float64Array.from(z, (entry) => rho * entry * entry);
  const values = new Float64Array(n);
  const differences = new Float64Array(n * n); // [root, pole]: d − λ
  for (let root = 0; root < n; root++) {
    values[root] = findRoot(poles, squares, root, differences);
    if (root % 16 === 15) yield;
  }
  const weights = recomputeWeights(poles, differences, z);
  for (let root = 0; root < n; root++) {
    const row = root * n;
    let norm = 0;
    for (let pole = 0; pole < n; pole++) {
      const entry = weights[pole]! / differences[row + pole]!;
      differences[row + pole] = entry;
      norm += entry * entry;
    }
    const scale = 1 / Math.sqrt(norm);
    for (let pole = 0; pole < n; pole++) differences[row + pole] = differences[row + pole]! * scale;
  }
  return { values, vectors: differences };
}

/** Finds root `root`, writes its row of d − λ into `differences`, and returns it. */
function findRoot(poles: Float64Array, squares: Float64Array, root: number, differences: Float64Array): number {
  const n = poles.length;
  const isLast = root === n - 1;
  let total = 0;
  for (let pole = 0; pole < n; pole++) total += squares[pole]!;
  const gap = isLast ? total : poles[root + 1]! - poles[root]!;
  // The sign of the function in the middle tells which pole is nearer; distances are measured from that one.
  let origin = root;
  let low = 0;
  let high = gap;
  if (!isLast) {
    const middle = evaluate(poles, squares, root, root, gap / 2);
    if (middle.value > 0) high = gap / 2;
    else {
      origin = root + 1;
      low = -gap / 2;
      high = 0;
    }
  }
  let x = low === 0 && !isLast ? high / 2 : isLast ? startLast(poles, squares, total) : low / 2;
  if (!(x > low && x < high)) x = (low + high) / 2;
  for (let count = 0; count < maxEvaluations; count++) {
    const f = evaluate(poles, squares, root, origin, x);
    if (Math.abs(f.value) <= 2 * Number.EPSILON * f.magnitude) break;
    if (f.value > 0) high = x;
    else low = x;
    let next = x + interpolate(poles, f, root, origin, x);
    if (!(next > low && next < high)) next = low === 0 ? high / 64 : high === 0 ? low / 64 : (low + high) / 2;
    if (next === x || next <= low || next >= high) break;
    x = next;
  }
  invariant(x !== 0, 'a root of the secular equation fell on its pole');
  const row = root * n;
  const base = poles[origin]!;
  for (let pole = 0; pole < n; pole++) differences[row + pole] = poles[pole]! - base - x;
  return base + x;
}

interface Evaluation {
  readonly value: number;
  /** Sum of the absolute terms: what rounding errors are measured by. */
  readonly magnitude: number;
  /** Derivatives of the terms up to the pole left of the root, and of those after it. */
  readonly leftSlope: number;
  readonly rightSlope: number;
}

function evaluate(poles: Float64Array, squares: Float64Array, root: number, origin: number, x: number): Evaluation {
  const n = poles.length;
  const base = poles[origin]!;
  const split = Math.min(root, n - 2);
  let left = 0;
  let leftSlope = 0;
  for (let pole = 0; pole <= split; pole++) {
    const inverse = 1 / (poles[pole]! - base - x);
    const term = squares[pole]! * inverse;
    left += term;
    leftSlope += term * inverse;
  }
  let right = 0;
  let rightSlope = 0;
  for (let pole = split + 1; pole < n; pole++) {
    const inverse = 1 / (poles[pole]! - base - x);
    const term = squares[pole]! * inverse;
    right += term;
    rightSlope += term * inverse;
  }
  return { value: 1 + left + right, magnitude: 1 + Math.abs(left) + Math.abs(right), leftSlope, rightSlope };
}

/** A first guess for the root right of all poles: the last two poles alone. */
function startLast(poles: Float64Array, squares: Float64Array, total: number): number {
  const n = poles.length;
  return n === 1 ? total : Math.max(total / 2, squares[n - 1]!);
}

/**
 * The step to the root of a rational function with the two nearest poles that matches value and slopes: the "middle way".
 *
 * @see R.-C. Li, "Solving secular equations stably and efficiently", LAPACK Working Note 89, 1994.
 */
function interpolate(poles: Float64Array, f: Evaluation, root: number, origin: number, x: number): number {
  const n = poles.length;
  const slope = f.leftSlope + f.rightSlope;
  if (n === 1) return -f.value / slope;
  const base = poles[origin]!;
  const leftPole = Math.min(root, n - 2);
  const left = poles[leftPole]! - base - x;
  const right = poles[leftPole + 1]! - base - x;
  const c = f.value - left * f.leftSlope - right * f.rightSlope;
  const a = (left + right) * f.value - left * right * slope;
  const b = left * right * f.value;
  const discriminant = Math.sqrt(Math.abs(a * a - 4 * b * c));
  const isLast = root === n - 1;
  let step: number;
  if (c === 0) step = b / a;
  else if (isLast) step = a >= 0 ? (a + discriminant) / (2 * c) : (2 * b) / (a - discriminant);
  else step = a <= 0 ? (a - discriminant) / (2 * c) : (2 * b) / (a + discriminant);
  // The function grows between its poles: a step uphill is a rounding accident.
  return f.value * step < 0 ? step : -f.value / slope;
}

function recomputeWeights(poles: Float64Array, differences: Float64Array, z: readonly number[]): Float64Array {
  const n = poles.length;
  const products = new Float64Array(n);
  for (let pole = 0; pole < n; pole++) products[pole] = -differences[pole * n + pole]!;
  for (let root = 0; root < n; root++) {
    const row = root * n;
    for (let pole = 0; pole < n; pole++)
      if (pole !== root) products[pole] = (products[pole]! * differences[row + pole]!) / (poles[pole]! - poles[root]!);
  }
  return products.map((product, pole) => (z[pole]! < 0 ? -Math.sqrt(Math.abs(product)) : Math.sqrt(Math.abs(product))));
}

// Eigenvalues and eigenvectors of a symmetric tridiagonal matrix by Cuppen's divide and conquer.
import type { Steps } from './cooperative.ts';
import { implicitQl } from './implicit-ql.ts';
import { multiplyRows, packColumns } from './multiply.ts';
import { solveSecular } from './secular.ts';

/** Below this size QL is faster than splitting. */
const leafSize = 32;

/**
 * Solves T = tridiag(offDiagonal, diagonal, offDiagonal); `diagonal` becomes the eigenvalues in ascending order.
 *
 * Returns the eigenvectors as rows [n, n]. Almost all of its work is matrix products, and equal or nearly equal eigenvalues make it faster.
 *
 * @see J. J. M. Cuppen, "A divide and conquer method for the symmetric tridiagonal eigenproblem", Numerische Mathematik 1981;
 * M. Gu and S. Eisenstat, "A divide-and-conquer algorithm for the symmetric tridiagonal eigenproblem", SIAM J. Matrix Anal. Appl. 1995, for
 * the recomputed vector that keeps the eigenvectors orthogonal.
 */
export function* tridiagonalEigen(diagonal: Float64Array, offDiagonal: Float64Array): Steps<Float64Array> {
  const n = diagonal.length;
  if (n <= leafSize) {
    const rows = implicitQl(diagonal, offDiagonal);
    sortAscending(diagonal, rows, n);
    yield;
    return rows;
  }
  const half = n >> 1;
  const coupling = offDiagonal[half - 1]!;
  const rho = Math.abs(coupling);
  const upper = diagonal.slice(0, half);
  const lower = diagonal.slice(half);
  upper[half - 1] = upper[half - 1]! - rho;
  lower[0] = lower[0]! - rho;
  const upperRows: Float64Array = yield* tridiagonalEigen(upper, offDiagonal.slice(0, half));
  const lowerRows: Float64Array = yield* tridiagonalEigen(lower, offDiagonal.slice(half));
  return yield* merge(diagonal, upper, upperRows, lower, lowerRows, rho, coupling < 0 ? -1 : 1);
}

/** T = diag(T1, T2) + rho·u·uᵀ: rotates the two solved halves into the eigenvectors of the whole. */
function* merge(
  values: Float64Array,
  upper: Float64Array,
  upperRows: Float64Array,
  lower: Float64Array,
  lowerRows: Float64Array,
  rho: number,
  sign: number,
): Steps<Float64Array> {
  const half = upper.length;
  const rest = lower.length;
  const n = half + rest;
  const basis = new Float64Array(n * n);
  const d = new Float64Array(n);
  const z = new Float64Array(n);
  // The two ascending halves are merged into one ascending order.
  let left = 0;
  let right = 0;
  for (let row = 0; row < n; row++) {
    if (right >= rest || (left < half && upper[left]! <= lower[right]!)) {
      basis.set(upperRows.subarray(left * half, (left + 1) * half), row * n);
      z[row] = upperRows[left * half + half - 1]!;
      d[row] = upper[left++]!;
    } else {
      basis.set(lowerRows.subarray(right * rest, (right + 1) * rest), row * n + half);
      z[row] = sign * lowerRows[right * rest]!;
      d[row] = lower[right++]!;
    }
  }
  // u has norm √2; the secular equation wants a unit vector.
  for (let row = 0; row < n; row++) z[row] = z[row]! * Math.SQRT1_2;
  const weight = 2 * rho;
  const { kept, dropped } = deflate(d, z, weight, basis, n);
  yield;
  const solved = yield* solveSecular(
    kept.map((row) => d[row]!),
    kept.map((row) => z[row]!),
    weight,
  );
  const rotated = yield* rotate(basis, kept, solved.vectors, half, n);
  const result = new Float64Array(n * n);
  // Both lists are ascending: merge them once more.
  let keptIndex = 0;
  let droppedIndex = 0;
  for (let row = 0; row < n; row++) {
    const next = dropped[droppedIndex];
    if (next === undefined || (keptIndex < kept.length && solved.values[keptIndex]! <= d[next]!)) {
      result.set(rotated.subarray(keptIndex * n, (keptIndex + 1) * n), row * n);
      values[row] = solved.values[keptIndex++]!;
    } else {
      result.set(basis.subarray(next * n, (next + 1) * n), row * n);
      values[row] = d[next]!;
      droppedIndex++;
    }
  }
  return result;
}

/**
 * Sets aside the eigenpairs of the halves that already belong to the whole: those with no weight in z, and one of each
 * pair of nearly equal values, after a rotation that moves all their weight to the other.
 */
function deflate(d: Float64Array, z: Float64Array, weight: number, basis: Float64Array, n: number): { kept: number[]; dropped: number[] } {
  let scale = 0;
  for (let row = 0; row < n; row++) scale = Math.max(scale, Math.abs(d[row]!), Math.abs(z[row]!));
  const tolerance = 8 * Number.EPSILON * scale;
  const kept: number[] = [];
  const dropped: number[] = [];
  let pending = -1;
  for (let row = 0; row < n; row++) {
    if (weight * Math.abs(z[row]!) <= tolerance) {
      dropped.push(row);
      continue;
    }
    if (pending >= 0) {
      const length = Math.hypot(z[row]!, z[pending]!);
      const cosine = z[row]! / length;
      const sine = -z[pending]! / length;
      const gap = d[row]! - d[pending]!;
      if (Math.abs(gap * cosine * sine) <= tolerance) {
        z[row] = length;
        z[pending] = 0;
        rotateRows(basis, pending * n, row * n, n, cosine, sine);
        const low = d[pending]!;
        const high = d[row]!;
        d[pending] = low * cosine * cosine + high * sine * sine;
        d[row] = low * sine * sine + high * cosine * cosine;
        dropped.push(pending);
      } else kept.push(pending);
    }
    pending = row;
  }
  if (pending >= 0) kept.push(pending);
  dropped.sort((first, second) => d[first]! - d[second]!);
  return { kept, dropped };
}

function rotateRows(rows: Float64Array, first: number, second: number, n: number, cosine: number, sine: number): void {
  for (let j = 0; j < n; j++) {
    const x = rows[first + j]!;
    const y = rows[second + j]!;
    rows[first + j] = cosine * x + sine * y;
    rows[second + j] = cosine * y - sine * x;
  }
}

/** Rows S·B of the kept basis rows; each half of the columns only meets the basis rows that are not zero there. */
function* rotate(basis: Float64Array, kept: readonly number[], vectors: Float64Array, half: number, n: number): Steps<Float64Array> {
  const count = kept.length;
  const result = new Float64Array(count * n);
  for (const [start, end] of [
    [0, half],
    [half, n],
  ] as const) {
    const width = end - start;
    const members: number[] = [];
    for (let index = 0; index < count; index++) if (touches(basis, kept[index]! * n, start, end)) members.push(index);
    const part = new Float64Array(members.length * width);
    const coefficients = new Float64Array(count * members.length);
    members.forEach((member, position) => {
      const row = kept[member]! * n;
      part.set(basis.subarray(row + start, row + end), position * width);
      for (let index = 0; index < count; index++) coefficients[index * members.length + position] = vectors[index * count + member]!;
    });
    const packed = packColumns(part, members.length, width);
    const product = new Float64Array(count * width);
    for (let row = 0; row < count; row += 4) {
      multiplyRows(coefficients, packed, product, row, count, members.length, width);
      if (row % 16 === 12) yield;
    }
    for (let row = 0; row < count; row++) result.set(product.subarray(row * width, (row + 1) * width), row * n + start);
  }
  return result;
}

function touches(basis: Float64Array, row: number, start: number, end: number): boolean {
  for (let j = start; j < end; j++) if (basis[row + j] !== 0) return true;
  return false;
}

function sortAscending(values: Float64Array, rows: Float64Array, n: number): void {
  const order = Array.from(values.keys()).sort((first, second) => values[first]! - values[second]!);
  const oldValues = values.slice();
  const oldRows = rows.slice();
  order.forEach((source, target) => {
    values[target] = oldValues[source]!;
    rows.set(oldRows.subarray(source * n, (source + 1) * n), target * n);
  });
}

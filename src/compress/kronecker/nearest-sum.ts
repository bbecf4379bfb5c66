// The nearest sum of Kronecker products to a matrix whose rows and columns stand in given orders.
import { at, invariant } from '#base';
import { type Steps, symmetricEigen } from '#linalg';

/** Sizes of a sum Σ_r A_r ⊗ B_r with A [terms, m1, n1] and B [terms, m2, n2]. */
export interface SumShape {
  readonly terms: number;
  readonly m1: number;
  readonly n1: number;
  readonly m2: number;
  readonly n2: number;
}

/** A matrix as the sum sees it: element (k, l) is W[rows[k], columns[l]]. */
export interface OrderedMatrix {
  /** W [m, n], row-major. */
  readonly data: Float32Array;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
}

export interface KroneckerFit {
  readonly shape: SumShape;
  /** A [terms, m1, n1] */
  readonly outer: Float64Array;
  /** B [terms, m2, n2] */
  readonly inner: Float64Array;
  /** ‖W − Σ A_r ⊗ B_r‖², by the discarded eigenvalues. */
  readonly lost: number;
  /** ‖W‖² */
  readonly total: number;
}

export function plainOrder(size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, index) => index);
}

/** inverse[order[k]] = k */
export function invertOrder(order: Int32Array): Int32Array {
  const inverse = new Int32Array(order.length);
  for (let index = 0; index < order.length; index++) inverse[at(order, index)] = index;
  return inverse;
}

/**
 * The best `terms` terms, exactly: with X[(i1, j1), (i2, j2)] = W[(i1, i2), (j1, j2)] the sum is a matrix of rank R nearest to X.
 *
 * X has few columns, so its right singular vectors come from XᵀX, of order m2·n2; then A_r = X·v_r. The scale is split evenly.
 *
 * Cost: m·n·(m2·n2/2 + R) multiplications on the host.
 *
 * @see C. Van Loan, N. Pitsianis, "Approximation with Kronecker products", 1993
 */
export function* nearestKroneckerSum(matrix: OrderedMatrix, shape: SumShape): Steps<KroneckerFit> {
  const { terms, m1, n1, m2, n2 } = shape;
  const size = m2 * n2;
  invariant(matrix.rows.length === m1 * m2 && matrix.columns.length === n1 * n2, 'the orders have the sizes of the sum');
  const gram = new Float64Array(size * size);
  const block = new Float64Array(size);
  for (let i1 = 0; i1 < m1; i1++) {
    for (let j1 = 0; j1 < n1; j1++) {
      readBlock(matrix, shape, i1, j1, block);
      addOuterSquare(gram, block);
    }
    yield;
  }
  const { values, vectors } = yield* symmetricEigen(gram, size);
  const outer = new Float64Array(terms * m1 * n1);
  for (let i1 = 0; i1 < m1; i1++) {
    for (let j1 = 0; j1 < n1; j1++) {
      readBlock(matrix, shape, i1, j1, block);
      for (let term = 0; term < terms; term++) outer[(term * m1 + i1) * n1 + j1] = dot(vectors, term * size, block);
    }
    yield;
  }
  const inner = vectors.slice(0, terms * size);
  for (let term = 0; term < terms; term++) {
    const root = Math.max(at(values, term), 0) ** 0.25;
    if (root === 0) continue;
    scale(inner, term * size, size, root);
    scale(outer, term * m1 * n1, m1 * n1, 1 / root);
  }
  let lost = 0;
  let total = 0;
  for (const [index, value] of values.entries()) {
    total += Math.max(value, 0);
    if (index >= terms) lost += Math.max(value, 0);
  }
  return { shape, outer, inner, lost, total };
}

/** The sum as a matrix [m, n] in the order of W itself: element (rows[k], columns[l]) is that of the sum at (k, l), times `factor`. */
export function* sumInPlace({ shape, outer, inner }: KroneckerFit, rows: Int32Array, columns: Int32Array, factor = 1): Steps<Float32Array> {
  const { terms, m1, n1, m2, n2 } = shape;
  const n = n1 * n2;
  const result = new Float32Array(m1 * m2 * n);
  const sums = new Float64Array(n);
  for (let k = 0; k < m1 * m2; k++) {
    const i1 = Math.floor(k / m2);
    sums.fill(0);
    for (let term = 0; term < terms; term++) {
      const outerStart = (term * m1 + i1) * n1;
      const innerStart = (term * m2 + (k % m2)) * n2;
      for (let j2 = 0; j2 < n2; j2++) {
        const right = factor * at(inner, innerStart + j2);
        for (let j1 = 0, l = j2; j1 < n1; j1++, l += n2) sums[l] = (sums[l] ?? 0) + (outer[outerStart + j1] ?? 0) * right;
      }
    }
    const start = at(rows, k) * n;
    for (let l = 0; l < n; l++) result[start + (columns[l] ?? 0)] = sums[l] ?? 0;
    yield;
  }
  return result;
}

/** The m2·n2 elements that one element of A multiplies. */
function readBlock({ data, rows, columns }: OrderedMatrix, { n1, m2, n2 }: SumShape, i1: number, j1: number, block: Float64Array): void {
  const n = n1 * n2;
  for (let i2 = 0; i2 < m2; i2++) {
    const start = (rows[i1 * m2 + i2] ?? 0) * n;
    for (let j2 = 0; j2 < n2; j2++) block[i2 * n2 + j2] = data[start + (columns[j1 * n2 + j2] ?? 0)] ?? 0;
  }
}

/** Adds b·bᵀ to the upper triangle. */
function addOuterSquare(gram: Float64Array, block: Float64Array): void {
  const size = block.length;
  for (let i = 0; i < size; i++) {
    const left = block[i] ?? 0;
    for (let j = i; j < size; j++) gram[i * size + j] = (gram[i * size + j] ?? 0) + left * (block[j] ?? 0);
  }
}

function dot(vectors: Float64Array, start: number, block: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < block.length; index++) sum += (vectors[start + index] ?? 0) * (block[index] ?? 0);
  return sum;
}

function scale(values: Float64Array, start: number, count: number, by: number): void {
  for (let index = start; index < start + count; index++) values[index] = (values[index] ?? 0) * by;
}

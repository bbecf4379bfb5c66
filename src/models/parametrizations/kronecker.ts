// Kronecker: W is a sum of Kronecker products whose rows and columns may stand in another order.
import { AppError, at } from '#base';
import type { Emitter, Value } from '#graph';
import { float32, int64, printShape, toNumbers } from '#tensor';
import type { ParameterSettings, ParameterSpec } from '../model.ts';
import type { Parametrization, SlotSpec, WeightInGraph } from '../parametrization.ts';
import { denseSum, type KroneckerShape, type KroneckerSum, multiplicationsPerRow, multiplyBySum } from './kronecker-products.ts';

/**
 * The settings of a Kronecker parameter: R, the sizes m2 and n2 of the small factor B, and which orders are stored.
 *
 * @throws AppError `config_mismatch` | `does_not_factor` | `rank_out_of_range`
 */
function checkedShape(spec: ParameterSpec, settings: ParameterSettings): KroneckerShape {
  const integer = (name: string): number => {
    const value = settings[name];
    if (typeof value === 'number' && Number.isInteger(value)) return value;
    throw new AppError('config_mismatch', `${spec.path}: kronecker needs an integer setting "${name}", got ${JSON.stringify(value)}.`);
  };
  const [terms, m2, n2] = [integer('terms'), integer('innerRows'), integer('innerColumns')];
  const [m, n] = [at(spec.shape, 0), at(spec.shape, 1)];
  if (m2 < 1 || n2 < 1 || m % m2 !== 0 || n % n2 !== 0)
    throw new AppError('does_not_factor', `${spec.path}: inner factors [${m2}, ${n2}] do not divide a matrix ${printShape(spec.shape)}.`);
  const limit = Math.min((m * n) / (m2 * n2), m2 * n2);
  if (terms < 1 || terms > limit)
    throw new AppError(
      'rank_out_of_range',
      `${spec.path}: ${terms} Kronecker terms with inner factors [${m2}, ${n2}] are outside 1..${limit}.`,
    );
  return { terms, m1: m / m2, n1: n / n2, m2, n2 };
}

function isSet(spec: ParameterSpec, settings: ParameterSettings, name: string): boolean {
  const value = settings[name] ?? false;
  if (typeof value === 'boolean') return value;
  throw new AppError(
    'config_mismatch',
    `${spec.path}: the kronecker setting "${name}" must be true or false, got ${JSON.stringify(value)}.`,
  );
}

const factors = ({ slot }: WeightInGraph): KroneckerSum => ({ outer: slot('outer'), inner: slot('inner') });

/** A stored order as int64 [D], or undefined where it is the plain one. */
function storedOrder({ b, spec, settings, slot }: WeightInGraph, side: 'row' | 'column'): Value | undefined {
  const isPermuted = isSet(spec, settings, side === 'row' ? 'permutedRows' : 'permutedColumns');
  return isPermuted ? b.cast(slot(`${side}Order`), 'int64') : undefined;
}

/** inverse[order[k]] = k; exact below 2^24. */
function inverseOrder(b: Emitter, order: Value): Value {
  const size = at(order.shape, 0);
  if (typeof size !== 'number') throw new AppError('shape_mismatch', `an order of unknown length ${size} has no inverse.`);
  return b.cast(b.scatterAdd(order, b.cast(b.range(size), 'float32'), size), 'int64');
}

const reordered = (b: Emitter, x: Value, order: Value | undefined): Value => (order === undefined ? x : b.permuteLast(x, order));
const reorderedBack = (b: Emitter, x: Value, order: Value | undefined): Value =>
  order === undefined ? x : b.permuteLast(x, inverseOrder(b, order));

/**
 * W[rowOrder[k], j] = K[k, columnOrder[j]] with K = Σ_r A_r ⊗ B_r; A is `outer` [R, m1, n1] and B is `inner` [R, m2, n2].
 *
 * Both orders are stored in the direction in which a linear layer gathers: x in the order of K's rows before the product, y in that of W's columns after
 * it. Only embeddings ever need an inverse.
 */
export const kronecker: Parametrization = {
  roles: ['linear', 'embedding'],

  slots(spec, settings) {
    const { terms, m1, n1, m2, n2 } = checkedShape(spec, settings);
    const order = (size: number): SlotSpec => ({ shape: [size], dtype: 'int32', trains: false });
    return {
      outer: { shape: [terms, m1, n1], dtype: 'float', trains: true },
      inner: { shape: [terms, m2, n2], dtype: 'float', trains: true },
      ...(isSet(spec, settings, 'permutedRows') ? { rowOrder: order(m1 * m2) } : {}),
      ...(isSet(spec, settings, 'permutedColumns') ? { columnOrder: order(n1 * n2) } : {}),
    };
  },

  isSlowerThanDense(spec, settings) {
    const { outerFirst, innerFirst, dense } = multiplicationsPerRow(checkedShape(spec, settings));
    return Math.min(outerFirst, innerFirst) >= dense;
  },

  linear(weight, x) {
    const { b } = weight;
    const y = multiplyBySum(b, reordered(b, x, storedOrder(weight, 'row')), factors(weight), false);
    return reordered(b, y, storedOrder(weight, 'column'));
  },

  lookup(weight, ids) {
    const { b } = weight;
    const rowOrder = storedOrder(weight, 'row');
    const rows = rowOrder === undefined ? ids : b.gather(inverseOrder(b, rowOrder), ids);
    return reordered(b, lookupRows(b, factors(weight), checkedShape(weight.spec, weight.settings), rows), storedOrder(weight, 'column'));
  },

  transposed(weight, x) {
    const { b } = weight;
    const y = multiplyBySum(b, reorderedBack(b, x, storedOrder(weight, 'column')), factors(weight), true);
    return reorderedBack(b, y, storedOrder(weight, 'row'));
  },

  dense(weight) {
    const { b } = weight;
    const rowOrder = storedOrder(weight, 'row');
    const sum = denseSum(b, factors(weight));
    const rows = rowOrder === undefined ? sum : b.gather(sum, inverseOrder(b, rowOrder));
    return reordered(b, rows, storedOrder(weight, 'column'));
  },

  materialize({ spec, settings, slot }) {
    const shape = checkedShape(spec, settings);
    const plainOrder = (size: number): Int32Array => Int32Array.from({ length: size }, (_, index) => index);
    const rowOrder = isSet(spec, settings, 'permutedRows') ? toNumbers(slot('rowOrder')) : plainOrder(shape.m1 * shape.m2);
    const columnOrder = isSet(spec, settings, 'permutedColumns') ? toNumbers(slot('columnOrder')) : plainOrder(shape.n1 * shape.n2);
    return float32(spec.shape, sumOnHost(toNumbers(slot('outer')), toNumbers(slot('inner')), shape, rowOrder, columnOrder));
  },
};

/** Rows of the sum: int64 [...] -> [..., n]. Only the rows that are asked for are read. */
function lookupRows(b: Emitter, { outer, inner }: KroneckerSum, { terms: R, m1, n1, m2, n2 }: KroneckerShape, ids: Value): Value {
  const isWhole = m2 === 1;
  const table = (of: (row: number) => number): Value =>
    b.constant(
      int64(
        [m1 * m2],
        Array.from({ length: m1 * m2 }, (_, row) => of(row)),
      ),
    );
  const outerRows = isWhole
    ? ids
    : b.gather(
        table((row) => Math.floor(row / m2)),
        ids,
      );
  const starts = b.constant(
    int64(
      [R],
      Array.from({ length: R }, (_, term) => term * m1),
    ),
  );
  const termRows = b.add(b.reshape(outerRows, [...ids.shape, 1]), starts); // [..., R]
  const left = b.gather(b.reshape(outer, [R * m1, n1]), termRows); // [..., R, n1]
  const right = isWhole
    ? b.reshape(inner, [R, n2])
    : b.gather(
        b.transpose(inner, [1, 0, 2]),
        b.gather(
          table((row) => row % m2),
          ids,
        ),
      ); // [..., R, n2]
  return b.reshape(b.matmul(left, right, { transposeA: true }), [...ids.shape, n1 * n2]);
}

/** W [m, n], each element summed in float64. */
function sumOnHost(
  outer: ArrayLike<number>,
  inner: ArrayLike<number>,
  { terms, m1, n1, m2, n2 }: KroneckerShape,
  rowOrder: ArrayLike<number>,
  columnOrder: ArrayLike<number>,
): Float32Array {
  const n = n1 * n2;
  const result = new Float32Array(m1 * m2 * n);
  const sums = new Float64Array(n);
  for (let row = 0; row < m1 * m2; row++) {
    sums.fill(0);
    const i1 = Math.floor(row / m2);
    for (let term = 0; term < terms; term++) {
      const outerStart = (term * m1 + i1) * n1;
      const innerStart = (term * m2 + (row % m2)) * n2;
      for (let j1 = 0; j1 < n1; j1++) {
        const left = outer[outerStart + j1] ?? 0;
        for (let j2 = 0; j2 < n2; j2++) sums[j1 * n2 + j2] = (sums[j1 * n2 + j2] ?? 0) + left * (inner[innerStart + j2] ?? 0);
      }
    }
    const start = (rowOrder[row] ?? row) * n;
    for (let column = 0; column < n; column++) result[start + column] = sums[columnOrder[column] ?? column] ?? 0;
  }
  return result;
}

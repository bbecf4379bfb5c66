// Products with a sum of Kronecker products that never make its dense matrix, and the choice of the cheapest way.
import { at, invariant } from '#base';
import type { Emitter, Value } from '#graph';
import { type Dim, multiplyDims } from '#tensor';

/** Σ_r A_r ⊗ B_r: element (i1·m2 + i2, j1·n2 + j2) is Σ_r A_r[i1, j1]·B_r[i2, j2]. */
export interface KroneckerSum {
  /** A [R, m1, n1] */
  readonly outer: Value;
  /** B [R, m2, n2] */
  readonly inner: Value;
}

export interface KroneckerShape {
  /** R */
  readonly terms: number;
  readonly m1: number;
  readonly n1: number;
  readonly m2: number;
  readonly n2: number;
}

export type ContractionOrder = 'outerFirst' | 'innerFirst' | 'dense';

/** Multiplications for one row of x: both orders of the factors, and the dense matrix once it is there. */
export function multiplicationsPerRow({ terms, m1, n1, m2, n2 }: KroneckerShape): Readonly<Record<ContractionOrder, number>> {
  return {
    outerFirst: terms * n1 * m2 * (m1 + n2),
    innerFirst: terms * m1 * n2 * (m2 + n1),
    dense: m1 * m2 * n1 * n2,
  };
}

/** Rows of a batch whose size is not known when the graph is built: few, as when tokens are generated. */
const rowsWhenUnknown = 16;

/** The cheapest way to multiply `rows` rows; making the dense matrix is R·m·n multiplications more. */
export function cheapestOrder(shape: KroneckerShape, rows: Dim): ContractionOrder {
  const perRow = multiplicationsPerRow(shape);
  const numRows = typeof rows === 'number' ? rows : rowsWhenUnknown;
  const factored = perRow.outerFirst <= perRow.innerFirst ? 'outerFirst' : 'innerFirst';
  return numRows * perRow[factored] <= (numRows + shape.terms) * perRow.dense ? factored : 'dense';
}

/** The shape of the transposed sum, Σ_r A_rᵀ ⊗ B_rᵀ. */
function transposedShape({ terms, m1, n1, m2, n2 }: KroneckerShape): KroneckerShape {
  return { terms, m1: n1, n1: m1, m2: n2, n2: m2 };
}

function kroneckerShape({ outer, inner }: KroneckerSum): KroneckerShape {
  const size = (value: Value, axis: number): number => {
    const dim = at(value.shape, axis);
    invariant(typeof dim === 'number', 'Kronecker factors have fixed sizes');
    return dim;
  };
  return { terms: size(outer, 0), m1: size(outer, 1), n1: size(outer, 2), m2: size(inner, 1), n2: size(inner, 2) };
}

/** The dense matrix [m1·m2, n1·n2]. */
export function denseSum(b: Emitter, sum: KroneckerSum): Value {
  const { terms, m1, n1, m2, n2 } = kroneckerShape(sum);
  const outer = b.reshape(sum.outer, [terms, m1 * n1]);
  const inner = b.reshape(sum.inner, [terms, m2 * n2]);
  const blocks = b.reshape(b.matmul(outer, inner, { transposeA: true }), [m1, n1, m2, n2]);
  return b.reshape(b.transpose(blocks, [0, 2, 1, 3]), [m1 * m2, n1 * n2]);
}

/** x [..., m] -> x·K [..., n], or x [..., n] -> x·Kᵀ [..., m]; in the cheapest order unless one is given. */
export function multiplyBySum(b: Emitter, x: Value, sum: KroneckerSum, isTransposed: boolean, order?: ContractionOrder): Value {
  const leading = x.shape.slice(0, -1);
  const rows = leading.reduce<Dim>((product, dim) => multiplyDims(product, dim), 1);
  const own = kroneckerShape(sum);
  const shape = isTransposed ? transposedShape(own) : own;
  const flat = b.reshape(x, [rows, shape.m1 * shape.m2]);
  const chosen = order ?? cheapestOrder(shape, rows);
  const y = multiplyRows[chosen](b, flat, sum, isTransposed, shape);
  return b.reshape(y, [...leading, shape.n1 * shape.n2]);
}

/** x [N, m] -> [N, n]; `shape` is already that of the transposed sum where it is transposed. */
type MultiplyRows = (b: Emitter, x: Value, sum: KroneckerSum, isTransposed: boolean, shape: KroneckerShape) => Value;

const multiplyRows: Readonly<Record<ContractionOrder, MultiplyRows>> = {
  outerFirst(b, x, { outer, inner }, isTransposed, { terms: R, m1, n1, m2, n2 }) {
    const N = at(x.shape, 0);
    const split = b.transpose(b.reshape(x, [N, m1, m2]), [0, 2, 1]); // [N, m2, m1]
    const mixed = b.matmul(b.reshape(split, [1, multiplyDims(N, m2), m1]), outer, { transposeB: isTransposed }); // [R, N*m2, n1]
    const turned = b.transpose(b.reshape(mixed, [R, N, m2, n1]), [1, 3, 0, 2]); // [N, n1, R, m2]
    const small = isTransposed ? b.transpose(inner, [0, 2, 1]) : inner; // [R, m2, n2]
    const y = b.matmul(b.reshape(turned, [multiplyDims(N, n1), R * m2]), b.reshape(small, [R * m2, n2])); // [N*n1, n2]
    return b.reshape(y, [N, n1 * n2]);
  },

  innerFirst(b, x, { outer, inner }, isTransposed, { terms: R, m1, n1, m2, n2 }) {
    const N = at(x.shape, 0);
    const small = b.transpose(inner, isTransposed ? [2, 0, 1] : [1, 0, 2]); // [m2, R, n2]
    const mixed = b.matmul(b.reshape(x, [multiplyDims(N, m1), m2]), b.reshape(small, [m2, R * n2])); // [N*m1, R*n2]
    const parts = b.reshape(mixed, [N, m1, R, n2]);
    const rows = multiplyDims(N, n2);
    if (!isTransposed) {
      const turned = b.transpose(parts, [0, 3, 2, 1]); // [N, n2, R, m1]
      const y = b.matmul(b.reshape(turned, [rows, R * m1]), b.reshape(outer, [R * m1, n1])); // [N*n2, n1]
      return b.reshape(b.transpose(b.reshape(y, [N, n2, n1]), [0, 2, 1]), [N, n1 * n2]);
    }
    // A_rᵀ side by side would need the large factor turned round in every run; a sum over the terms does not.
    const turned = b.transpose(parts, [2, 0, 3, 1]); // [R, N, n2, m1]
    const y = b.reduceSum(b.matmul(b.reshape(turned, [R, rows, m1]), outer, { transposeB: true }), [0]); // [N*n2, n1]
    return b.reshape(b.transpose(b.reshape(y, [N, n2, n1]), [0, 2, 1]), [N, n1 * n2]);
  },

  dense: (b, x, sum, isTransposed) => b.matmul(x, denseSum(b, sum), { transposeB: isTransposed }),
};

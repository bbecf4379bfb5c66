// Dense matrix products on the host, packed into panels so that the inner loop reads memory in order.

const panelRows = 4;
const panelColumns = 3;

/**
 * C = A·B on row-major arrays.
 *
 * Meant for what stays on the host anyway; large products belong on an engine.
 *
 * Shapes: a [m, k], b [k, n] -> [m, n].
 */
export function multiply(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const c = new Float64Array(m * n);
  const packed = packColumns(b, k, n);
  for (let row = 0; row < m; row += panelRows) multiplyRows(a, packed, c, row, m, k, n);
  return c;
}

/** Splits B [k, n] into panels of three columns, each stored row after row; the last panel is filled up with zeros. */
export function packColumns(b: Float64Array, k: number, n: number): Float64Array {
  const panels = Math.ceil(n / panelColumns);
  const packed = new Float64Array(panels * panelColumns * k);
  for (let inner = 0; inner < k; inner++) {
    const source = inner * n;
    for (let column = 0; column < n; column++) {
      const panel = (column / panelColumns) | 0;
      packed[(panel * k + inner) * panelColumns + (column - panel * panelColumns)] = b[source + column]!;
    }
  }
  return packed;
}

/** Rows `row` … `row + 3` of C = A·B, with B packed by `packColumns`. */
export function multiplyRows(a: Float64Array, packed: Float64Array, c: Float64Array, row: number, m: number, k: number, n: number): void {
  if (row + panelRows > m) {
    for (let rest = row; rest < m; rest++) multiplyOneRow(a, packed, c, rest, k, n);
    return;
  }
  const a0 = row * k;
  const a1 = a0 + k;
  const a2 = a1 + k;
  const a3 = a2 + k;
  for (let column = 0; column < n; column += panelColumns) {
    let c00 = 0;
    let c01 = 0;
    let c02 = 0;
    let c10 = 0;
    let c11 = 0;
    let c12 = 0;
    let c20 = 0;
    let c21 = 0;
    let c22 = 0;
    let c30 = 0;
    let c31 = 0;
    let c32 = 0;
    let at = column * k;
    for (let inner = 0; inner < k; inner++) {
      const b0 = packed[at]!;
      const b1 = packed[at + 1]!;
      const b2 = packed[at + 2]!;
      at += panelColumns;
      const x0 = a[a0 + inner]!;
      c00 += x0 * b0;
      c01 += x0 * b1;
      c02 += x0 * b2;
      const x1 = a[a1 + inner]!;
      c10 += x1 * b0;
      c11 += x1 * b1;
      c12 += x1 * b2;
      const x2 = a[a2 + inner]!;
      c20 += x2 * b0;
      c21 += x2 * b1;
      c22 += x2 * b2;
      const x3 = a[a3 + inner]!;
      c30 += x3 * b0;
      c31 += x3 * b1;
      c32 += x3 * b2;
    }
    storeThree(c, row * n + column, n - column, c00, c01, c02);
    storeThree(c, (row + 1) * n + column, n - column, c10, c11, c12);
    storeThree(c, (row + 2) * n + column, n - column, c20, c21, c22);
    storeThree(c, (row + 3) * n + column, n - column, c30, c31, c32);
  }
}

function multiplyOneRow(a: Float64Array, packed: Float64Array, c: Float64Array, row: number, k: number, n: number): void {
  for (let column = 0; column < n; column += panelColumns) {
    let sum0 = 0;
    let sum1 = 0;
    let sum2 = 0;
    let at = column * k;
    for (let inner = 0; inner < k; inner++) {
      const x = a[row * k + inner]!;
      sum0 += x * packed[at]!;
      sum1 += x * packed[at + 1]!;
      sum2 += x * packed[at + 2]!;
      at += panelColumns;
    }
    storeThree(c, row * n + column, n - column, sum0, sum1, sum2);
  }
}

function storeThree(c: Float64Array, at: number, room: number, first: number, second: number, third: number): void {
  c[at] = first;
  if (room > 1) c[at + 1] = second;
  if (room > 2) c[at + 2] = third;
}

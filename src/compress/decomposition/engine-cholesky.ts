// Cholesky factorization of large matrices: panels on the host, everything else by products on the engine.
import { invariant } from '#base';
import { cholesky, runCooperatively, type Steps } from '#linalg';
import { hostTensor } from '#tensor';
import type { EngineMatrices } from './engine-matrices.ts';

const panelColumns = 128;
/** Rows of a panel that are solved between two pauses. */
const rowsBetweenPauses = 128;

/**
 * A = L·Lᵀ for a symmetric positive definite matrix of which only the lower triangle is read: L [n, n] with zeros above its diagonal, or null
 * where A is not positive definite within rounding.
 *
 * Left-looking: each panel of 128 columns gets what the columns before it subtract as one product, then its own triangle on the host. Cost:
 * n³/6 multiplications on the engine and 64·n² on the host.
 */
export async function engineCholesky(matrices: EngineMatrices, a: Float64Array, n: number): Promise<Float64Array | null> {
  invariant(a.length === n * n, `a matrix of order ${n} has ${n * n} entries, got ${a.length}`);
  if (n <= 2 * panelColumns) return await runCooperatively(cholesky(a, n), matrices.signal);
  const factor = new Float64Array(n * n);
  for (let start = 0; start < n; start += panelColumns) {
    const width = Math.min(panelColumns, n - start);
    const panel = block(a, n, start, n, start, start + width); // [n − start, width]
    if (start > 0) {
      const x = hostTensor('float64', [n - start, start], block(factor, n, start, n, 0, start));
      const y = hostTensor('float64', [width, start], block(factor, n, start, start + width, 0, start));
      const done = await matrices.runToHost('productByTransposed', { x, y });
      for (let index = 0; index < panel.length; index++) panel[index] = (panel[index] ?? 0) - (done[index] ?? 0);
    }
    const diagonal = Float64Array.from({ length: width }, (_, index) => a[(start + index) * n + start + index] ?? 0);
    const triangle = await runCooperatively(cholesky(panel.subarray(0, width * width), width, diagonal, n), matrices.signal);
    if (triangle === null) return null;
    panel.set(triangle);
    await runCooperatively(solveRows(panel, triangle, width), matrices.signal);
    for (let row = start; row < n; row++) factor.set(panel.subarray((row - start) * width, (row - start + 1) * width), row * n + start);
  }
  return factor;
}

/** Rows and columns [from, to) of a matrix with `n` columns, copied. */
function block(source: Float64Array, n: number, rowFrom: number, rowTo: number, columnFrom: number, columnTo: number): Float64Array {
  const width = columnTo - columnFrom;
  const result = new Float64Array((rowTo - rowFrom) * width);
  for (let row = rowFrom; row < rowTo; row++)
    result.set(source.subarray(row * n + columnFrom, row * n + columnTo), (row - rowFrom) * width);
  return result;
}

/** X·Lᵀ = B in place for the rows of a panel below its triangle L [width, width]. */
function* solveRows(panel: Float64Array, triangle: Float64Array, width: number): Steps<void> {
  const rows = panel.length / width;
  for (let row = width; row < rows; row++) {
    const own = row * width;
    for (let column = 0; column < width; column++) {
      const other = column * width;
      let sum = panel[own + column] ?? 0;
      for (let inner = 0; inner < column; inner++) sum -= (panel[own + inner] ?? 0) * (triangle[other + inner] ?? 0);
      panel[own + column] = sum / (triangle[other + column] ?? 1);
    }
    if (row % rowsBetweenPauses === rowsBetweenPauses - 1) yield;
  }
}

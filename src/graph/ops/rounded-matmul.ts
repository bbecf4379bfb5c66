// Products whose operands are rounded to 8 bits on the way in, which int8 training multiplies: of activations or gradients and a weight, and of both of them for the weight's gradient.
import { AppError } from '#base';
import { printShape } from '#tensor';
import { defineOp } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { PlainTensor, RoundedGradientAttrs, RoundedMatmulAttrs, TensorType } from '../types.ts';
import { given, normal, requireFloat, requireRank, requireSame } from './checks.ts';
import { gridOf, roundToEven, steps } from './int8.ts';

/** Codes of symmetric grids are -127 … 127. */
const mostSteps = 127;
/** Rows and columns without anything larger count as zeros: the quotient by their scale would not be a number. */
const smallestStep = 2 ** -120;

/** Numbers as codes times scales; one scale a row. */
interface RoundedRows {
  /** [rows, K] */
  readonly codes: Float64Array;
  readonly scales: Float64Array;
}

function infer([x, w]: readonly [TensorType, TensorType], { transposeB }: RoundedMatmulAttrs, place: string): TensorType {
  requireFloat(x, place);
  requireSame(x, w, place);
  requireRank(x, 2, place);
  const [K, N] = transposeB ? [w.shape[1], w.shape[0]] : w.shape;
  if (w.shape.length !== 2 || K === undefined || N === undefined || x.shape.at(-1) !== K)
    throw new AppError(
      'shape_mismatch',
      `${place}: inner sizes differ: ${printShape(x.shape)} x ${printShape(w.shape)}${transposeB ? ' (transposed)' : ''}.`,
    );
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), N] };
}

function inferGradient([x, dy]: readonly [TensorType, TensorType], _attrs: RoundedGradientAttrs, place: string): TensorType {
  requireFloat(x, place);
  requireSame(x, dy, place);
  const [[rows, K], [otherRows, N]] = [x.shape, dy.shape];
  if (x.shape.length !== 2 || dy.shape.length !== 2 || K === undefined || N === undefined || rows !== otherRows)
    throw new AppError(
      'shape_mismatch',
      `${place}: needs two matrices of as many rows, not ${printShape(x.shape)} and ${printShape(dy.shape)}.`,
    );
  return { dtype: x.dtype, shape: [K, N] };
}

function roundedRows(data: Float64Array, K: number): RoundedRows {
  const rows = K === 0 ? 0 : data.length / K;
  const [codes, scales] = [new Float64Array(data.length), new Float64Array(rows)];
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * K, (row + 1) * K);
    const scale = Math.max(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / mostSteps, smallestStep);
    scales[row] = scale;
    for (const [k, value] of own.entries()) codes[row * K + k] = roundToEven(value / scale);
  }
  return { codes, scales };
}

function roundedOnce(x: PlainTensor, K: number): RoundedRows {
  const grid = gridOf(x);
  return { codes: steps(x, grid), scales: new Float64Array(K === 0 ? 0 : x.data.length / K).fill(grid.scale) };
}

/** [K, N] -> [N, K] */
function turned(w: PlainTensor): Float64Array {
  const [K = 0, N = 0] = w.shape;
  return Float64Array.from({ length: K * N }, (_, index) => read(w, (index % K) * N + Math.floor(index / K)));
}

const roundedMatmul = defineOp<2, RoundedMatmulAttrs>({
  infer,
  vjp: 'not-differentiable',
  evaluate: ([x, w], { scales, transposeB, scale }, [shape = []]) => {
    const K = x.shape.at(-1) ?? 1;
    const N = shape.at(-1) ?? 1;
    const left = scales === 'row' ? roundedRows(x.data, K) : roundedOnce(x, K);
    const right = roundedRows(transposeB ? w.data : turned(w), K);
    const result = plain(shape);
    for (let index = 0; index < result.data.length; index++) {
      const [row, column] = [Math.floor(index / N), index % N];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += (left.codes[row * K + k] ?? 0) * (right.codes[column * K + k] ?? 0);
      result.data[index] = scale * sum * (left.scales[row] ?? 0) * (right.scales[column] ?? 0);
    }
    return result;
  },
  samples: [
    { operands: [normal(3, 24), normal(24, 5)], attrs: { scales: 'row', transposeB: false, scale: 1 }, note: 'a scale a row' },
    { operands: [normal(2, 3, 16), normal(4, 16)], attrs: { scales: 'row', transposeB: true, scale: 0.5 }, note: 'transposed and scaled' },
    { operands: [normal(3, 24), normal(24, 5)], attrs: { scales: 'tensor', transposeB: false, scale: 1 }, note: 'one scale for x' },
    { operands: [normal(2, 3, 16), normal(4, 16)], attrs: { scales: 'tensor', transposeB: true, scale: 2 }, note: 'one scale, transposed' },
    {
      operands: [given([2, 3], [0, 0, 0, 1, -2, 3]), given([3, 2], [0, 1, 0, -1, 0, 0.5])],
      attrs: { scales: 'row', transposeB: false, scale: 1 },
      note: 'a row and a column of zeros',
    },
  ],
});

const roundedGradient = defineOp<2, RoundedGradientAttrs>({
  infer: inferGradient,
  vjp: 'not-differentiable',
  evaluate: ([x, dy], { scale }, [shape = []]) => {
    const [K = 0, N = 0] = shape;
    const [left, right] = [roundedRows(x.data, x.data.length), roundedRows(dy.data, dy.data.length)];
    const factor = scale * (left.scales[0] ?? 0) * (right.scales[0] ?? 0);
    const result = plain(shape);
    for (let index = 0; index < result.data.length; index++) {
      let sum = 0;
      for (let row = 0; row < (x.shape[0] ?? 0); row++)
        sum += (left.codes[row * K + Math.floor(index / N)] ?? 0) * (right.codes[row * N + (index % N)] ?? 0);
      result.data[index] = factor * sum;
    }
    return result;
  },
  samples: [
    { operands: [normal(24, 3), normal(24, 5)], attrs: { scale: 1 }, note: 'a sum over rows' },
    { operands: [normal(40, 4), normal(40, 2)], attrs: { scale: 0.25 }, note: 'scaled' },
    { operands: [given([2, 2], [0, 0, 0, 0]), given([2, 3], [1, 2, 3, 4, 5, -6])], attrs: { scale: 1 }, note: 'zeros' },
  ],
});

export const roundedMatmulOps = { roundedMatmul, roundedGradient };

// The product of two matrices in 8-bit integers: weights are codes, and activations are rounded on the way in.
import { AppError, at, invariant } from '#base';
import { elementCount, printShape } from '#tensor';
import { defineOp, type Emitter, type SampleOperand } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { PlainTensor, TensorType, Value } from '../types.ts';
import { given, normal, positive, requireDtype, requireFloat, requireRank, requireSame, requireShape } from './checks.ts';

/** Codes of activations are 0 … 255. */
const largestCode = 255;

/** What activations are rounded to: number = (code − zeroPoint)·scale. */
export interface ActivationGrid {
  readonly scale: number;
  readonly zeroPoint: number;
}

function infer(operands: readonly TensorType[], place: string): TensorType {
  const [x, codes, scales, inputScale, inputZeroPoint] = operands;
  invariant(x !== undefined && codes !== undefined && scales !== undefined, `${place}: takes x, codes and scales`);
  invariant(operands.length === 3 || operands.length === 5, `${place}: the scale and the zero point of x come together`);
  requireFloat(x, place);
  requireRank(x, 1, place);
  requireDtype(codes, 'int8', place);
  requireSame(x, scales, place);
  const [N, K] = [codes.shape[0] ?? 1, codes.shape[1] ?? 1];
  if (codes.shape.length !== 2 || x.shape.at(-1) !== K)
    throw new AppError(
      'shape_mismatch',
      `${place}: inner sizes differ: ${printShape(x.shape)} x codes ${printShape(codes.shape)}, transposed.`,
    );
  if (scales.shape.length !== 1 || scales.shape[0] !== 1) requireShape(scales, [N], place);
  if (inputScale !== undefined && inputZeroPoint !== undefined) {
    requireSame(x, inputScale, place);
    requireShape(inputScale, [1], place);
    requireDtype(inputZeroPoint, 'uint8', place);
    requireShape(inputZeroPoint, [1], place);
  }
  return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), N] };
}

/** Ties to even, as the runtimes round. */
export function roundToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

const clampCode = (code: number): number => Math.min(largestCode, Math.max(0, code));

/** The grid from the smallest to the largest number of the batch, with zero on it: ONNX's DynamicQuantizeLinear. */
export function gridOf({ data }: PlainTensor): ActivationGrid {
  let [low, high] = [0, 0];
  for (const value of data) [low, high] = [Math.min(low, value), Math.max(high, value)];
  const scale = (high - low) / largestCode;
  return { scale, zeroPoint: scale === 0 ? 0 : clampCode(roundToEven(-low / scale)) };
}

/** x as the product sees it, divided by the scale. */
export function steps(x: PlainTensor, { scale, zeroPoint }: ActivationGrid): Float64Array {
  return x.data.map((value) => (scale === 0 ? 0 : clampCode(roundToEven(value / scale) + zeroPoint) - zeroPoint));
}

function evaluate([x, codes, scales, inputScale, inputZeroPoint]: readonly PlainTensor[], shape: readonly number[]): PlainTensor {
  invariant(x !== undefined && codes !== undefined && scales !== undefined, 'matmulInt8 has x, codes and scales');
  const isStatic = inputScale !== undefined && inputZeroPoint !== undefined;
  const grid = isStatic ? { scale: read(inputScale, 0), zeroPoint: read(inputZeroPoint, 0) } : gridOf(x);
  const rounded = steps(x, grid);
  const [N, K] = [at(codes.shape, 0), at(codes.shape, 1)];
  const result = plain(shape);
  for (let index = 0; index < result.data.length; index++) {
    const [row, column] = [Math.floor(index / N) * K, index % N];
    let sum = 0;
    for (let k = 0; k < K; k++) sum += (rounded[row + k] ?? 0) * read(codes, column * K + k);
    result.data[index] = sum * grid.scale * read(scales, scales.data.length === 1 ? 0 : column);
  }
  return result;
}

/** Codes times scales, [N, K]. */
function dense(b: Emitter, codes: Value, scales: Value): Value {
  return b.mul(b.cast(codes, scales.dtype), b.reshape(scales, [elementCount(scales.shape), 1]));
}

/** 1 where x lies on its fixed grid, 0 where it was cut off. */
function insideGrid(b: Emitter, x: Value, scale: Value, zeroPoint: Value): Value {
  const steps = b.div(x, scale);
  const zero = b.cast(zeroPoint, x.dtype);
  const isLow = b.less(b.add(steps, zero), -0.5);
  const isHigh = b.less(largestCode + 0.5, b.add(steps, zero));
  return b.where(isLow, 0, b.where(isHigh, b.scalar(0, x.dtype), b.scalar(1, x.dtype)));
}

/** dW [N, K] from the rows of x and dY. */
function scaleGradient(b: Emitter, x: Value, dY: Value, codes: Value, scales: Value): Value {
  const rows = (value: Value): Value => b.reshape(value, [elementCount(value.shape.slice(0, -1)), value.shape.at(-1) ?? 1]);
  const dW = b.matmul(rows(dY), rows(x), { transposeA: true });
  const byRow = b.reduceSum(b.mul(dW, b.cast(codes, x.dtype)), [1]); // [N]
  return scales.shape[0] === 1 ? b.reduceSum(byRow, [0], true) : byRow;
}

const int8Codes = (rows: number, columns: number): SampleOperand => ({
  dtype: 'int8',
  shape: [rows, columns],
  fill: 'values',
  // All of -127 … 127, in an order without a pattern that sums could hide.
  values: Array.from({ length: rows * columns }, (_, index) => ((index * 89 + 17) % 255) - 127),
});
const zeroPoint = (value: number): SampleOperand => given([1], [value], 'uint8');

/**
 * y = Q(x)·Wᵀ, W = codes·scales. The gradient is that of x·Wᵀ: it passes straight through the rounding, and not through what a fixed grid cuts off.
 */
const matmulInt8 = defineOp<number, object>({
  infer: (operands, _attrs, place) => infer(operands, place),
  vjp: ({ b, dY, operands, needed }) => {
    const [x, codes, scales, inputScale, inputZeroPoint] = operands;
    invariant(x !== undefined && codes !== undefined && scales !== undefined, 'matmulInt8 has x, codes and scales');
    const through = needed[0] ? b.matmul(dY, dense(b, codes, scales)) : null;
    const isFixed = inputScale !== undefined && inputZeroPoint !== undefined;
    const dX = through !== null && isFixed ? b.mul(through, insideGrid(b, x, inputScale, inputZeroPoint)) : through;
    const dScales = needed[2] ? scaleGradient(b, x, dY, codes, scales) : null;
    return operands.map((_, index) => (index === 0 ? dX : index === 2 ? dScales : null));
  },
  evaluate: (operands, _attrs, [shape = []]) => evaluate(operands, shape),
  samples: [
    { operands: [normal(3, 24), int8Codes(5, 24), positive(5)], note: 'a scale for each output' },
    { operands: [normal(2, 3, 16), int8Codes(4, 16), positive(1)], note: 'one scale' },
    { operands: [positive(2, 40), int8Codes(3, 40), positive(3)], note: 'all x on one side of zero' },
    { operands: [given([2, 4], [0, 0, 0, 0, 0, 0, 0, 0]), int8Codes(3, 4), positive(3)], note: 'all x zero' },
    { operands: [normal(3, 24), int8Codes(5, 24), positive(5), given([1], [0.02]), zeroPoint(120)], note: 'a fixed grid' },
    {
      operands: [normal(2, 2, 16), int8Codes(4, 16), positive(1), given([1], [0.005]), zeroPoint(128)],
      note: 'a fixed grid that cuts off',
    },
  ],
});

export const int8Ops = { matmulInt8 };

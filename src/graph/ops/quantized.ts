// Matrices in packed codes of 1, 2, 3, 4 or 8 bits: turned into numbers, and multiplied by.
import { AppError, invariant } from '#base';
import { elementCount, packedBytes, printShape, type Shape, unpackCodes } from '#tensor';
import { defineOp, type Emitter, type PackedValues } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { NBitsAttrs, PlainTensor, TensorType, Value } from '../types.ts';
import { normal, positive, requireDtype, requireFloat, requireSame, requireShape } from './checks.ts';

/** Checks codes, scales and zero points against each other; returns the leading axes. */
function leadingAxes(packed: readonly TensorType[], { bits, groupSize, size }: NBitsAttrs, place: string): Shape {
  const [codes, scales, zeroPoints] = packed;
  invariant(codes !== undefined && scales !== undefined && packed.length <= 3, `${place}: takes codes, scales and maybe zero points`);
  if (![1, 2, 3, 4, 8].includes(bits) || groupSize % 8 !== 0)
    throw new AppError('shape_mismatch', `${place}: cannot pack codes of ${bits} bits in groups of ${groupSize}.`);
  const groups = Math.ceil(size / groupSize);
  const leading = scales.shape.slice(0, -1);
  requireDtype(codes, 'uint8', place);
  requireFloat(scales, place);
  requireShape(scales, [...leading, groups], place);
  requireShape(codes, [...leading, groups, (groupSize * bits) / 8], place);
  if (zeroPoints !== undefined) {
    requireDtype(zeroPoints, 'uint8', place);
    requireShape(zeroPoints, [...leading, packedBytes(groups, bits)], place);
  }
  return leading;
}

/** [rows, K], with all leading axes as rows. */
function dequantize(
  codes: PlainTensor,
  scales: PlainTensor,
  zeroPoints: PlainTensor | undefined,
  { bits, groupSize, size, zero: sharedZero = 2 ** (bits - 1) }: NBitsAttrs,
): Float64Array {
  const groups = Math.ceil(size / groupSize);
  const rows = scales.data.length / groups;
  const unpacked = unpackCodes(codes.data, groupSize, bits); // [rows * groups, groupSize]
  const zeros = zeroPoints === undefined ? undefined : unpackCodes(zeroPoints.data, groups, bits);
  const numbers = new Float64Array(rows * size);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < size; column++) {
      const group = row * groups + Math.floor(column / groupSize);
      const zero = zeros?.[group] ?? sharedZero;
      numbers[row * size + column] = ((unpacked[group * groupSize + (column % groupSize)] ?? 0) - zero) * read(scales, group);
    }
  return numbers;
}

function packedValues(operands: readonly (Value | undefined)[]): PackedValues {
  const [codes, scales, zeroPoints] = operands;
  invariant(codes !== undefined && scales !== undefined, 'packed matrices have codes and scales');
  return { codes, scales, zeroPoints };
}

/** Σ over each group of dW ∘ (codes − zero points): the gradient of the scales. */
function scaleGradient(b: Emitter, dW: Value, packed: PackedValues, attrs: NBitsAttrs): Value {
  const { scales } = packed;
  const steps = b.dequantizeNBits({ ...packed, scales: b.broadcastTo(b.scalar(1, scales.dtype), scales.shape) }, attrs); // [..., K]
  const groups = Math.ceil(attrs.size / attrs.groupSize);
  const padded = b.pad(b.mul(dW, steps), dW.shape.length - 1, 0, groups * attrs.groupSize - attrs.size);
  const grouped = b.reshape(padded, [...scales.shape, attrs.groupSize]); // [..., groups, groupSize]
  return b.reduceSum(grouped, [scales.shape.length]);
}

const packedCodes = (...shape: number[]) => ({ dtype: 'uint8', shape, fill: 'index', bound: 256 }) as const;

const dequantizeNBits = defineOp<number, NBitsAttrs>({
  infer: (packed, attrs, place) => {
    const leading = leadingAxes(packed, attrs, place);
    return { dtype: packed[1]?.dtype ?? 'float32', shape: [...leading, attrs.size] };
  },
  vjp: ({ b, dY, operands, attrs, needed }) =>
    operands.map((_, index) => (index === 1 && needed[1] ? scaleGradient(b, dY, packedValues(operands), attrs) : null)),
  evaluate: ([codes, scales, zeroPoints], attrs, [shape = []]) => {
    invariant(codes !== undefined && scales !== undefined, 'dequantizeNBits has codes and scales');
    return plain(shape, dequantize(codes, scales, zeroPoints, attrs));
  },
  samples: [
    { operands: [packedCodes(3, 2, 8), positive(3, 2)], attrs: { bits: 4, groupSize: 16, size: 32 } },
    { operands: [packedCodes(3, 2, 8), positive(3, 2), packedCodes(3, 1)], attrs: { bits: 4, groupSize: 16, size: 27 }, note: 'padded' },
    { operands: [packedCodes(2, 3, 16), positive(2, 3), packedCodes(2, 3)], attrs: { bits: 8, groupSize: 16, size: 48 } },
    { operands: [packedCodes(2, 2, 3, 6), positive(2, 2, 3), packedCodes(2, 2, 2)], attrs: { bits: 3, groupSize: 16, size: 41 } },
    { operands: [packedCodes(3, 1, 6), positive(3, 1)], attrs: { bits: 3, groupSize: 16, size: 16 } },
    { operands: [packedCodes(3, 5, 4), positive(3, 5), packedCodes(3, 2)], attrs: { bits: 2, groupSize: 16, size: 80 } },
    { operands: [packedCodes(3, 2, 4), positive(3, 2)], attrs: { bits: 2, groupSize: 16, size: 32, zero: 1 }, note: 'ternary' },
    { operands: [packedCodes(3, 2, 2), positive(3, 2)], attrs: { bits: 1, groupSize: 16, size: 27, zero: 0.5 }, note: 'binary, padded' },
  ],
});

/** dW [N, K] from x [..., K] and dY [..., N]. */
function weightGradient(b: Emitter, x: Value, dY: Value): Value {
  const rows = (value: Value): Value => b.reshape(value, [elementCount(value.shape.slice(0, -1)), value.shape.at(-1) ?? 1]);
  return b.matmul(rows(dY), rows(x), { transposeA: true });
}

const matmulNBits = defineOp<number, NBitsAttrs>({
  infer: ([x, ...packed], attrs, place) => {
    invariant(x !== undefined, `${place}: has no operand`);
    const leading = leadingAxes(packed, attrs, place);
    requireSame(x, packed[1] ?? x, place);
    if (leading.length !== 1 || x.shape.at(-1) !== attrs.size)
      throw new AppError(
        'shape_mismatch',
        `${place}: inner sizes differ: ${printShape(x.shape)} x a packed ${printShape([...leading, attrs.size])}, transposed.`,
      );
    return { dtype: x.dtype, shape: [...x.shape.slice(0, -1), ...leading] };
  },
  vjp: ({ b, dY, operands, attrs, needed }) => {
    const [x] = operands;
    invariant(x !== undefined, 'matmulNBits has an operand');
    const packed = packedValues(operands.slice(1));
    const dX = needed[0] ? b.matmul(dY, b.dequantizeNBits(packed, attrs)) : null;
    const dScales = needed[2] ? scaleGradient(b, weightGradient(b, x, dY), packed, attrs) : null;
    return operands.map((_, index) => (index === 0 ? dX : index === 2 ? dScales : null));
  },
  evaluate: ([x, codes, scales, zeroPoints], attrs, [shape = []]) => {
    invariant(x !== undefined && codes !== undefined && scales !== undefined, 'matmulNBits has x, codes and scales');
    const weight = dequantize(codes, scales, zeroPoints, attrs);
    const result = plain(shape);
    const [K, N] = [attrs.size, shape.at(-1) ?? 1];
    for (let index = 0; index < result.data.length; index++) {
      const [row, column] = [Math.floor(index / N) * K, (index % N) * K];
      let sum = 0;
      for (let k = 0; k < K; k++) sum += read(x, row + k) * (weight[column + k] ?? 0);
      result.data[index] = sum;
    }
    return result;
  },
  samples: [
    { operands: [normal(2, 32), packedCodes(3, 2, 8), positive(3, 2)], attrs: { bits: 4, groupSize: 16, size: 32 } },
    {
      operands: [normal(2, 2, 27), packedCodes(3, 2, 8), positive(3, 2), packedCodes(3, 1)],
      attrs: { bits: 4, groupSize: 16, size: 27 },
      note: 'padded',
    },
    { operands: [normal(2, 32), packedCodes(3, 1, 32), positive(3, 1), packedCodes(3, 1)], attrs: { bits: 8, groupSize: 32, size: 32 } },
    { operands: [normal(3, 41), packedCodes(2, 3, 6), positive(2, 3), packedCodes(2, 2)], attrs: { bits: 3, groupSize: 16, size: 41 } },
    { operands: [normal(1, 48), packedCodes(3, 3, 4), positive(3, 3)], attrs: { bits: 2, groupSize: 16, size: 48 } },
    {
      operands: [normal(2, 48), packedCodes(3, 3, 4), positive(3, 3)],
      attrs: { bits: 2, groupSize: 16, size: 48, zero: 1 },
      note: 'ternary',
    },
    {
      operands: [normal(2, 41), packedCodes(3, 3, 2), positive(3, 3)],
      attrs: { bits: 1, groupSize: 16, size: 41, zero: 0.5 },
      note: 'binary',
    },
  ],
});

export const quantizedOps = { dequantizeNBits, matmulNBits };

// The matrix product: batched, with optional transposes and a scale, so that one op covers forward and both gradients.
import { AppError } from '#base';
import { broadcastShapes, elementCount, printShape, type Shape } from '#tensor';
import { defineOp, type Emitter } from '../op.ts';
import { broadcastStrides, offsets, plain, read, roundPlain } from '../plain.ts';
import type { MatmulAttrs, TensorType, Value } from '../types.ts';
import { unbroadcast } from './binary.ts';
import { normal, requireRank, requireSame } from './checks.ts';

function inferMatmul([a, b]: readonly [TensorType, TensorType], attrs: MatmulAttrs, place: string): TensorType {
  requireSame(a, b, place);
  requireRank(a, 2, place);
  requireRank(b, 2, place);
  const [rows, inner] = lastTwo(a.shape, attrs.transposeA);
  const [otherInner, columns] = lastTwo(b.shape, attrs.transposeB);
  if (inner !== otherInner)
    throw new AppError(
      'shape_mismatch',
      `${place}: inner sizes differ: ${printShape(a.shape)} x ${printShape(b.shape)}${transposeNote(attrs)}.`,
    );
  return { dtype: a.dtype, shape: [...broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2), place), rows, columns] };
}

const transposeNote = ({ transposeA, transposeB }: MatmulAttrs): string =>
  transposeA || transposeB ? ` (transposed: ${[transposeA && 'first', transposeB && 'second'].filter(Boolean).join(' and ')})` : '';

function lastTwo(shape: Shape, transposed: boolean): readonly [Shape[number], Shape[number]] {
  const rows = shape[shape.length - 2] ?? 1;
  const columns = shape[shape.length - 1] ?? 1;
  return transposed ? [columns, rows] : [rows, columns];
}

/**
 * Gradient with respect to a weight matrix [K, N] that all leading axes share: one product over all rows,
 * instead of one product a batch entry and a sum.
 */
function sharedWeightGradient(b: Emitter, x: Value, dY: Value, { transposeB, scale }: MatmulAttrs): Value {
  const rows = (value: Value): Value => b.reshape(value, [elementCount(value.shape.slice(0, -1)), value.shape.at(-1) ?? 1]);
  const [left, right] = transposeB ? [dY, x] : [x, dY];
  return b.matmul(rows(left), rows(right), { transposeA: true, scale });
}

const matmul = defineOp<2, MatmulAttrs>({
  infer: inferMatmul,
  // y = s·op(a)·op(b):  d op(a) = s·dY·op(b)ᵀ,  d op(b) = s·op(a)ᵀ·dY; a transposed operand gets the transposed product.
  vjp: ({ b, dY, operands: [x, w], attrs, needed }) => {
    const { transposeA, transposeB, scale } = attrs;
    const dA = (): Value =>
      transposeA
        ? b.matmul(w, dY, { transposeA: transposeB, transposeB: true, scale })
        : b.matmul(dY, w, { transposeB: !transposeB, scale });
    const dB = (): Value => {
      if (w.shape.length === 2 && x.shape.length > 2 && !transposeA) return sharedWeightGradient(b, x, dY, attrs);
      return transposeB
        ? b.matmul(dY, x, { transposeA: true, transposeB: transposeA, scale })
        : b.matmul(x, dY, { transposeA: !transposeA, scale });
    };
    return [needed[0] ? unbroadcast(b, dA(), x.shape) : null, needed[1] ? unbroadcast(b, dB(), w.shape) : null];
  },
  // Sums are exact, and rounded once: kernels for 16-bit floats add in float32.
  evaluate: ([a, b], { transposeA, transposeB, scale }, [shape = []], [type]) => {
    const result = plain(shape);
    const batch = shape.slice(0, -2);
    const [rows = 1, columns = 1] = shape.slice(-2);
    const inner = a.shape[a.shape.length - (transposeA ? 2 : 1)] ?? 1;
    const [aRow, aInner] = matrixStrides(a.shape, transposeA);
    const [bInner, bColumn] = matrixStrides(b.shape, transposeB);
    const aStarts = batchOffsets(a.shape, batch);
    const bStarts = batchOffsets(b.shape, batch);
    aStarts.forEach((aStart, index) => {
      const bStart = bStarts[index] ?? 0;
      for (let row = 0; row < rows; row++)
        for (let column = 0; column < columns; column++) {
          let sum = 0;
          for (let k = 0; k < inner; k++)
            sum += read(a, aStart + row * aRow + k * aInner) * read(b, bStart + k * bInner + column * bColumn);
          result.data[(index * rows + row) * columns + column] = scale * sum;
        }
    });
    return roundPlain(result, type?.dtype ?? 'float64');
  },
  samples: [
    { operands: [normal(2, 3), normal(3, 4)], attrs: { transposeA: false, transposeB: false, scale: 1 } },
    { operands: [normal(3, 2), normal(4, 3)], attrs: { transposeA: true, transposeB: true, scale: 0.5 }, note: 'both transposed, scaled' },
    { operands: [normal(2, 5, 3), normal(3, 4)], attrs: { transposeA: false, transposeB: false, scale: 1 }, note: 'shared weight' },
    {
      operands: [normal(2, 5, 3), normal(4, 3)],
      attrs: { transposeA: false, transposeB: true, scale: 2 },
      note: 'shared transposed weight',
    },
    {
      operands: [normal(2, 1, 5, 3), normal(4, 6, 3)],
      attrs: { transposeA: false, transposeB: true, scale: 1 },
      note: 'batch axes broadcast',
    },
    { operands: [normal(2, 3, 5), normal(2, 3, 4)], attrs: { transposeA: true, transposeB: false, scale: 1 } },
  ],
});

function matrixStrides(shape: readonly number[], transposed: boolean): readonly [number, number] {
  const columns = shape.at(-1) ?? 1;
  return transposed ? [1, columns] : [columns, 1];
}

function batchOffsets(shape: readonly number[], batch: readonly number[]): Int32Array {
  const matrixSize = (shape.at(-1) ?? 1) * (shape.at(-2) ?? 1);
  return offsets(batch, broadcastStrides(shape.slice(0, -2), batch)).map((offset) => offset * matrixSize);
}

export const matmulOps = { matmul };

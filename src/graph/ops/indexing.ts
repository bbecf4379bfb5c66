// Ops that read or write by index: table look-up and its transpose, one element a row, columns in another order, one-hot.
import { AppError } from '#base';
import { printShape, sameShape, sizeOf, staticDim } from '#tensor';
import { defineOp } from '../op.ts';
import { plain, read } from '../plain.ts';
import type { DepthAttrs, PlainTensor, RowsAttrs } from '../types.ts';
import { given, indices, normal, requireDtype, requireFloat, requireRank } from './checks.ts';

function checkedIndex(ids: PlainTensor, position: number, bound: number): number {
  const index = read(ids, position);
  if (index < 0 || index >= bound)
    throw new AppError('shape_mismatch', `index ${index} at position ${position} is outside 0..${bound - 1}.`);
  return index;
}

const gather = defineOp<2>({
  infer: ([table, ids], _, place) => {
    requireDtype(ids, 'int64', place);
    requireRank(table, 1, place);
    return { dtype: table.dtype, shape: [...ids.shape, ...table.shape.slice(1)] };
  },
  vjp: ({ b, dY, operands: [table, ids], needed }) => [needed[0] ? b.scatterAdd(ids, dY, staticDim(table.shape[0], 'gather')) : null, null],
  evaluate: ([table, ids], _, [shape = []]) => {
    const width = sizeOf(table.shape.slice(1));
    const result = plain(shape);
    for (let row = 0; row < ids.data.length; row++) {
      const source = checkedIndex(ids, row, table.shape[0] ?? 0) * width;
      result.data.set(table.data.subarray(source, source + width), row * width);
    }
    return result;
  },
  samples: [
    { operands: [normal(5, 3), indices(5, 4)] },
    { operands: [normal(5, 3), indices(5, 2, 2)] },
    { operands: [normal(4), indices(4, 3)], note: 'elements of a vector' },
    { operands: [normal(3, 2, 2), indices(3, 2)], note: 'rows that are matrices' },
  ],
});

const scatterAdd = defineOp<2, RowsAttrs>({
  infer: ([ids, updates], { rows }, place) => {
    requireDtype(ids, 'int64', place);
    requireFloat(updates, place);
    const leading = updates.shape.slice(0, ids.shape.length);
    if (!sameShape(leading, ids.shape))
      throw new AppError(
        'shape_mismatch',
        `${place}: updates ${printShape(updates.shape)} do not begin with the shape of the ids ${printShape(ids.shape)}.`,
      );
    return { dtype: updates.dtype, shape: [rows, ...updates.shape.slice(ids.shape.length)] };
  },
  vjp: ({ b, dY, operands: [ids] }) => [null, b.gather(dY, ids)],
  evaluate: ([ids, updates], { rows }, [shape = []]) => {
    const width = sizeOf(shape.slice(1));
    const result = plain(shape);
    for (let row = 0; row < ids.data.length; row++) {
      const target = checkedIndex(ids, row, rows) * width;
      for (let k = 0; k < width; k++) result.data[target + k] = (result.data[target + k] ?? 0) + read(updates, row * width + k);
    }
    return result;
  },
  samples: [
    { operands: [given([4], [1, 3, 1, 0], 'int64'), normal(4, 3)], attrs: { rows: 5 }, note: 'one row twice' },
    { operands: [indices(4, 2, 3), normal(2, 3, 2)], attrs: { rows: 4 } },
    { operands: [indices(4, 5), normal(5)], attrs: { rows: 4 }, note: 'into a vector' },
    { operands: [indices(3, 4), normal(4, 2, 3)], attrs: { rows: 3 }, note: 'matrices as rows' },
  ],
});

const takeLast = defineOp<2>({
  infer: ([x, ids], _, place) => {
    requireDtype(ids, 'int64', place);
    if (!sameShape(x.shape.slice(0, -1), ids.shape))
      throw new AppError('shape_mismatch', `${place}: ids ${printShape(ids.shape)} do not fit the leading axes of ${printShape(x.shape)}.`);
    return { dtype: x.dtype, shape: ids.shape };
  },
  vjp: ({ b, dY, operands: [x, ids], needed }) => {
    if (!needed[0]) return [null, null];
    const chosen = b.cast(b.oneHot(ids, staticDim(x.shape.at(-1), 'takeLast')), x.dtype);
    return [b.mul(chosen, b.reshape(dY, [...dY.shape, 1])), null];
  },
  evaluate: ([x, ids]) => {
    const size = x.shape.at(-1) ?? 1;
    return plain(
      ids.shape,
      Float64Array.from(ids.data, (_, row) => read(x, row * size + checkedIndex(ids, row, size))),
    );
  },
  samples: [{ operands: [normal(3, 5), indices(5, 3)] }, { operands: [normal(2, 2, 4), indices(4, 2, 2)] }],
});

const permuteLast = defineOp<2>({
  infer: ([x, order], _, place) => {
    requireDtype(order, 'int64', place);
    requireRank(x, 1, place);
    if (!sameShape(order.shape, x.shape.slice(-1)))
      throw new AppError(
        'shape_mismatch',
        `${place}: an order ${printShape(order.shape)} does not fit the last axis of ${printShape(x.shape)}.`,
      );
    return x;
  },
  // dX[order[j]] = dY[j], which is dY in the inverse order; its numbers are exact in float32 up to 2^24.
  vjp: ({ b, dY, operands: [x, order], needed }) => {
    if (!needed[0]) return [null, null];
    const size = staticDim(x.shape.at(-1), 'permuteLast');
    const inverse = b.cast(b.scatterAdd(order, b.cast(b.range(size), 'float32'), size), 'int64');
    return [b.permuteLast(dY, inverse), null];
  },
  evaluate: ([x, order], _, [shape = []]) => {
    const size = order.data.length;
    const result = plain(shape);
    for (let column = 0; column < size; column++) {
      const source = checkedIndex(order, column, size);
      for (let start = 0; start < result.data.length; start += size) result.data[start + column] = read(x, start + source);
    }
    return result;
  },
  samples: [
    { operands: [normal(2, 4), given([4], [2, 0, 3, 1], 'int64')] },
    { operands: [normal(3), given([3], [1, 2, 0], 'int64')], note: 'a vector' },
    { operands: [normal(2, 2, 3), given([3], [2, 0, 1], 'int64')] },
    { operands: [normal(0, 3), given([3], [2, 1, 0], 'int64')] },
  ],
});

const oneHot = defineOp<1, DepthAttrs>({
  infer: ([ids], { depth }, place) => {
    requireDtype(ids, 'int64', place);
    return { dtype: 'float32', shape: [...ids.shape, depth] };
  },
  vjp: () => [null],
  evaluate: ([ids], { depth }, [shape = []]) => {
    const result = plain(shape);
    for (let row = 0; row < ids.data.length; row++) result.data[row * depth + checkedIndex(ids, row, depth)] = 1;
    return result;
  },
  samples: [
    { operands: [indices(4, 3)], attrs: { depth: 4 } },
    { operands: [indices(3, 2, 2)], attrs: { depth: 3 } },
  ],
});

export const indexingOps = { gather, scatterAdd, takeLast, permuteLast, oneHot };

// Ops that move elements without computing: reshape, transpose, broadcast, slice, pad, concat.
import { AppError, at } from '#base';
import {
  addDims,
  broadcastShapes,
  type Dim,
  elementCount,
  evaluateDim,
  normalizeAxis,
  printShape,
  type Shape,
  sameShape,
  subtractDims,
} from '#tensor';
import { defineOp } from '../op.ts';
import { around, broadcastStrides, gatherStrided, plain, read, strides } from '../plain.ts';
import type { AxisAttrs, PadAttrs, ShapeAttrs, SliceAttrs, TransposeAttrs, Value } from '../types.ts';
import { unbroadcast } from './binary.ts';
import { normal, requireSame } from './checks.ts';

const reshape = defineOp<1, ShapeAttrs>({
  traits: ['movement'],
  infer: ([x], { shape }, place) => {
    if (elementCount(x.shape) !== elementCount(shape))
      throw new AppError(
        'shape_mismatch',
        `${place}: cannot reshape ${printShape(x.shape)} to ${printShape(shape)}: element counts differ.`,
      );
    return { dtype: x.dtype, shape };
  },
  vjp: ({ b, dY, operands: [x] }) => [b.reshape(dY, x.shape)],
  evaluate: ([x], _, [shape = []]) => plain(shape, x.data),
  samples: [
    { operands: [normal(2, 6)], attrs: { shape: [3, 4] } },
    { operands: [normal(2, 3)], attrs: { shape: [6] } },
    { operands: [normal()], attrs: { shape: [1, 1] }, note: 'from a scalar' },
    { operands: [normal(0, 3)], attrs: { shape: [3, 0] }, note: 'empty' },
  ],
});

const transpose = defineOp<1, TransposeAttrs>({
  traits: ['movement'],
  infer: ([x], { permutation }, place) => {
    const isPermutation =
      permutation.length === x.shape.length && [...permutation].sort((i, j) => i - j).every((axis, index) => axis === index);
    if (!isPermutation)
      throw new AppError('shape_mismatch', `${place}: [${permutation.join(', ')}] does not permute the axes of ${printShape(x.shape)}.`);
    return { dtype: x.dtype, shape: permutation.map((axis) => at(x.shape, axis)) };
  },
  vjp: ({ b, dY, attrs: { permutation } }) => [b.transpose(dY, inverse(permutation))],
  evaluate: ([x], { permutation }, [shape = []]) => {
    const own = strides(x.shape);
    return gatherStrided(
      x,
      shape,
      permutation.map((axis) => own[axis] ?? 1),
    );
  },
  samples: [
    { operands: [normal(2, 3)], attrs: { permutation: [1, 0] } },
    { operands: [normal(2, 3, 4, 5)], attrs: { permutation: [0, 2, 1, 3] } },
    { operands: [normal(2, 3, 4)], attrs: { permutation: [2, 0, 1] } },
  ],
});

function inverse(permutation: readonly number[]): number[] {
  const result = new Array<number>(permutation.length).fill(0);
  permutation.forEach((axis, index) => {
    result[axis] = index;
  });
  return result;
}

const broadcastTo = defineOp<1, ShapeAttrs>({
  traits: ['movement'],
  infer: ([x], { shape }, place) => {
    if (!sameShape(broadcastShapes(x.shape, shape, place), shape))
      throw new AppError('shape_mismatch', `${place}: ${printShape(x.shape)} does not broadcast to ${printShape(shape)}.`);
    return { dtype: x.dtype, shape };
  },
  vjp: ({ b, dY, operands: [x] }) => [unbroadcast(b, dY, x.shape)],
  evaluate: ([x], _, [shape = []]) => gatherStrided(x, shape, broadcastStrides(x.shape, shape)),
  samples: [
    { operands: [normal(3)], attrs: { shape: [2, 3] } },
    { operands: [normal(2, 1, 3)], attrs: { shape: [2, 4, 3] } },
    { operands: [normal()], attrs: { shape: [2, 2] } },
  ],
});

const replaceAxis = (shape: Shape, axis: number, size: Dim): Shape => shape.map((dim, position) => (position === axis ? size : dim));

const slice = defineOp<1, SliceAttrs>({
  traits: ['movement'],
  infer: ([x], { axis, start, end }, place) => {
    normalizeAxis(axis, x.shape.length, place);
    const size = at(x.shape, axis);
    const isOutside =
      (typeof start === 'number' && start < 0) ||
      (typeof start === 'number' && typeof end === 'number' && start > end) ||
      (typeof end === 'number' && typeof size === 'number' && end > size);
    if (isOutside)
      throw new AppError('shape_mismatch', `${place}: slice ${start}..${end} is outside axis ${axis} of ${printShape(x.shape)}.`);
    return { dtype: x.dtype, shape: replaceAxis(x.shape, axis, subtractDims(end, start)) };
  },
  vjp: ({ b, dY, operands: [x], attrs: { axis, start, end } }) => [b.pad(dY, axis, start, subtractDims(at(x.shape, axis), end))],
  evaluate: ([x], { axis, start }, [shape = []], _types, bindings = new Map()) => {
    const own = strides(x.shape);
    return gatherStrided(x, shape, own, evaluateDim(start, bindings) * at(own, axis));
  },
  samples: [
    { operands: [normal(2, 5)], attrs: { axis: 1, start: 1, end: 4 } },
    { operands: [normal(4, 2, 3)], attrs: { axis: 0, start: 0, end: 2 } },
    { operands: [normal(4, 2)], attrs: { axis: 0, start: 3, end: 4 } },
  ],
});

const pad = defineOp<1, PadAttrs>({
  traits: ['movement'],
  infer: ([x], { axis, before, after }, place) => {
    normalizeAxis(axis, x.shape.length, place);
    return { dtype: x.dtype, shape: replaceAxis(x.shape, axis, addDims(addDims(before, at(x.shape, axis)), after)) };
  },
  vjp: ({ b, dY, operands: [x], attrs: { axis, before } }) => [b.slice(dY, axis, before, addDims(before, at(x.shape, axis)))],
  evaluate: ([x], { axis, before }, [shape = []], _types, bindings = new Map()) => {
    const [outer, size, inner] = around(x.shape, axis);
    const padded = at(shape, axis);
    const first = evaluateDim(before, bindings);
    const result = plain(shape);
    for (let o = 0; o < outer; o++)
      for (let k = 0; k < size; k++)
        for (let i = 0; i < inner; i++) result.data[(o * padded + first + k) * inner + i] = read(x, (o * size + k) * inner + i);
    return result;
  },
  samples: [
    { operands: [normal(2, 3)], attrs: { axis: 1, before: 1, after: 2 } },
    { operands: [normal(2, 3, 2)], attrs: { axis: 0, before: 0, after: 1 } },
  ],
});

const concat = defineOp<number, AxisAttrs>({
  traits: ['movement'],
  infer: (parts, { axis }, place) => {
    const first = at(parts, 0);
    normalizeAxis(axis, first.shape.length, place);
    let size: Dim = 0;
    for (const part of parts) {
      requireSame(first, part, place);
      if (!sameShape(replaceAxis(part.shape, axis, 0), replaceAxis(first.shape, axis, 0)))
        throw new AppError(
          'shape_mismatch',
          `${place}: cannot join ${printShape(first.shape)} and ${printShape(part.shape)} along axis ${axis}.`,
        );
      size = addDims(size, at(part.shape, axis));
    }
    return { dtype: first.dtype, shape: replaceAxis(first.shape, axis, size) };
  },
  vjp: ({ b, dY, operands, attrs: { axis } }) => {
    let start: Dim = 0;
    return operands.map((part: Value) => {
      const end = addDims(start, at(part.shape, axis));
      const gradient = b.slice(dY, axis, start, end);
      start = end;
      return gradient;
    });
  },
  evaluate: (parts, { axis }, [shape = []]) => {
    const result = plain(shape);
    const [outer, total, inner] = around(shape, axis);
    let first = 0;
    for (const part of parts) {
      const size = at(part.shape, axis);
      for (let o = 0; o < outer; o++)
        for (let k = 0; k < size; k++)
          for (let i = 0; i < inner; i++) result.data[(o * total + first + k) * inner + i] = read(part, (o * size + k) * inner + i);
      first += size;
    }
    return result;
  },
  samples: [
    { operands: [normal(2, 3), normal(2, 1)], attrs: { axis: 1 } },
    { operands: [normal(1, 2, 3), normal(2, 2, 3), normal(1, 2, 3)], attrs: { axis: 0 } },
  ],
});

export const movementOps = { reshape, transpose, broadcastTo, slice, pad, concat };

// Reductions over axes.
import { AppError } from '#base';
import { normalizeAxis, type Shape, staticDim } from '#tensor';
import { defineOp, type Emitter } from '../op.ts';
import { around, plain, read, reducePlain } from '../plain.ts';
import type { AxisAttrs, ReduceAttrs, TensorType, Value } from '../types.ts';
import { normal, requireFloat } from './checks.ts';

function inferReduce([x]: readonly [TensorType], { axes, keepDims }: ReduceAttrs, place: string): TensorType {
  requireFloat(x, place);
  for (const axis of axes) normalizeAxis(axis, x.shape.length, place);
  const shape = keepDims ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) : x.shape.filter((_, axis) => !axes.includes(axis));
  return { dtype: x.dtype, shape };
}

/** The shape of a reduction's operand with the reduced axes set to 1, so that results broadcast against the operand. */
function keptShape(x: Value, axes: readonly number[]): Shape {
  return x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
}

const spread = (b: Emitter, dY: Value, x: Value, { axes, keepDims }: ReduceAttrs): Value =>
  keepDims ? dY : b.reshape(dY, keptShape(x, axes));

const reduceSamples = [
  { operands: [normal(2, 3)], attrs: { axes: [1], keepDims: false } },
  { operands: [normal(2, 3, 4)], attrs: { axes: [0, 2], keepDims: true } },
  { operands: [normal(2, 3)], attrs: { axes: [0, 1], keepDims: false }, note: 'to a scalar' },
  { operands: [normal(3, 1)], attrs: { axes: [1], keepDims: false }, note: 'over an axis of size 1' },
];

const reduceSum = defineOp<1, ReduceAttrs>({
  traits: ['reduction'],
  infer: inferReduce,
  vjp: ({ b, dY, operands: [x], attrs }) => [b.broadcastTo(spread(b, dY, x, attrs), x.shape)],
  evaluate: ([x], { axes }, [shape = []]) => reducePlain(x, axes, shape, 0, (sum, value) => sum + value),
  samples: reduceSamples,
});

const reduceMean = defineOp<1, ReduceAttrs>({
  traits: ['reduction'],
  infer: (operands, attrs, place) => {
    for (const axis of attrs.axes) staticDim(operands[0].shape[axis], `${place}, axis ${axis}`);
    return inferReduce(operands, attrs, place);
  },
  vjp: ({ b, dY, operands: [x], attrs }) => [b.broadcastTo(b.mul(spread(b, dY, x, attrs), 1 / countOf(x.shape, attrs.axes)), x.shape)],
  evaluate: ([x], { axes }, [shape = []]) => {
    const sum = reducePlain(x, axes, shape, 0, (total, value) => total + value);
    return plain(
      shape,
      sum.data.map((value) => value / countOf(x.shape, axes)),
    );
  },
  samples: reduceSamples,
});

function countOf(shape: Shape, axes: readonly number[]): number {
  return axes.reduce((product, axis) => product * staticDim(shape[axis], 'mean'), 1);
}

const reduceMax = defineOp<1, ReduceAttrs>({
  traits: ['reduction'],
  infer: inferReduce,
  // The gradient is shared equally among equal largest elements.
  vjp: ({ b, dY, operands: [x], attrs, y }) => {
    const isLargest = b.cast(b.equal(x, spread(b, y, x, attrs)), x.dtype);
    const share = b.div(spread(b, dY, x, attrs), b.reduceSum(isLargest, attrs.axes, true));
    return [b.mul(isLargest, share)];
  },
  evaluate: ([x], { axes }, [shape = []]) => reducePlain(x, axes, shape, Number.NEGATIVE_INFINITY, Math.max),
  samples: reduceSamples,
});

const argMax = defineOp<1, AxisAttrs>({
  traits: ['reduction'],
  infer: ([x], { axis }, place) => {
    normalizeAxis(axis, x.shape.length, place);
    if (x.shape[axis] === 0) throw new AppError('shape_mismatch', `${place}: axis ${axis} is empty.`);
    return { dtype: 'int64', shape: x.shape.filter((_, position) => position !== axis) };
  },
  vjp: () => [null],
  evaluate: ([x], { axis }, [shape = []]) => {
    const [outer, size, inner] = around(x.shape, axis);
    const result = plain(shape);
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) {
        let best = 0;
        for (let k = 1; k < size; k++) if (read(x, (o * size + k) * inner + i) > read(x, (o * size + best) * inner + i)) best = k;
        result.data[o * inner + i] = best;
      }
    return result;
  },
  samples: [
    { operands: [normal(2, 5)], attrs: { axis: 1 } },
    { operands: [normal(4, 2, 3)], attrs: { axis: 0 } },
  ],
});

export const reduceOps = { reduceSum, reduceMean, reduceMax, argMax };

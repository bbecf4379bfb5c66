// Elementwise ops of two and three operands, with NumPy broadcasting.
import { broadcastShapes, type Shape, sameShape } from '#tensor';
import { defineOp, type Emitter, type OpDefinition, type Trait } from '../op.ts';
import { mapBroadcast } from '../plain.ts';
import type { Value } from '../types.ts';
import { flags, given, inferBroadcast, normal, positive, requireDtype, requireSame } from './checks.ts';

/** Sums a gradient over the axes along which its operand was repeated. */
export function unbroadcast(b: Emitter, gradient: Value, shape: Shape): Value {
  if (sameShape(gradient.shape, shape)) return gradient;
  const missing = gradient.shape.length - shape.length;
  const repeated = gradient.shape.flatMap((dim, axis) => (axis < missing || (shape[axis - missing] === 1 && dim !== 1) ? [axis] : []));
  const summed = repeated.length === 0 ? gradient : b.reduceSum(gradient, repeated, true);
  return sameShape(summed.shape, shape) ? summed : b.reshape(summed, shape);
}

interface Arithmetic {
  readonly f: (x: number, y: number) => number;
  /** Gradients before the sum over repeated axes; called only for the sides that are needed. */
  readonly dX: (b: Emitter, dY: Value, x: Value, y: Value, result: Value) => Value;
  readonly dSecond: (b: Emitter, dY: Value, x: Value, y: Value, result: Value) => Value;
  readonly positiveSecond?: boolean;
  readonly traits?: readonly Trait[];
}

function arithmetic({ f, dX, dSecond, positiveSecond, traits = [] }: Arithmetic): OpDefinition<2, object> {
  const second = positiveSecond ? positive : normal;
  return defineOp<2>({
    traits: ['elementwise', ...traits],
    infer: ([x, y], _, place) => inferBroadcast(x, y, place),
    vjp: ({ b, dY, operands: [x, y], y: result, needed }) => [
      needed[0] ? unbroadcast(b, dX(b, dY, x, y, result), x.shape) : null,
      needed[1] ? unbroadcast(b, dSecond(b, dY, x, y, result), y.shape) : null,
    ],
    evaluate: ([x, y], _, [shape = []]) => mapBroadcast([x, y], shape, ([left = 0, right = 0]) => f(left, right)),
    samples: [
      { operands: [normal(), second()] },
      { operands: [normal(2, 3), second(2, 3)] },
      { operands: [normal(2, 1, 3), second(4, 1)], note: 'both sides broadcast' },
      { operands: [normal(0, 4), second(4)] },
    ],
  });
}

/** A comparison: bool result, no gradient. */
function comparison(f: (x: number, y: number) => boolean): OpDefinition<2, object> {
  return defineOp<2>({
    traits: ['elementwise'],
    infer: ([x, y], _, place) => ({ ...inferBroadcast(x, y, place), dtype: 'bool' }),
    vjp: () => [null, null],
    evaluate: ([x, y], _, [shape = []]) => mapBroadcast([x, y], shape, ([left = 0, right = 0]) => (f(left, right) ? 1 : 0)),
    samples: [
      { operands: [normal(2, 3), normal(2, 3)] },
      { operands: [given([2, 3], [1, 2, 3, 3, 2, 1], 'int64'), given([3], [1, 2, 3], 'int64')], note: 'integers, broadcast' },
    ],
  });
}

const and = defineOp<2>({
  traits: ['elementwise', 'commutative'],
  infer: ([x, y], _, place) => {
    requireDtype(x, 'bool', place);
    return inferBroadcast(x, y, place);
  },
  vjp: () => [null, null],
  evaluate: ([x, y], _, [shape = []]) => mapBroadcast([x, y], shape, ([left = 0, right = 0]) => (left !== 0 && right !== 0 ? 1 : 0)),
  samples: [{ operands: [flags(2, 3), flags(3)] }],
});

const where = defineOp<3>({
  traits: ['elementwise'],
  infer: ([condition, x, y], _, place) => {
    requireDtype(condition, 'bool', place);
    requireSame(x, y, place);
    return { dtype: x.dtype, shape: broadcastShapes(condition.shape, broadcastShapes(x.shape, y.shape, place), place) };
  },
  vjp: ({ b, dY, operands: [condition, x, y], needed }) => [
    null,
    needed[1] ? unbroadcast(b, b.where(condition, dY, 0), x.shape) : null,
    needed[2] ? unbroadcast(b, b.where(condition, 0, dY), y.shape) : null,
  ],
  evaluate: ([condition, x, y], _, [shape = []]) =>
    mapBroadcast([condition, x, y], shape, ([flag = 0, left = 0, right = 0]) => (flag !== 0 ? left : right)),
  samples: [{ operands: [flags(2, 3), normal(2, 3), normal(2, 3)] }, { operands: [flags(2, 1), normal(3), normal()], note: 'broadcast' }],
});

const float = (b: Emitter, condition: Value, like: Value): Value => b.cast(condition, like.dtype);

export const binaryOps = {
  and,
  where,
  less: comparison((x, y) => x < y),
  equal: comparison((x, y) => x === y),
  add: arithmetic({ f: (x, y) => x + y, dX: (_, dY) => dY, dSecond: (_, dY) => dY, traits: ['commutative'] }),
  sub: arithmetic({ f: (x, y) => x - y, dX: (_, dY) => dY, dSecond: (b, dY) => b.neg(dY) }),
  mul: arithmetic({
    f: (x, y) => x * y,
    dX: (b, dY, _, y) => b.mul(dY, y),
    dSecond: (b, dY, x) => b.mul(dY, x),
    traits: ['commutative'],
  }),
  // d(x/y)/dy = -(x/y)/y
  div: arithmetic({
    f: (x, y) => x / y,
    dX: (b, dY, _, y) => b.div(dY, y),
    dSecond: (b, dY, _x, y, result) => b.neg(b.div(b.mul(dY, result), y)),
    positiveSecond: true,
  }),
  // Where both are equal the whole gradient goes to the second operand.
  maximum: arithmetic({
    f: Math.max,
    dX: (b, dY, x, y) => b.mul(dY, float(b, b.less(y, x), dY)),
    dSecond: (b, dY, x, y) => b.mul(dY, float(b, b.not(b.less(y, x)), dY)),
  }),
  minimum: arithmetic({
    f: Math.min,
    dX: (b, dY, x, y) => b.mul(dY, float(b, b.less(x, y), dY)),
    dSecond: (b, dY, x, y) => b.mul(dY, float(b, b.not(b.less(x, y)), dY)),
  }),
};

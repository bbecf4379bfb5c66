// Elementwise ops of one operand.
import type { DType } from '#tensor';
import { defineOp, type Emitter, type OpDefinition } from '../op.ts';
import { erfPlain, mapPlain, roundPlain } from '../plain.ts';
import type { CastAttrs, Value } from '../types.ts';
import { flags, given, normal, positive, requireDtype, requireFloat } from './checks.ts';

interface Smooth {
  readonly f: (x: number) => number;
  /** dY times the derivative, from the operand or, where that is cheaper, from the result. */
  readonly backward: (b: Emitter, dY: Value, x: Value, y: Value) => Value;
  readonly domain?: 'positive';
}

/** A differentiable function of a floating-point tensor. */
function smooth({ f, backward, domain }: Smooth): OpDefinition<1, object> {
  const operand = domain === 'positive' ? positive : normal;
  return defineOp<1>({
    traits: ['elementwise'],
    infer: ([x], _, place) => requireFloat(x, place),
    vjp: ({ b, dY, operands: [x], y }) => [backward(b, dY, x, y)],
    evaluate: ([x]) => mapPlain(x, f),
    samples: [{ operands: [operand()] }, { operands: [operand(2, 3)] }, { operands: [operand(0, 4)] }],
  });
}

/** A step function: its gradient is zero wherever it exists, so none is sent. */
function step(f: (x: number) => number): OpDefinition<1, object> {
  return defineOp<1>({
    traits: ['elementwise'],
    infer: ([x], _, place) => requireFloat(x, place),
    vjp: () => [null],
    evaluate: ([x]) => mapPlain(x, f),
    samples: [{ operands: [normal(2, 3)] }, { operands: [given([6], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])], note: 'ties' }],
  });
}

/** Rounds half to even, as IEEE 754 and ONNX do. */
function roundToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

const not = defineOp<1>({
  traits: ['elementwise'],
  infer: ([x], _, place) => {
    requireDtype(x, 'bool', place);
    return x;
  },
  vjp: () => [null],
  evaluate: ([x]) => mapPlain(x, (value) => (value === 0 ? 1 : 0)),
  samples: [{ operands: [flags(2, 3)] }],
});

const stopGradient = defineOp<1>({
  traits: ['elementwise'],
  infer: ([x]) => x,
  vjp: () => [null],
  evaluate: ([x]) => x,
  samples: [{ operands: [normal(2, 3)] }],
});

const isFloatType = (dtype: DType): boolean => dtype.startsWith('float') || dtype === 'bfloat16';

const cast = defineOp<1, CastAttrs>({
  traits: ['elementwise'],
  infer: ([x], { to }) => ({ dtype: to, shape: x.shape }),
  vjp: ({ b, dY, operands: [x], attrs }) => [isFloatType(attrs.to) && isFloatType(x.dtype) ? b.cast(dY, x.dtype) : null],
  evaluate: ([x], { to }) => {
    if (to === 'bool') return mapPlain(x, (value) => (value === 0 ? 0 : 1));
    return isFloatType(to) ? roundPlain(x, to) : mapPlain(x, Math.trunc);
  },
  samples: [
    { operands: [normal(2, 3)], attrs: { to: 'float32' } },
    { operands: [given([4], [1, 0, 3, 2], 'int64')], attrs: { to: 'float32' }, note: 'integers to floats' },
    { operands: [given([4], [1.7, -1.7, 0, 2])], attrs: { to: 'int64' }, note: 'floats truncate' },
    { operands: [flags(3)], attrs: { to: 'float32' }, note: 'booleans to floats' },
    { operands: [given([5], [1 / 3, -2049, 6.1e-5, 1e-7, 0])], attrs: { to: 'float16' }, note: 'floats round to half precision' },
    { operands: [given([5], [1 / 3, -2049, 1.001, 3e38, 0])], attrs: { to: 'bfloat16' }, note: 'floats round to bfloat16' },
  ],
});

export const unaryOps = {
  cast,
  not,
  stopGradient,
  neg: smooth({ f: (x) => -x, backward: (b, dY) => b.neg(dY) }),
  exp: smooth({ f: Math.exp, backward: (b, dY, _, y) => b.mul(dY, y) }),
  log: smooth({ f: Math.log, backward: (b, dY, x) => b.div(dY, x), domain: 'positive' }),
  // d sqrt(x)/dx = 1 / (2 sqrt(x))
  sqrt: smooth({ f: Math.sqrt, backward: (b, dY, _, y) => b.div(b.mul(dY, 0.5), y), domain: 'positive' }),
  // d (1/x)/dx = -(1/x)^2
  reciprocal: smooth({ f: (x) => 1 / x, backward: (b, dY, _, y) => b.neg(b.mul(dY, b.mul(y, y))), domain: 'positive' }),
  // d tanh(x)/dx = 1 - tanh(x)^2, from the result so that x need not be kept.
  tanh: smooth({ f: Math.tanh, backward: (b, dY, _, y) => b.mul(dY, b.sub(1, b.mul(y, y))) }),
  // d erf(x)/dx = 2/sqrt(pi) exp(-x^2)
  erf: smooth({
    f: erfPlain,
    backward: (b, dY, x) => b.mul(dY, b.mul(b.exp(b.neg(b.mul(x, x))), 2 / Math.sqrt(Math.PI))),
  }),
  // d sigmoid(x)/dx = y (1 - y)
  sigmoid: smooth({ f: (x) => 1 / (1 + Math.exp(-x)), backward: (b, dY, _, y) => b.mul(dY, b.mul(y, b.sub(1, y))) }),
  // At 0 the subgradient 0 is taken.
  abs: smooth({ f: Math.abs, backward: (b, dY, x) => b.mul(dY, b.sign(x)) }),
  sin: smooth({ f: Math.sin, backward: (b, dY, x) => b.mul(dY, b.cos(x)) }),
  cos: smooth({ f: Math.cos, backward: (b, dY, x) => b.neg(b.mul(dY, b.sin(x))) }),
  sign: step(Math.sign),
  floor: step(Math.floor),
  round: step(roundToEven),
};

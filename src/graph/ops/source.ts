// Ops without operands: inputs, constants and counting.
import { toNumbers } from '#tensor';
import { defineOp } from '../op.ts';
import { plain } from '../plain.ts';
import type { ConstantAttrs, InputAttrs, RangeAttrs } from '../types.ts';

const input = defineOp<0, InputAttrs>({
  traits: ['source'],
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  vjp: () => [],
  evaluate: (_operands, _attrs, [shape = []]) => plain(shape), // engines bind inputs; only the shape is meant here
  samples: [],
});

const constant = defineOp<0, ConstantAttrs>({
  traits: ['source'],
  infer: (_, { value }) => ({ dtype: value.dtype, shape: value.shape }),
  vjp: () => [],
  evaluate: (_, { value }) => plain(value.shape, Float64Array.from(toNumbers(value))),
  samples: [{ operands: [], attrs: { value: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, -2, 3.5, 0) } } }],
});

const range = defineOp<0, RangeAttrs>({
  traits: ['source'],
  infer: (_, { size }) => ({ dtype: 'int64', shape: [size] }),
  vjp: () => [],
  evaluate: (_operands, _attrs, [shape = []]) =>
    plain(
      shape,
      Float64Array.from({ length: shape[0] ?? 0 }, (_, index) => index),
    ),
  samples: [{ operands: [], attrs: { size: 5 } }],
});

export const sourceOps = { input, constant, range };

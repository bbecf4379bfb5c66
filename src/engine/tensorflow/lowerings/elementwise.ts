// TensorFlow for ops that work element by element, casts, counting and comparisons.
import { at } from '#base';
import { int64, isFloat } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';

type Row = (operands: readonly Slot[], attrs: object, emit: PlanBuilder) => Slot;

const plain =
  (op: string): Row =>
  (operands, _attrs, emit) =>
    emit.op(op, operands);

export const elementwise: LoweringFamily<
  | 'range'
  | 'cast'
  | 'neg'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'reciprocal'
  | 'tanh'
  | 'erf'
  | 'sigmoid'
  | 'abs'
  | 'sign'
  | 'sin'
  | 'cos'
  | 'floor'
  | 'round'
  | 'not'
  | 'stopGradient'
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'maximum'
  | 'minimum'
  | 'less'
  | 'equal'
  | 'and'
  | 'where'
> = {
  range: (_operands, _attrs, emit, { resultShapes }) => {
    const size = at(at(resultShapes, 0), 0);
    return emit.constant(
      int64(
        [size],
        Array.from({ length: size }, (_, index) => index),
      ),
    );
  },
  cast: ([x], { to }, emit, { node }) => (at(node.operands, 0).dtype === to ? x : emit.op('Cast', [x], { DstT: { type: to } })),

  neg: plain('Neg'),
  exp: plain('Exp'),
  log: plain('Log'),
  sqrt: plain('Sqrt'),
  reciprocal: plain('Reciprocal'),
  tanh: plain('Tanh'),
  erf: plain('Erf'),
  sigmoid: plain('Sigmoid'),
  abs: plain('Abs'),
  sign: plain('Sign'),
  sin: plain('Sin'),
  cos: plain('Cos'),
  floor: plain('Floor'),
  // Halves go to the even neighbour, as ours do.
  round: plain('Round'),
  not: plain('LogicalNot'),
  stopGradient: ([x]) => x,

  add: plain('AddV2'),
  sub: plain('Sub'),
  mul: plain('Mul'),
  div: ([x, y], _attrs, emit, { node }) => emit.op(isFloat(at(node.types, 0).dtype) ? 'RealDiv' : 'TruncateDiv', [x, y]),
  maximum: plain('Maximum'),
  minimum: plain('Minimum'),
  less: plain('Less'),
  equal: plain('Equal'),
  and: plain('LogicalAnd'),
  where: plain('SelectV2'),
};

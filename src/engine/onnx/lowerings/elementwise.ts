// ONNX for ops that work element by element, casts, sources and comparisons.
import { at } from '#base';
import { int64 } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType } from '../onnx-proto.ts';

type Unary = ([x]: readonly [Ref], attrs: object, emit: ModelBuilder) => Ref;
type Binary = ([x, y]: readonly [Ref, Ref], attrs: object, emit: ModelBuilder) => Ref;

const unary =
  (opType: string): Unary =>
  ([x], _attrs, emit) =>
    emit.op(opType, [x]);

const binary =
  (opType: string): Binary =>
  ([x, y], _attrs, emit) =>
    emit.op(opType, [x, y]);

/**
 * 1/(1 + e^-x). The runtime has Sigmoid for float64, but rewrites x·Sigmoid(x) of any type into a kernel that exists for
 * float32 only.
 */
export function doubleSigmoid(x: Ref, emit: ModelBuilder): Ref {
  return emit.op('Reciprocal', [emit.op('Add', [emit.op('Exp', [emit.op('Neg', [x])]), emit.scalar(1, 'float64')])]);
}

// Ranges up to this length are stored; longer ones are computed at every run.
const storedRangeLength = 65536;

export const elementwise: LoweringFamily<
  | 'constant'
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
  constant: (_operands, { value }, emit) => emit.constant(value),
  range: (_operands, { size }, emit) =>
    typeof size === 'number' && size <= storedRangeLength
      ? emit.constant(
          int64(
            [size],
            Array.from({ length: size }, (_, index) => index),
          ),
        )
      : emit.op('Range', [emit.scalar(0, 'int64'), emit.scalarSize(size), emit.scalar(1, 'int64')]),
  cast: ([x], { to }, emit, { node }) => (at(node.operands, 0).dtype === to ? x : emit.op('Cast', [x], { to: elementType[to] })),

  neg: unary('Neg'),
  exp: unary('Exp'),
  log: unary('Log'),
  sqrt: unary('Sqrt'),
  reciprocal: unary('Reciprocal'),
  tanh: unary('Tanh'),
  erf: unary('Erf'),
  sigmoid: ([x], _attrs, emit, { node }) => (at(node.operands, 0).dtype === 'float64' ? doubleSigmoid(x, emit) : emit.op('Sigmoid', [x])),
  abs: unary('Abs'),
  sign: unary('Sign'),
  sin: unary('Sin'),
  cos: unary('Cos'),
  floor: unary('Floor'),
  round: unary('Round'),
  not: unary('Not'),
  stopGradient: ([x]) => x,

  add: binary('Add'),
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: binary('Div'),
  maximum: binary('Max'),
  minimum: binary('Min'),
  less: binary('Less'),
  equal: binary('Equal'),
  and: binary('And'),
  where: ([condition, x, y], _attrs, emit, { node }) => {
    if (at(node.types, 0).dtype !== 'bool') return emit.op('Where', [condition, x, y]);
    // The runtime's Where does not choose between booleans.
    return emit.op('Or', [emit.op('And', [condition, x]), emit.op('And', [emit.op('Not', [condition]), y])]);
  },
};

// TensorFlow for reductions, normalizations, activations and losses.
import { at } from '#base';
import type { ReduceAttrs } from '#graph';
import type { DType } from '#tensor';
import type { LoweringContext, LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { pickLast } from './movement.ts';

type Reduction = ([x]: readonly [Slot], attrs: ReduceAttrs, emit: PlanBuilder) => Slot;

const reduction =
  (op: string): Reduction =>
  ([x], { axes, keepDims }, emit) =>
    axes.length === 0 ? x : emit.op(op, [x, emit.integers(axes)], { keep_dims: keepDims });

/** mean over the last axis, kept */
function lastMean(x: Slot, emit: PlanBuilder): Slot {
  return emit.op('Mean', [x, emit.integers([-1])], { keep_dims: true });
}

/** 1/√(mean square + ε) over the last axis, kept */
function inverseRootMeanSquare(x: Slot, epsilon: number, dtype: DType, emit: PlanBuilder): Slot {
  return emit.op('Rsqrt', [emit.op('AddV2', [lastMean(emit.op('Square', [x]), emit), emit.scalar(epsilon, dtype)])]);
}

/** x · (1 + inner) / 2 */
function halfGated(x: Slot, inner: Slot, dtype: DType, emit: PlanBuilder): Slot {
  return emit.op('Mul', [emit.op('Mul', [x, emit.scalar(0.5, dtype)]), emit.op('AddV2', [inner, emit.scalar(1, dtype)])]);
}

/** The kernels work along the last axis: another one is brought there and back. */
function alongAxis(op: string): ([x]: readonly [Slot], attrs: { readonly axis: number }, emit: PlanBuilder, c: LoweringContext) => Slot {
  return ([x], { axis }, emit, { shapes }) => {
    const rank = at(shapes, 0).length;
    if (axis === rank - 1) return emit.op(op, [x]);
    const swapped = Array.from({ length: rank }, (_, index) => (index === axis ? rank - 1 : index === rank - 1 ? axis : index));
    const order = emit.integers(swapped);
    return emit.op('Transpose', [emit.op(op, [emit.op('Transpose', [x, order])]), order]);
  };
}

export const reductions: LoweringFamily<
  | 'reduceSum'
  | 'reduceMean'
  | 'reduceMax'
  | 'argMax'
  | 'softmax'
  | 'logSoftmax'
  | 'layerNorm'
  | 'rmsNorm'
  | 'gelu'
  | 'geluTanh'
  | 'silu'
  | 'crossEntropy'
> = {
  reduceSum: reduction('Sum'),
  reduceMean: reduction('Mean'),
  reduceMax: reduction('Max'),
  argMax: ([x], { axis }, emit) => emit.op('ArgMax', [x, emit.scalar(axis, 'int32')], { output_type: { type: 'int64' } }),
  softmax: alongAxis('Softmax'),
  logSoftmax: alongAxis('LogSoftmax'),

  layerNorm: ([x, gain, bias], { epsilon }, emit, { node }) => {
    const mean = lastMean(x, emit);
    const centred = emit.op('Sub', [x, mean]);
    const inverse = inverseRootMeanSquare(centred, epsilon, at(node.operands, 0).dtype, emit);
    const normal = emit.op('Mul', [centred, inverse]);
    return [emit.op('AddV2', [emit.op('Mul', [normal, gain]), bias]), mean, inverse];
  },
  rmsNorm: ([x, gain], { epsilon }, emit, { node }) => {
    const inverse = inverseRootMeanSquare(x, epsilon, at(node.operands, 0).dtype, emit);
    return [emit.op('Mul', [emit.op('Mul', [x, inverse]), gain]), inverse];
  },
  gelu: ([x], _attrs, emit, { node }) => {
    const { dtype } = at(node.operands, 0);
    return halfGated(x, emit.op('Erf', [emit.op('Mul', [x, emit.scalar(Math.SQRT1_2, dtype)])]), dtype, emit);
  },
  geluTanh: ([x], _attrs, emit, { node }) => {
    const { dtype } = at(node.operands, 0);
    // √(2/π)·x·(1 + 0.044715·x²)
    const cubic = emit.op('AddV2', [emit.op('Mul', [emit.op('Square', [x]), emit.scalar(0.044715, dtype)]), emit.scalar(1, dtype)]);
    const scaled = emit.op('Mul', [emit.op('Mul', [x, emit.scalar(Math.sqrt(2 / Math.PI), dtype)]), cubic]);
    return halfGated(x, emit.op('Tanh', [scaled]), dtype, emit);
  },
  silu: ([x], _attrs, emit) => emit.op('Mul', [x, emit.op('Sigmoid', [x])]),
  crossEntropy: ([logits, labels], _attrs, emit) => {
    const logProbabilities = emit.op('LogSoftmax', [logits]);
    return [emit.op('Neg', [pickLast(logProbabilities, labels, 2, emit)]), logProbabilities];
  },
};

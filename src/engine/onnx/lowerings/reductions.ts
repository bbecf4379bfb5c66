// ONNX for reductions, normalizations, activations and losses.
import { at } from '#base';
import type { ReduceAttrs } from '#graph';
import type { DType } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { doubleSigmoid } from './elementwise.ts';
import { pickLast } from './movement.ts';

type Reduction = ([x]: readonly [Ref], attrs: ReduceAttrs, emit: ModelBuilder) => Ref;

const reduction =
  (opType: string): Reduction =>
  ([x], { axes, keepDims }, emit) =>
    axes.length === 0 ? x : emit.op(opType, [x, emit.integers(axes)], { keepdims: Number(keepDims) });

/** mean over the last axis, kept */
function lastMean(x: Ref, emit: ModelBuilder): Ref {
  return emit.op('ReduceMean', [x, emit.integers([-1])], { keepdims: 1 });
}

/** 1/√(mean square + ε) over the last axis, kept */
function inverseRootMeanSquare(x: Ref, epsilon: number, dtype: DType, emit: ModelBuilder): Ref {
  const meanSquare = lastMean(emit.op('Mul', [x, x]), emit);
  return emit.op('Reciprocal', [emit.op('Sqrt', [emit.op('Add', [meanSquare, emit.scalar(epsilon, dtype)])])]);
}

/** x · (1 + inner) / 2 */
function halfGated(x: Ref, inner: Ref, dtype: DType, emit: ModelBuilder): Ref {
  return emit.op('Mul', [emit.op('Mul', [x, emit.scalar(0.5, dtype)]), emit.op('Add', [inner, emit.scalar(1, dtype)])]);
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
  reduceSum: reduction('ReduceSum'),
  reduceMean: reduction('ReduceMean'),
  reduceMax: reduction('ReduceMax'),
  argMax: ([x], { axis }, emit) => emit.op('ArgMax', [x], { axis, keepdims: 0 }),
  softmax: ([x], { axis }, emit) => emit.op('Softmax', [x], { axis }),
  logSoftmax: ([x], { axis }, emit) => emit.op('LogSoftmax', [x], { axis }),

  // The fused kernels of this family exist for float32 only; other types are composed.
  layerNorm: ([x, gain, bias], { epsilon }, emit, { node, isUsed }) => {
    const { dtype } = at(node.operands, 0);
    if (dtype === 'float32') {
      const numOutputs = isUsed(2) ? 3 : isUsed(1) ? 2 : 1;
      return emit.ops('LayerNormalization', [x, gain, bias], numOutputs, { axis: -1, epsilon: { float: epsilon } });
    }
    const mean = lastMean(x, emit);
    const centred = emit.op('Sub', [x, mean]);
    const inverse = inverseRootMeanSquare(centred, epsilon, dtype, emit);
    const normal = emit.op('Mul', [centred, inverse]);
    return [emit.op('Add', [emit.op('Mul', [normal, gain]), bias]), mean, inverse];
  },
  rmsNorm: ([x, gain], { epsilon }, emit, { node, isUsed, portable }) => {
    const { dtype } = at(node.operands, 0);
    if (dtype === 'float32' && !portable)
      return emit.ops('SimplifiedLayerNormalization', [x, gain], isUsed(1) ? 2 : 1, { axis: -1, epsilon: { float: epsilon } });
    const inverse = inverseRootMeanSquare(x, epsilon, dtype, emit);
    return [emit.op('Mul', [emit.op('Mul', [x, inverse]), gain]), inverse];
  },
  gelu: ([x], _attrs, emit, { node }) => {
    const { dtype } = at(node.operands, 0);
    if (dtype === 'float32') return emit.op('Gelu', [x], { approximate: 'none' });
    return halfGated(x, emit.op('Erf', [emit.op('Mul', [x, emit.scalar(Math.SQRT1_2, dtype)])]), dtype, emit);
  },
  geluTanh: ([x], _attrs, emit, { node }) => {
    const { dtype } = at(node.operands, 0);
    if (dtype === 'float32') return emit.contrib('FastGelu', [x]);
    // √(2/π)·x·(1 + 0.044715·x²)
    const cubic = emit.op('Add', [emit.op('Mul', [emit.op('Mul', [x, x]), emit.scalar(0.044715, dtype)]), emit.scalar(1, dtype)]);
    const scaled = emit.op('Mul', [emit.op('Mul', [x, emit.scalar(Math.sqrt(2 / Math.PI), dtype)]), cubic]);
    return halfGated(x, emit.op('Tanh', [scaled]), dtype, emit);
  },
  silu: ([x], _attrs, emit, { node }) => {
    const { dtype } = at(node.operands, 0);
    if (dtype === 'float32') return emit.contrib('QuickGelu', [x], { alpha: { float: 1 } });
    return emit.op('Mul', [x, dtype === 'float64' ? doubleSigmoid(x, emit) : emit.op('Sigmoid', [x])]);
  },
  crossEntropy: ([logits, labels], _attrs, emit) => {
    const logProbabilities = emit.op('LogSoftmax', [logits], { axis: -1 });
    return [emit.op('Neg', [pickLast(logProbabilities, labels, emit)]), logProbabilities];
  },
};

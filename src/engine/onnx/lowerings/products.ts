// ONNX for matrix products and attention.
import { at } from '#base';
import type { AttrsOf, Node, Value } from '#graph';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { packedRows } from '../packed-attention-fusion.ts';
import { reshapeTarget } from './movement.ts';

function swapLastAxes(x: Ref, rank: number, emit: ModelBuilder): Ref {
  const permutation = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return emit.op('Transpose', [x], { perm: permutation });
}

export const products: LoweringFamily<'matmul' | 'groupQueryAttention' | 'biasedGroupQueryAttention'> = {
  matmul: ([a, b], { transposeA, transposeB, scale }, emit, { node }) => {
    if (!transposeA && !transposeB && scale === 1) return emit.op('MatMul', [a, b]);
    const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
    if (left.dtype === 'float32')
      return emit.contrib('FusedMatMul', [a, b], { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } });
    // The fused kernel exists for float32 only.
    const product = emit.op('MatMul', [
      transposeA ? swapLastAxes(a, left.shape.length, emit) : a,
      transposeB ? swapLastAxes(b, right.shape.length, emit) : b,
    ]);
    return scale === 1 ? product : emit.op('Mul', [product, emit.scalar(scale, left.dtype)]);
  },

  groupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, emit, { node, refOf }) =>
    emit.contrib(
      'GroupQueryAttention',
      [...queriesKeysValues([q, k, v], node, refOf, emit), pastKey, pastValue, lastIndex, totalLength],
      attentionAttributes(attrs),
      3,
    ),

  // Between them are the operands for rotary positions.
  biasedGroupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, emit, { node, refOf }) =>
    emit.contrib(
      'GroupQueryAttention',
      [...queriesKeysValues([q, k, v], node, refOf, emit), pastKey, pastValue, lastIndex, totalLength, '', '', '', bias],
      attentionAttributes(attrs),
      3,
    ),
};

/** The kernel takes rows that hold all three as one operand. */
function queriesKeysValues(apart: readonly Ref[], node: Node, refOf: (value: Value) => Ref, emit: ModelBuilder): readonly Ref[] {
  const packed = packedRows(node);
  if (packed === undefined) return apart;
  const [B, T] = at(node.operands, 0).shape;
  const to = [B ?? 1, T ?? 1, packed.shape[1] ?? 1]; // [B, T, (H+2G)*K]
  return [emit.op('Reshape', [refOf(packed), reshapeTarget(packed.shape, to, emit)]), '', ''];
}

function attentionAttributes({ heads, keyValueHeads, scale, window, softCap }: AttrsOf<'groupQueryAttention'>) {
  return {
    num_heads: heads,
    kv_num_heads: keyValueHeads,
    scale: { float: scale },
    ...(window === undefined ? {} : { local_window_size: window }),
    ...(softCap === undefined ? {} : { softcap: { float: softCap } }),
  };
}

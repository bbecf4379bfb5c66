// ONNX for matrix products and attention.
import { at } from '#base';
import type { AttrsOf } from '#graph';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';

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

  groupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, emit) =>
    emit.contrib('GroupQueryAttention', [q, k, v, pastKey, pastValue, lastIndex, totalLength], attentionAttributes(attrs), 3),

  // Between them are the operands for rotary positions.
  biasedGroupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, emit) =>
    emit.contrib(
      'GroupQueryAttention',
      [q, k, v, pastKey, pastValue, lastIndex, totalLength, '', '', '', bias],
      attentionAttributes(attrs),
      3,
    ),
};

function attentionAttributes({ heads, keyValueHeads, scale, window, softCap }: AttrsOf<'groupQueryAttention'>) {
  return {
    num_heads: heads,
    kv_num_heads: keyValueHeads,
    scale: { float: scale },
    ...(window === undefined ? {} : { local_window_size: window }),
    ...(softCap === undefined ? {} : { softcap: { float: softCap } }),
  };
}

// ONNX for matrix products and attention.
import { at } from '#base';
import type { AttrsOf, MatmulAttrs, Node } from '#graph';
import { int64, isNarrowFloat } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType, type OnnxAttribute } from '../onnx-proto.ts';
import { attentionRows } from './attention-rows.ts';
import { canAttend, fewPositions, ownAttention } from './own-attention.ts';

function swapLastAxes(x: Ref, rank: number, emit: ModelBuilder): Ref {
  const permutation = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  return emit.op('Transpose', [x], { perm: permutation });
}

/** What one product is computed by. */
type Kernel = 'fused' | 'plain';

function multiply([a, b]: readonly [Ref, Ref], attrs: MatmulAttrs, node: Node, kernel: Kernel, emit: ModelBuilder): Ref {
  const { transposeA, transposeB, scale } = attrs;
  if (!transposeA && !transposeB && scale === 1) return emit.op('MatMul', [a, b]);
  if (kernel === 'fused')
    return at(emit.contrib('FusedMatMul', [a, b], { transA: Number(transposeA), transB: Number(transposeB), alpha: { float: scale } }), 0);
  const [left, right] = [at(node.operands, 0), at(node.operands, 1)];
  const product = emit.op('MatMul', [
    transposeA ? swapLastAxes(a, left.shape.length, emit) : a,
    transposeB ? swapLastAxes(b, right.shape.length, emit) : b,
  ]);
  return scale === 1 ? product : emit.op('Mul', [product, emit.scalar(scale, left.dtype)]);
}

export const products: LoweringFamily<'matmul' | 'groupQueryAttention' | 'biasedGroupQueryAttention'> = {
  matmul: ([a, b], attrs, emit, { node, portable, narrowProducts }) => {
    const { dtype } = at(node.types, 0);
    const kernel = isNarrowFloat(dtype) && !portable ? narrowProducts.get(dtype) : dtype === 'float32' ? 'fused' : 'plain';
    if (kernel !== undefined) return multiply([a, b], attrs, node, kernel, emit);
    // Left to itself the runtime would compute in float32 too, but without the rounding.
    const wide = [a, b].map((operand, index) =>
      emit.describe(emit.op('Cast', [operand], { to: elementType.float32 }), 'float32', at(node.operands, index).shape),
    );
    const product = multiply([at(wide, 0), at(wide, 1)], attrs, node, 'fused', emit);
    return emit.op('Cast', [emit.describe(product, 'float32', at(node.types, 0).shape)], { to: elementType[dtype] });
  },

  groupQueryAttention: ([q, k, v, ...cache], attrs, emit, { node, refOf, ownKernels }) => {
    const rows = attentionRows([q, k, v], node, refOf, emit);
    const runtimes = (): Ref[] => emit.contrib('GroupQueryAttention', [...rows.operands, ...cache], attentionAttributes(attrs), 3);
    if (!ownKernels || !canAttend(node, attrs)) return runtimes();
    const few = (): Ref[] => ownAttention(rows, cache, [], node, attrs, emit);
    const T = at(node.operands, 0).shape[1] ?? 1;
    if (typeof T === 'number') return T <= fewPositions ? few() : runtimes();
    const isLong = emit.op('Greater', [emit.scalarSize(T), emit.constant(int64([], [fewPositions]))]);
    return emit.branches(isLong, node.types, { whenTrue: runtimes, whenFalse: few });
  },

  // Between them are the operands for rotary positions.
  biasedGroupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, emit, { node, refOf }) =>
    emit.contrib(
      'GroupQueryAttention',
      [...attentionRows([q, k, v], node, refOf, emit).operands, pastKey, pastValue, lastIndex, totalLength, '', '', '', bias],
      attentionAttributes(attrs),
      3,
    ),
};

/** What all kernels of attention over a cache are told. */
export function attentionAttributes({
  heads,
  keyValueHeads,
  scale,
  window,
  softCap,
}: AttrsOf<'groupQueryAttention'>): Readonly<Record<string, OnnxAttribute>> {
  return {
    num_heads: heads,
    kv_num_heads: keyValueHeads,
    scale: { float: scale },
    ...(window === undefined ? {} : { local_window_size: window }),
    ...(softCap === undefined ? {} : { softcap: { float: softCap } }),
  };
}

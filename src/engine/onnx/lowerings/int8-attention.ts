// ONNX for attention over a cache of 8-bit codes: the runtime's kernel for few new positions, products of floats for long pieces of prompts.
import { at } from '#base';
import type { AttrsOf, Node } from '#graph';
import { float32, int64 } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType } from '../onnx-proto.ts';
import { type AttentionRows, attentionRows } from './attention-rows.ts';
import { canAttend, fewPositions, ownAttention } from './own-attention.ts';
import { attentionAttributes } from './products.ts';

export const int8Attention: LoweringFamily<'int8GroupQueryAttention'> = {
  int8GroupQueryAttention: (operands, attrs, emit, { node, refOf, ownKernels }) => {
    const [q, k, v, pastKey, pastValue, lastIndex, totalLength, keyScales, valueScales] = operands;
    const rows = attentionRows([q, k, v], node, refOf, emit);
    const added = newKeysAndValues(rows, emit);
    const attributes = attentionAttributes(attrs);
    const kinds = { k_quant_type: 'PER_CHANNEL', v_quant_type: 'PER_CHANNEL', kv_cache_bit_width: 8 };
    // Between them are the operands for rotary positions, a bias and sinks.
    const behind = ['', '', '', '', '', keyScales, valueScales];
    const isOwn = ownKernels && canAttend(node, attrs);
    const direct = (): Ref[] => {
      const cache = [pastKey, pastValue, lastIndex, totalLength];
      if (isOwn) return ownAttention(rows, cache, [keyScales, valueScales], node, attrs, emit);
      return emit.contrib('GroupQueryAttention', [...rows.operands, ...cache, ...behind], { ...attributes, ...kinds }, 3);
    };
    const T = at(node.operands, 0).shape[1] ?? 1;
    if (typeof T === 'number' && T <= fewPositions) return direct();
    const places = newPlaces(node, attrs, totalLength, emit);
    const throughFloats = (): Ref[] => {
      const past = [decoded(pastKey, keyScales, places.start, emit), decoded(pastValue, valueScales, places.start, emit)];
      const [y = ''] = emit.contrib('GroupQueryAttention', [...rows.operands, ...past, lastIndex, totalLength], attributes, 3);
      const indices = places.indices();
      const written = (cache: Ref, x: Ref, scales: Ref): Ref =>
        emit.op('ScatterND', [cache, indices, codesOf(x, scales, attrs.keyValueHeads, emit)]);
      return [y, written(pastKey, added.keys(), keyScales), written(pastValue, added.values(), valueScales)];
    };
    const isLong = emit.op('Greater', [emit.scalarSize(T), emit.constant(int64([], [fewPositions]))]);
    return emit.branches(isLong, node.types, { whenTrue: throughFloats, whenFalse: direct });
  },
};

interface NewKeysAndValues {
  /** [B, T, G*K]; made where it is asked for. */
  readonly keys: () => Ref;
  readonly values: () => Ref;
}

function newKeysAndValues({ operands, packed, widths: [q, k, v] }: AttentionRows, emit: ModelBuilder): NewKeysAndValues {
  if (packed === undefined) return { keys: () => at(operands, 1), values: () => at(operands, 2) };
  const columns = (from: number, to: number): Ref =>
    emit.op('Slice', [packed, emit.integers([from]), emit.integers([to]), emit.integers([-1])]);
  return { keys: () => columns(q, q + k), values: () => columns(q + k, q + k + v) };
}

interface NewPlaces {
  /** int64 [1]: where the new positions begin. Several rows of several positions are prompts, which all begin at 0. */
  readonly start: Ref;
  /** int64 [B, G, T, 3]: row, head and position of each new vector. */
  readonly indices: () => Ref;
}

function newPlaces(node: Node, { keyValueHeads: G }: AttrsOf<'int8GroupQueryAttention'>, totalLength: Ref, emit: ModelBuilder): NewPlaces {
  const [B = 1, T = 1] = at(node.operands, 0).shape;
  const start = emit.op('Sub', [emit.op('Cast', [totalLength], { to: elementType.int64 }), emit.size(T)]);
  const shape = emit.shape([B, G, T, 1]);
  const [numRows, numPositions] = [emit.scalarSize(B), emit.scalarSize(T)];
  const spread = (counted: Ref, to: readonly number[]): Ref => emit.op('Expand', [emit.op('Reshape', [counted, emit.integers(to)]), shape]);
  const counting = (count: Ref): Ref => emit.op('Range', [emit.scalar(0, 'int64'), count, emit.scalar(1, 'int64')]);
  const indices = (): Ref =>
    emit.op(
      'Concat',
      [
        spread(counting(numRows), [-1, 1, 1, 1]),
        spread(counting(emit.scalar(G, 'int64')), [1, -1, 1, 1]),
        spread(emit.op('Add', [counting(numPositions), start]), [1, 1, -1, 1]),
      ],
      { axis: 3 },
    );
  return { start, indices };
}

/** The numbers of the positions before `start`: [B, G, start, K]. */
function decoded(cache: Ref, scales: Ref, start: Ref, emit: ModelBuilder): Ref {
  const past = emit.op('Slice', [cache, emit.integers([0]), start, emit.integers([2])]);
  return emit.op('Mul', [emit.op('Cast', [past], { to: elementType.float32 }), scales]);
}

/** [B, T, G*K] -> codes [B, G, T, K]. One scale of 1, because the kernel is fast only with one for all. */
function codesOf(x: Ref, scales: Ref, G: number, emit: ModelBuilder): Ref {
  const divided = emit.op('Div', [x, emit.op('Reshape', [scales, emit.integers([-1])])]);
  const codes = emit.op('QuantizeLinear', [divided, emit.constant(float32([], [1])), emit.scalar(0, 'int8')]);
  return emit.op('Transpose', [emit.op('Reshape', [codes, emit.integers([0, 0, G, -1])])], { perm: [0, 2, 1, 3] });
}

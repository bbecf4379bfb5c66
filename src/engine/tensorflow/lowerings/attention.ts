// TensorFlow for attention over a key-value cache, composed of plain ops: new positions are scattered into the cache, all of it is scored.
import { at } from '#base';
import type { GroupQueryAttentionAttrs } from '#graph';
import { type DType, int32 } from '#tensor';
import type { LoweringContext, LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { padAxis } from './movement.ts';

export const attention: LoweringFamily<'groupQueryAttention' | 'biasedGroupQueryAttention' | 'int8GroupQueryAttention'> = {
  groupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength], attrs, emit, context) =>
    attend({ q, k, v, pastKey, pastValue, lastIndex, totalLength, bias: undefined }, attrs, emit, context),
  biasedGroupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, bias], attrs, emit, context) =>
    attend({ q, k, v, pastKey, pastValue, lastIndex, totalLength, bias }, attrs, emit, context),

  // In floats, on the grid of the codes.
  int8GroupQueryAttention: ([q, k, v, pastKey, pastValue, lastIndex, totalLength, keyScales, valueScales], attrs, emit, context) => {
    const { dtype } = at(context.node.types, 0);
    const [[B = 0, T = 0] = [], [, G = 0, , K = 0] = []] = [at(context.shapes, 0), at(context.shapes, 3)];
    const decoded = (codes: Slot, scales: Slot): Slot => emit.op('Mul', [emit.op('Cast', [codes], { DstT: { type: dtype } }), scales]);
    const rounded = (x: Slot, scales: Slot): Slot => {
      const byChannel = emit.op('Reshape', [scales, emit.integers([G * K])]);
      const codes = emit.op('Round', [emit.op('RealDiv', [x, byChannel])]);
      const cut = emit.op('Minimum', [emit.op('Maximum', [codes, emit.scalar(-128, dtype)]), emit.scalar(127, dtype)]);
      return emit.op('Reshape', [emit.op('Mul', [cut, byChannel]), emit.integers([B, T, G * K])]);
    };
    const encoded = (values: Slot, scales: Slot): Slot =>
      emit.op('Cast', [emit.op('Round', [emit.op('RealDiv', [values, scales])])], { DstT: { type: 'int8' } });
    const past = { pastKey: decoded(pastKey, keyScales), pastValue: decoded(pastValue, valueScales) };
    const added = { k: rounded(k, keyScales), v: rounded(v, valueScales) };
    const [y = -1, key = -1, value = -1] = attend({ q, ...added, ...past, lastIndex, totalLength, bias: undefined }, attrs, emit, context);
    return [y, encoded(key, keyScales), encoded(value, valueScales)];
  },
};

interface Operands {
  readonly q: Slot;
  readonly k: Slot;
  readonly v: Slot;
  readonly pastKey: Slot;
  readonly pastValue: Slot;
  readonly lastIndex: Slot;
  readonly totalLength: Slot;
  readonly bias: Slot | undefined;
}

/** R = H/G query heads share one of the G key-value heads. */
function attend(
  operands: Operands,
  attrs: GroupQueryAttentionAttrs,
  emit: PlanBuilder,
  { node, shapes }: LoweringContext,
): readonly Slot[] {
  const { heads: H, keyValueHeads: G, scale, softCap } = attrs;
  const { dtype } = at(node.types, 0);
  const [B = 0, T = 0] = at(shapes, 0);
  const [, , S = 0, K = 0] = at(shapes, 3);
  const R = H / G;
  const reshape = (x: Slot, shape: readonly number[]): Slot => emit.op('Reshape', [x, emit.integers(shape)]);

  const positions = positionsOf(operands.lastIndex, operands.totalLength, B, T, emit); // [B, T]
  const places = cachePlaces(positions, B, T, G, emit); // [B, T, G, 3]
  const extended = (past: Slot, added: Slot): Slot => emit.op('TensorScatterUpdate', [past, places, reshape(added, [B, T, G, K])]);
  const key = extended(operands.pastKey, operands.k); // [B, G, S, K]
  const value = extended(operands.pastValue, operands.v);

  const byGroup = emit.op('Transpose', [reshape(operands.q, [B, T, G, R, K]), emit.integers([0, 2, 3, 1, 4])]); // [B, G, R, T, K]
  const dots = emit.op('BatchMatMulV2', [reshape(byGroup, [B, G, R * T, K]), key], { adj_y: true }); // [B, G, R*T, S]
  const scaled = emit.op('Mul', [dots, emit.scalar(scale, dtype)]);
  const scores = reshape(bounded(scaled, softCap, dtype, emit), [B, G, R, T, S]);
  const biased = operands.bias === undefined ? scores : addBias(scores, operands.bias, at(shapes, 7), { G, R, S }, emit);
  const hidden = emit.scalar(Number.NEGATIVE_INFINITY, dtype);
  const masked = emit.op('SelectV2', [visible(positions, B, T, S, attrs.window, emit), biased, hidden]);
  const weights = reshape(emit.op('Softmax', [masked]), [B, G, R * T, S]);
  const mixed = reshape(emit.op('BatchMatMulV2', [weights, value]), [B, G, R, T, K]);
  const y = reshape(emit.op('Transpose', [mixed, emit.integers([0, 3, 1, 2, 4])]), [B, T, H * K]);
  return [y, key, value];
}

/** Where the new tokens stand in their rows, int32 [B, T]. A first step is a prompt: all rows begin at 0, and shorter ones are padded behind. */
function positionsOf(lastIndex: Slot, totalLength: Slot, B: number, T: number, emit: PlanBuilder): Slot {
  const isPrompt = emit.op('Equal', [totalLength, emit.scalar(T, 'int32')]); // [1]
  const first = emit.op('Sub', [lastIndex, emit.scalar(T - 1, 'int32')]); // [B]
  const begin = emit.op('SelectV2', [isPrompt, emit.scalar(0, 'int32'), first]);
  return emit.op('AddV2', [emit.op('Reshape', [begin, emit.integers([B, 1])]), counting(T, emit)]);
}

function counting(size: number, emit: PlanBuilder): Slot {
  return emit.constant(
    int32(
      [size],
      Array.from({ length: size }, (_, index) => index),
    ),
  );
}

/** Row, head and position of each new vector, int32 [B, T, G, 3]. */
function cachePlaces(positions: Slot, B: number, T: number, G: number, emit: PlanBuilder): Slot {
  const spread = (x: Slot, shape: readonly number[]): Slot =>
    emit.op('BroadcastTo', [emit.op('Reshape', [x, emit.integers(shape)]), emit.integers([B, T, G])]);
  const parts = [spread(counting(B, emit), [B, 1, 1]), spread(counting(G, emit), [1, 1, G]), spread(positions, [B, T, 1])];
  return emit.op('Pack', parts, { N: 3, T: { type: 'int32' }, axis: 3 });
}

/** s -> cap·tanh(s/cap) */
function bounded(scores: Slot, cap: number | undefined, dtype: DType, emit: PlanBuilder): Slot {
  if (cap === undefined) return scores;
  return emit.op('Mul', [emit.op('Tanh', [emit.op('RealDiv', [scores, emit.scalar(cap, dtype)])]), emit.scalar(cap, dtype)]);
}

/** The bias [B or 1, H or 1, T, N] covers the N positions that are in use of the S that there is room for. */
function addBias(
  scores: Slot,
  bias: Slot,
  [batch = 1, heads = 1, T = 0, N = 0]: readonly number[],
  { G, R, S }: { readonly G: number; readonly R: number; readonly S: number },
  emit: PlanBuilder,
): Slot {
  const whole = N === S ? bias : padAxis(bias, 4, 3, 0, S - N, emit);
  return emit.op('AddV2', [scores, emit.op('Reshape', [whole, emit.integers([batch, ...(heads === 1 ? [1, 1] : [G, R]), T, S])])]);
}

/** Which positions each token sees: itself and those before it, as far back as the window goes; bool [B, 1, 1, T, S]. */
function visible(positions: Slot, B: number, T: number, S: number, window: number | undefined, emit: PlanBuilder): Slot {
  const own = emit.op('Reshape', [positions, emit.integers([B, 1, 1, T, 1])]);
  const past = emit.op('LessEqual', [counting(S, emit), own]);
  if (window === undefined) return past;
  const inside = emit.op('Less', [emit.op('Sub', [own, emit.scalar(window, 'int32')]), counting(S, emit)]);
  return emit.op('LogicalAnd', [past, inside]);
}

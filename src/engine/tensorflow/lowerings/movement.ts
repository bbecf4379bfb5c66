// TensorFlow for ops that move elements: reshape, transpose, broadcast, slice, pad, concat, gather, scatter.
import { at } from '#base';
import { int32 } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';

export const movement: LoweringFamily<
  'reshape' | 'transpose' | 'broadcastTo' | 'slice' | 'pad' | 'concat' | 'gather' | 'scatterAdd' | 'takeLast' | 'permuteLast' | 'oneHot'
> = {
  reshape: ([x], _attrs, emit, { resultShapes }) => emit.op('Reshape', [x, emit.integers(at(resultShapes, 0))]),
  transpose: ([x], { permutation }, emit) =>
    permutation.every((from, to) => from === to) ? x : emit.op('Transpose', [x, emit.integers(permutation)]),
  broadcastTo: ([x], _attrs, emit, { resultShapes }) => emit.op('BroadcastTo', [x, emit.integers(at(resultShapes, 0))]),
  slice: ([x], { axis, start }, emit, { resultShapes, size }) => {
    const shape = at(resultShapes, 0);
    const begin = shape.map((_, position) => (position === axis ? size(start) : 0));
    return sliceFrom(x, begin, shape, emit);
  },
  pad: ([x], { axis, before, after }, emit, { shapes, size }) => padAxis(x, at(shapes, 0).length, axis, size(before), size(after), emit),
  concat: (parts, { axis }, emit, { node }) =>
    parts.length === 1
      ? at(parts, 0)
      : emit.op('ConcatV2', [...parts, emit.scalar(axis, 'int32')], { N: parts.length, T: { type: at(node.types, 0).dtype } }),

  gather: ([table, ids], _attrs, emit) => emit.op('GatherV2', [table, ids, emit.scalar(0, 'int32')]),
  // Sums in the order of the rows, whatever the threads do; adding into zeros by index would not.
  scatterAdd: ([ids, updates], _attrs, emit, { resultShapes }) =>
    emit.op('UnsortedSegmentSum', [updates, ids, emit.scalar(at(at(resultShapes, 0), 0), 'int32')]),
  takeLast: ([x, ids], _attrs, emit, { shapes }) => pickLast(x, ids, at(shapes, 0).length, emit),
  permuteLast: ([x, order], _attrs, emit, { shapes }) => emit.op('GatherV2', [x, order, emit.scalar(at(shapes, 0).length - 1, 'int32')]),
  oneHot: ([ids], { depth }, emit) =>
    emit.op('OneHot', [ids, emit.scalar(depth, 'int32'), emit.scalar(1, 'float32'), emit.scalar(0, 'float32')]),
};

/** One element of the last axis for each index; `rank` is that of x. */
export function pickLast(x: Slot, ids: Slot, rank: number, emit: PlanBuilder): Slot {
  return emit.op('GatherV2', [x, ids, emit.scalar(rank - 1, 'int32')], { batch_dims: rank - 1 });
}

/** Zeros on both sides of one axis. */
export function padAxis(x: Slot, rank: number, axis: number, before: number, after: number, emit: PlanBuilder): Slot {
  const pairs = Array.from({ length: rank }, (_, position) => (position === axis ? [before, after] : [0, 0]));
  return emit.op('Pad', [x, emit.constant(int32([rank, 2], pairs.flat()))]);
}

/** The elements of `shape` that begin at `begin`. */
export function sliceFrom(x: Slot, begin: readonly number[], shape: readonly number[], emit: PlanBuilder): Slot {
  return emit.op('Slice', [x, ...emit.integerRows([begin, shape])]);
}

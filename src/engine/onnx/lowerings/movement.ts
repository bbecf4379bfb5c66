// ONNX for ops that move elements: reshape, transpose, broadcast, slice, pad, concat, gather, scatter.
import { at } from '#base';
import { type Dim, fromNumbers, hostTensor, type Shape } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';

/**
 * The shape argument of Reshape, static where the rules of ONNX allow it: 0 copies the operand's size at that position,
 * and one -1 takes what is left.
 */
export function reshapeTarget(from: Shape, to: Shape, emit: ModelBuilder): Ref {
  if (to.includes(0)) return emit.shape(to);
  const target: Dim[] = to.map((dim, axis) => (typeof dim === 'string' && dim === from[axis] ? 0 : dim));
  const unknown = target.filter((dim) => typeof dim === 'string');
  // The longest expression is the dearest to compute.
  const dearest = unknown.reduce<string>((longest, dim) => (dim.length > longest.length ? dim : longest), '');
  if (dearest !== '') target[target.indexOf(dearest)] = -1;
  return emit.shape(target);
}

const lastElement = Number.MAX_SAFE_INTEGER;

export const movement: LoweringFamily<
  'reshape' | 'transpose' | 'broadcastTo' | 'slice' | 'pad' | 'concat' | 'gather' | 'scatterAdd' | 'takeLast' | 'permuteLast' | 'oneHot'
> = {
  reshape: ([x], { shape }, emit, { node }) => {
    const from = at(node.operands, 0).shape;
    return emit.op('Reshape', [x, reshapeTarget(from, shape, emit)], shape.includes(0) ? { allowzero: 1 } : {});
  },
  transpose: ([x], { permutation }, emit) =>
    permutation.every((from, to) => from === to) ? x : emit.op('Transpose', [x], { perm: permutation }),
  broadcastTo: ([x], { shape }, emit, { node }) => {
    // Expand broadcasts both ways: only the axes that grow need their size, the others say 1.
    const from = at(node.operands, 0).shape;
    const offset = shape.length - from.length;
    const target = shape.map((dim, axis) => (axis >= offset && from[axis - offset] === dim ? 1 : dim));
    return target.every((dim) => dim === 1) && offset === 0 ? x : emit.op('Expand', [x, emit.shape(target)]);
  },
  slice: ([x], { axis, start, end }, emit, { node }) => {
    const isToEnd = end === at(at(node.operands, 0).shape, axis);
    return emit.op('Slice', [x, emit.size(start), isToEnd ? emit.integers([lastElement]) : emit.size(end), emit.integers([axis])]);
  },
  pad: ([x], { axis, before, after }, emit, { node }) =>
    emit.op('Pad', [x, emit.shape([before, after]), emit.scalar(0, at(node.operands, 0).dtype), emit.integers([axis])], {
      mode: 'constant',
    }),
  concat: (parts, { axis }, emit) => (parts.length === 1 ? at(parts, 0) : emit.op('Concat', parts, { axis })),

  gather: ([table, ids], _attrs, emit) => emit.op('Gather', [table, ids], { axis: 0 }),
  scatterAdd: ([ids, updates], { rows }, emit, { node }) => {
    const { dtype, shape } = at(node.types, 0);
    const zeros = emit.op('ConstantOfShape', [emit.shape([rows, ...shape.slice(1)])], {
      value: hostTensor(dtype, [1], fromNumbers(dtype, [0])),
    });
    const indices = emit.op('Unsqueeze', [ids, emit.integers([-1])]);
    return emit.op('ScatterND', [zeros, indices, updates], { reduction: 'add' });
  },
  takeLast: ([x, ids], _attrs, emit) => pickLast(x, ids, emit),
  permuteLast: ([x, order], _attrs, emit) => emit.op('Gather', [x, order], { axis: -1 }),
  oneHot: ([ids], { depth }, emit) =>
    emit.op('OneHot', [ids, emit.integers([depth]), emit.constant(hostTensor('float32', [2], Float32Array.of(0, 1)))], { axis: -1 }),
};

/** One element of the last axis for each index. */
export function pickLast(x: Ref, ids: Ref, emit: ModelBuilder): Ref {
  const lastAxis = emit.integers([-1]);
  const picked = emit.op('GatherElements', [x, emit.op('Unsqueeze', [ids, lastAxis])], { axis: -1 });
  return emit.op('Squeeze', [picked, lastAxis]);
}

// ONNX for products whose operands are rounded to 8 bits on the way in: the runtime's integer kernels, or the same numbers in floats.
import { at } from '#base';
import { type AttrsOf, attrsOf, type Node } from '#graph';
import { type Dim, type DType, elementCount, fromNumbers, hostTensor, int64, type Shape } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { clipped, gridOfBatch } from './input-grid.ts';
import { reshapeTarget } from './movement.ts';

const mostSteps = 127;
const smallestStep = 2 ** -120;
/** The kernels multiply unsigned by signed codes, at twenty times the speed of signed by signed ones: zero of x lies here. */
const middleCode = 128;

type Attrs = AttrsOf<'roundedMatmul'>;

export const rounded: LoweringFamily<'roundedMatmul' | 'roundedGradient'> = {
  roundedMatmul: ([x, w], attrs, emit, { node, portable, int8Weights }) => {
    const { dtype } = at(node.types, 0);
    // Without instructions for sums of unsigned by signed products the kernels cut them off.
    if (portable || int8Weights !== 'int8' || dtype !== 'float32') return inFloats(x, w, attrs, dtype, emit);
    return attrs.scales === 'tensor' ? roundedProduct([x, w], node, undefined, emit) : productOfRows(x, w, node, attrs, emit);
  },

  roundedGradient: ([x, dy], { scale }, emit, { node, portable, int8Weights }) => {
    const { dtype } = at(node.types, 0);
    if (portable || int8Weights !== 'int8' || dtype !== 'float32') {
      const [left, right] = [symmetric(x, undefined, dtype, emit), symmetric(dy, undefined, dtype, emit)];
      return productOfCodes({ ...left, codes: emit.op('Transpose', [left.codes], { perm: [1, 0] }) }, right, scale, dtype, emit);
    }
    const [left, right] = [stepOf(x, emit), stepOf(dy, emit)];
    const middle = emit.scalar(middleCode, 'uint8');
    const [ofX, ofDy] = node.operands.map(({ shape }) => shape);
    const codes = turnedCodes(emit.op('QuantizeLinear', [x, left, middle]), 'uint8', ofX ?? [], emit);
    const others = emit.describe(emit.op('QuantizeLinear', [dy, right, emit.scalar(0, 'int8')]), 'int8', ofDy ?? []);
    const factor = scale === 1 ? left : emit.op('Mul', [left, emit.scalar(scale, 'float32')]);
    return at(emit.contrib('MatMulIntegerToFloat', [codes, others, factor, right, middle]), 0);
  },
};

/** With one scale for all of x, and the addition of a bias [N] where there is one: one kernel rounds x, multiplies and adds. */
export function roundedProduct([x, w]: readonly Ref[], node: Node, bias: Ref | undefined, emit: ModelBuilder): Ref {
  const { transposeB, scale } = attrsOf(node, 'roundedMatmul');
  const { codes, scales } = columnCodes(w ?? '', node, transposeB, emit);
  const scaled = scale === 1 ? scales : emit.op('Mul', [scales, emit.scalar(scale, 'float32')]);
  return at(emit.contrib('DynamicQuantizeMatMul', [x ?? '', codes, scaled, ...(bias === undefined ? [] : ['', bias])]), 0);
}

/** A scale a row. The smallest and the largest number of each are read in two passes, which cost less than one that writes magnitudes. */
function productOfRows(x: Ref, w: Ref, node: Node, { transposeB, scale }: Attrs, emit: ModelBuilder): Ref {
  const { codes, scales: ofColumns } = columnCodes(w, node, transposeB, emit);
  const [M, K] = [elementCount(at(node.operands, 0).shape.slice(0, -1)), at(node.operands, 0).shape.at(-1) ?? 1];
  const isMatrix = at(node.operands, 0).shape.length === 2;
  const matrix = isMatrix ? x : emit.op('Reshape', [x, emit.shape([M, K])]);
  const ofRows = stepsOfRows(matrix, M, emit);
  const zeros = repeated(middleCode, M, 'uint8', emit);
  const rowCodes = emit.describe(emit.op('QuantizeLinear', [matrix, ofRows, zeros], { axis: 0 }), 'uint8', [M, K]);
  const factor = emit.scalar(scale, 'float32');
  const [product = ''] = emit.contrib('MatMulIntegerToFloat', [rowCodes, codes, factor, ofColumns, emit.scalar(middleCode, 'uint8')]);
  emit.describe(product, 'float32', [M, columnsOf(node)]);
  // The kernel would take a scale a row too, and would apply it on one thread.
  const result = emit.op('Mul', [product, emit.op('Unsqueeze', [ofRows, emit.integers([1])])]);
  const { shape } = at(node.types, 0);
  return isMatrix ? result : emit.op('Reshape', [result, reshapeTarget([M, shape.at(-1) ?? 1], shape, emit)]);
}

function columnsOf(node: Node): Dim {
  return at(node.types, 0).shape.at(-1) ?? 1;
}

interface ColumnCodes {
  /** int8 [K, N] */
  readonly codes: Ref;
  /** [N] */
  readonly scales: Ref;
}

/** Each column of op(w) in 127 steps up to its largest magnitude. */
function columnCodes(w: Ref, node: Node, transposeB: boolean, emit: ModelBuilder): ColumnCodes {
  const [{ shape }, numColumns] = [at(node.operands, 1), columnsOf(node)];
  if (transposeB) {
    const scales = stepsOfRows(w, numColumns, emit);
    const zeros = repeated(0, numColumns, 'int8', emit);
    return { codes: turnedCodes(emit.op('QuantizeLinear', [w, scales, zeros], { axis: 0 }), 'int8', shape, emit), scales };
  }
  const most = emit.op('ReduceMax', [emit.op('Abs', [w]), emit.integers([0])], { keepdims: 0 });
  const scales = steps(emit.describe(most, 'float32', [numColumns]), 'float32', emit);
  // The runtime rounds with a scale a column one number at a time: a division and one scale for all are five times as fast.
  const codes = emit.op('QuantizeLinear', [emit.op('Div', [w, scales]), emit.scalar(1, 'float32'), emit.scalar(0, 'int8')]);
  return { codes: emit.describe(codes, 'int8', shape), scales };
}

/** @param shape - of the codes, [rows, columns] */
function turnedCodes(codes: Ref, dtype: 'int8' | 'uint8', shape: Shape, emit: ModelBuilder): Ref {
  return emit.describe(emit.op('Transpose', [emit.describe(codes, dtype, shape)], { perm: [1, 0] }), dtype, shape.toReversed());
}

/** [M, K] -> [M] */
function stepsOfRows(x: Ref, numRows: Dim, emit: ModelBuilder): Ref {
  return stepsAlong(x, [emit.integers([1])], [numRows], emit);
}

/** One for all: [] */
function stepOf(x: Ref, emit: ModelBuilder): Ref {
  return stepsAlong(x, [], [], emit);
}

function stepsAlong(x: Ref, axes: readonly Ref[], shape: Shape, emit: ModelBuilder): Ref {
  const extreme = (op: string): Ref => emit.describe(emit.op(op, [x, ...axes], { keepdims: 0 }), 'float32', shape);
  return steps(emit.op('Max', [emit.op('Neg', [extreme('ReduceMin')]), extreme('ReduceMax')]), 'float32', emit);
}

/** Largest magnitudes -> the distances of codes. */
function steps(most: Ref, dtype: DType, emit: ModelBuilder): Ref {
  return emit.op('Max', [emit.op('Mul', [most, emit.scalar(1 / mostSteps, dtype)]), emit.scalar(smallestStep, dtype)]);
}

/** [count] */
function repeated(value: number, count: Dim, dtype: 'uint8' | 'int8', emit: ModelBuilder): Ref {
  if (typeof count === 'number') return emit.constant(hostTensor(dtype, [count], fromNumbers(dtype, new Array<number>(count).fill(value))));
  return emit.op('Expand', [emit.scalar(value, dtype), emit.shape([count])]);
}

/** The same numbers by products of floats. */
function inFloats(x: Ref, w: Ref, { scales, transposeB, scale }: Attrs, dtype: DType, emit: ModelBuilder): Ref {
  const turned = transposeB ? emit.op('Transpose', [w], { perm: [1, 0] }) : w; // [K, N]
  const left = scales === 'row' ? symmetric(x, -1, dtype, emit) : asymmetric(x, dtype, emit);
  const right = symmetric(turned, 0, dtype, emit);
  return productOfCodes(left, right, scale, dtype, emit);
}

function productOfCodes(left: FloatCodes, right: FloatCodes, scale: number, dtype: DType, emit: ModelBuilder): Ref {
  const factors = emit.op('Mul', [left.scale, right.scale]);
  const scaled = scale === 1 ? factors : emit.op('Mul', [factors, emit.scalar(scale, dtype)]);
  return emit.op('Mul', [emit.op('MatMul', [left.codes, right.codes]), scaled]);
}

interface FloatCodes {
  readonly codes: Ref;
  readonly scale: Ref;
}

/** @param axis - all when undefined */
function symmetric(x: Ref, axis: number | undefined, dtype: DType, emit: ModelBuilder): FloatCodes {
  const axes = axis === undefined ? [] : [emit.constant(int64([1], [axis]))];
  const most = emit.op('ReduceMax', [emit.op('Abs', [x]), ...axes], { keepdims: 1 });
  const scale = steps(most, dtype, emit);
  return { codes: emit.op('Round', [emit.op('Div', [x, scale])]), scale };
}

function asymmetric(x: Ref, dtype: DType, emit: ModelBuilder): FloatCodes {
  const { scale, zeroPoint } = gridOfBatch(x, dtype, emit);
  const moved = emit.op('Add', [emit.op('Round', [emit.op('Div', [x, scale])]), zeroPoint]);
  return { codes: emit.op('Sub', [clipped(moved, dtype, emit), zeroPoint]), scale };
}

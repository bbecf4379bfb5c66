// TensorFlow for matrix products, of floats and of 8-bit codes.
import { at } from '#base';
import { type DType, sizeOf } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';

const largestCode = 255;
const mostSteps = 127;
const smallestStep = 2 ** -120;

export const products: LoweringFamily<'matmul' | 'matmulInt8' | 'roundedMatmul' | 'roundedGradient'> = {
  matmul: ([a, b], { transposeA, transposeB, scale }, emit, { node, shapes, resultShapes }) => {
    const product = multiply(a, b, { shapes, resultShape: at(resultShapes, 0), transposeA, transposeB }, emit);
    return scale === 1 ? product : emit.op('Mul', [product, emit.scalar(scale, at(node.types, 0).dtype)]);
  },

  // In floats, which hold the products of codes exactly; sums over more than 500 of them round as every float32 product does.
  matmulInt8: ([x = -1, codes = -1, scales = -1, inputScale, inputZeroPoint], _attrs, emit, { node, shapes, resultShapes }) => {
    const { dtype } = at(node.types, 0);
    const grid =
      inputScale === undefined || inputZeroPoint === undefined
        ? gridOfBatch(x, dtype, emit)
        : { scale: inputScale, zeroPoint: emit.op('Cast', [inputZeroPoint], { DstT: { type: dtype } }) };
    const moved = emit.op('AddV2', [emit.op('Round', [emit.op('RealDiv', [x, grid.scale])]), grid.zeroPoint]);
    const steps = emit.op('Sub', [clipped(moved, dtype, emit), grid.zeroPoint]);
    const weight = emit.op('Cast', [codes], { DstT: { type: dtype } });
    const facts = { shapes, resultShape: at(resultShapes, 0), transposeA: false, transposeB: true };
    return emit.op('Mul', [multiply(steps, weight, facts, emit), emit.op('Mul', [scales, grid.scale])]);
  },

  roundedMatmul: ([x, w], { scales, transposeB, scale }, emit, { node, shapes, resultShapes }) => {
    const { dtype } = at(node.types, 0);
    const matrix = transposeB ? emit.op('Transpose', [w, emit.integers([1, 0])]) : w; // [K, N]
    const left = scales === 'row' ? symmetric(x, [-1], dtype, emit) : asymmetric(x, dtype, emit);
    const right = symmetric(matrix, [0], dtype, emit);
    const [K, N] = [at(shapes, 0).at(-1) ?? 1, at(resultShapes, 0).at(-1) ?? 1];
    const facts = { shapes: [at(shapes, 0), [K, N]], resultShape: at(resultShapes, 0), transposeA: false, transposeB: false };
    return emit.op('Mul', [multiply(left.codes, right.codes, facts, emit), scaleOf(left, right, scale, dtype, emit)]);
  },

  roundedGradient: ([x, dy], { scale }, emit, { node, shapes, resultShapes }) => {
    const { dtype } = at(node.types, 0);
    const [left, right] = [symmetric(x, [0, 1], dtype, emit), symmetric(dy, [0, 1], dtype, emit)];
    const facts = { shapes, resultShape: at(resultShapes, 0), transposeA: true, transposeB: false };
    return emit.op('Mul', [multiply(left.codes, right.codes, facts, emit), scaleOf(left, right, scale, dtype, emit)]);
  },
};

/** Codes as floats, and what they are multiplied by. */
interface FloatCodes {
  readonly codes: Slot;
  readonly scale: Slot;
}

/** Of the product of both. */
function scaleOf(left: FloatCodes, right: FloatCodes, scale: number, dtype: DType, emit: PlanBuilder): Slot {
  const factors = emit.op('Mul', [left.scale, right.scale]);
  return scale === 1 ? factors : emit.op('Mul', [factors, emit.scalar(scale, dtype)]);
}

/** Along axes, in 127 steps up to the largest magnitude. */
function symmetric(x: Slot, axes: readonly number[], dtype: DType, emit: PlanBuilder): FloatCodes {
  const most = emit.op('Max', [emit.op('Abs', [x]), emit.integers(axes)], { keep_dims: true });
  const scale = emit.op('Maximum', [emit.op('Mul', [most, emit.scalar(1 / mostSteps, dtype)]), emit.scalar(smallestStep, dtype)]);
  return { codes: emit.op('Round', [emit.op('RealDiv', [x, scale])]), scale };
}

function asymmetric(x: Slot, dtype: DType, emit: PlanBuilder): FloatCodes {
  const { scale, zeroPoint } = gridOfBatch(x, dtype, emit);
  const moved = emit.op('AddV2', [emit.op('Round', [emit.op('RealDiv', [x, scale])]), zeroPoint]);
  return { codes: emit.op('Sub', [clipped(moved, dtype, emit), zeroPoint]), scale };
}

interface ProductFacts {
  readonly shapes: readonly (readonly number[])[];
  readonly resultShape: readonly number[];
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

export function multiply(a: Slot, b: Slot, { shapes, resultShape, transposeA, transposeB }: ProductFacts, emit: PlanBuilder): Slot {
  const [left, right] = [at(shapes, 0), at(shapes, 1)];
  if (left.length === 2 && right.length === 2) return emit.op('MatMul', [a, b], { transpose_a: transposeA, transpose_b: transposeB });
  if (right.length !== 2 || transposeA) return emit.op('BatchMatMulV2', [a, b], { adj_x: transposeA, adj_y: transposeB });
  // A weight that all rows share: one product, in place of one a batch entry.
  const rows = emit.op('Reshape', [a, emit.integers([sizeOf(left.slice(0, -1)), left.at(-1) ?? 1])]);
  return emit.op('Reshape', [emit.op('MatMul', [rows, b], { transpose_b: transposeB }), emit.integers(resultShape)]);
}

/** What activations are rounded to: number = (code − zeroPoint)·scale. */
interface ActivationGrid {
  readonly scale: Slot;
  readonly zeroPoint: Slot;
}

function clipped(x: Slot, dtype: DType, emit: PlanBuilder): Slot {
  return emit.op('Minimum', [emit.op('Maximum', [x, emit.scalar(0, dtype)]), emit.scalar(largestCode, dtype)]);
}

/** The range of all of x with zero in it, each [1]; a batch of zeros gets the scale 1. */
function gridOfBatch(x: Slot, dtype: DType, emit: PlanBuilder): ActivationGrid {
  const zero = emit.scalar(0, dtype);
  const flat = emit.op('Reshape', [x, emit.integers([-1])]);
  const extreme = (op: string): Slot => emit.op(op, [flat, emit.integers([0])], { keep_dims: true });
  const low = emit.op('Minimum', [extreme('Min'), zero]);
  const high = emit.op('Maximum', [extreme('Max'), zero]);
  const exact = emit.op('RealDiv', [emit.op('Sub', [high, low]), emit.scalar(largestCode, dtype)]);
  const scale = emit.op('SelectV2', [emit.op('Equal', [exact, zero]), emit.scalar(1, dtype), exact]);
  return { scale, zeroPoint: clipped(emit.op('Round', [emit.op('RealDiv', [emit.op('Neg', [low]), scale])]), dtype, emit) };
}

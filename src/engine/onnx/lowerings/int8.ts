// ONNX for products in 8-bit integers: the runtime's fused kernels, the published operators for other tools, or plain floats.
import { at } from '#base';
import { type DType, int64 } from '#tensor';
import type { Int8Weights, LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType } from '../onnx-proto.ts';

const largestCode = 255;
/** int8 codes plus this are the same numbers as uint8. */
const unsignedZero = 128;

interface Weight {
  /** [K, N] in the type that the kernel multiplies exactly. */
  readonly codes: Ref;
  readonly zeroPoint: Ref | undefined;
}

export const int8: LoweringFamily<'matmulInt8'> = {
  matmulInt8: ([x = '', codes = '', scales = '', inputScale, inputZeroPoint], _attrs, emit, { node, portable, int8Weights }) => {
    const { dtype } = at(node.types, 0);
    const input = inputScale === undefined || inputZeroPoint === undefined ? undefined : { scale: inputScale, zeroPoint: inputZeroPoint };
    if (dtype !== 'float32' || (!portable && int8Weights === undefined)) return plainProduct(x, codes, scales, input, dtype, emit);
    // A file may be run anywhere, and sums of unsigned by signed products are cut off by processors without VNNI.
    if (portable || int8Weights === undefined) return publishedProduct(x, weightOf(codes, 'uint8', emit), scales, input, emit);
    return fusedProduct(x, weightOf(codes, int8Weights, emit), scales, input, undefined, emit);
  },
};

/** matmulInt8 of float32 and the addition of a bias [N], by the runtime's fused kernels. */
export function biasedInt8Product(operands: readonly Ref[], bias: Ref, int8Weights: Int8Weights, emit: ModelBuilder): Ref {
  const [x = '', codes = '', scales = '', scale, zeroPoint] = operands;
  const input = scale === undefined || zeroPoint === undefined ? undefined : { scale, zeroPoint };
  return fusedProduct(x, weightOf(codes, int8Weights, emit), scales, input, bias, emit);
}

function fusedProduct(x: Ref, weight: Weight, scales: Ref, input: InputGrid | undefined, bias: Ref | undefined, emit: ModelBuilder): Ref {
  // An operand that is left out in front of another one has an empty name.
  const last = bias === undefined ? (weight.zeroPoint === undefined ? [] : [weight.zeroPoint]) : [weight.zeroPoint ?? '', bias];
  if (input === undefined) return at(emit.contrib('DynamicQuantizeMatMul', [x, weight.codes, scales, ...last]), 0);
  const grid = { scale: scalar(input.scale, emit), zeroPoint: scalar(input.zeroPoint, emit) };
  const rounded = emit.op('QuantizeLinear', [x, grid.scale, grid.zeroPoint]);
  return at(emit.contrib('MatMulIntegerToFloat', [rounded, weight.codes, grid.scale, scales, grid.zeroPoint, ...last]), 0);
}

export interface InputGrid {
  readonly scale: Ref;
  readonly zeroPoint: Ref;
}

/** [1] -> [] */
function scalar(value: Ref, emit: ModelBuilder): Ref {
  return emit.op('Squeeze', [value, emit.integers([0])]);
}

function transposed(codes: Ref, emit: ModelBuilder): Ref {
  return emit.op('Transpose', [codes], { perm: [1, 0] });
}

function weightOf(codes: Ref, type: Int8Weights, emit: ModelBuilder): Weight {
  if (type === 'int8') return { codes: transposed(codes, emit), zeroPoint: undefined };
  const moved = emit.op('Add', [emit.op('Cast', [codes], { to: elementType.int32 }), emit.scalar(unsignedZero, 'int32')]);
  return { codes: transposed(emit.op('Cast', [moved], { to: elementType.uint8 }), emit), zeroPoint: emit.scalar(unsignedZero, 'uint8') };
}

/** DynamicQuantizeLinear or QuantizeLinear, then MatMulInteger and one product of scales. */
function publishedProduct(x: Ref, weight: Weight, scales: Ref, input: InputGrid | undefined, emit: ModelBuilder): Ref {
  const [rounded, scale, zeroPoint] =
    input === undefined
      ? emit.ops('DynamicQuantizeLinear', [x], 3)
      : [
          emit.op('QuantizeLinear', [x, scalar(input.scale, emit), scalar(input.zeroPoint, emit)]),
          input.scale,
          scalar(input.zeroPoint, emit),
        ];
  const zeroPoints = weight.zeroPoint === undefined ? [] : [weight.zeroPoint];
  const sums = emit.op('MatMulInteger', [rounded ?? '', weight.codes, zeroPoint ?? '', ...zeroPoints]);
  return emit.op('Mul', [emit.op('Cast', [sums], { to: elementType.float32 }), emit.op('Mul', [scales, scale ?? ''])]);
}

/** The same numbers by products of floats: exact, and slower than a dense matrix. */
function plainProduct(x: Ref, codes: Ref, scales: Ref, input: InputGrid | undefined, dtype: DType, emit: ModelBuilder): Ref {
  const grid =
    input === undefined
      ? gridOfBatch(x, dtype, emit)
      : { scale: input.scale, zeroPoint: emit.op('Cast', [input.zeroPoint], { to: elementType[dtype] }) };
  const moved = emit.op('Add', [emit.op('Round', [emit.op('Div', [x, grid.scale])]), grid.zeroPoint]);
  const steps = emit.op('Sub', [clipped(moved, dtype, emit), grid.zeroPoint]);
  const product = emit.op('MatMul', [steps, transposed(emit.op('Cast', [codes], { to: elementType[dtype] }), emit)]);
  return emit.op('Mul', [product, emit.op('Mul', [scales, grid.scale])]);
}

export function clipped(x: Ref, dtype: DType, emit: ModelBuilder): Ref {
  return emit.op('Min', [emit.op('Max', [x, emit.scalar(0, dtype)]), emit.scalar(largestCode, dtype)]);
}

/** The range of all of x with zero in it; a batch of zeros gets the scale 1. */
export function gridOfBatch(x: Ref, dtype: DType, emit: ModelBuilder): InputGrid {
  const zero = emit.scalar(0, dtype);
  const flat = emit.op('Reshape', [x, emit.constant(int64([1], [-1]))]);
  const axes = emit.integers([0]);
  const low = emit.op('Min', [emit.op('ReduceMin', [flat, axes], { keepdims: 1 }), zero]);
  const high = emit.op('Max', [emit.op('ReduceMax', [flat, axes], { keepdims: 1 }), zero]);
  const exact = emit.op('Div', [emit.op('Sub', [high, low]), emit.scalar(largestCode, dtype)]);
  const scale = emit.op('Where', [emit.op('Equal', [exact, zero]), emit.scalar(1, dtype), exact]);
  return { scale, zeroPoint: clipped(emit.op('Round', [emit.op('Div', [emit.op('Neg', [low]), scale])]), dtype, emit) };
}

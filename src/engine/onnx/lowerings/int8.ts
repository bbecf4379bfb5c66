// ONNX for products in 8-bit integers: the runtime's fused kernels, the published operators for other tools, or plain floats.
import { at } from '#base';
import type { DType } from '#tensor';
import type { Int8Weights, LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType } from '../onnx-proto.ts';
import { clipped, gridOfBatch, type InputGrid } from './input-grid.ts';
import { canPack, ownInt8Product } from './own-int8.ts';

/** int8 codes plus this are the same numbers as uint8. */
const unsignedZero = 128;

interface Weight {
  /** [K, N] in the type that the kernel multiplies exactly. */
  readonly codes: Ref;
  readonly zeroPoint: Ref | undefined;
}

export const int8: LoweringFamily<'matmulInt8'> = {
  matmulInt8: (
    [x = '', codes = '', scales = '', inputScale, inputZeroPoint],
    _attrs,
    emit,
    { node, portable, int8Weights, ownKernels },
  ) => {
    const { dtype } = at(node.types, 0);
    const input = inputScale === undefined || inputZeroPoint === undefined ? undefined : { scale: inputScale, zeroPoint: inputZeroPoint };
    if (dtype !== 'float32' || (!portable && int8Weights === undefined && !ownKernels))
      return plainProduct(x, codes, scales, input, dtype, emit);
    if (!portable && ownKernels && canPack([codes, scales], undefined, emit))
      return ownInt8Product(x, [codes, scales], undefined, input, emit);
    // A file may be run anywhere, and sums of unsigned by signed products are cut off by processors without VNNI.
    if (portable || int8Weights === undefined) return publishedProduct(x, weightOf(codes, 'uint8', emit), scales, input, emit);
    return fusedProduct(x, weightOf(codes, int8Weights, emit), scales, input, undefined, emit);
  },
};

/** What multiplies integers on the device. */
export interface Int8Kernels {
  readonly int8Weights: Int8Weights;
  readonly ownKernels: boolean;
}

/** matmulInt8 of float32 and the addition of a bias [N], by the runtime's fused kernels. */
export function biasedInt8Product(operands: readonly Ref[], bias: Ref, kernels: Int8Kernels, emit: ModelBuilder): Ref {
  const { int8Weights, ownKernels } = kernels;
  const [x = '', codes = '', scales = '', scale, zeroPoint] = operands;
  const input = scale === undefined || zeroPoint === undefined ? undefined : { scale, zeroPoint };
  if (ownKernels && canPack([codes, scales], bias, emit)) return ownInt8Product(x, [codes, scales], bias, input, emit);
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

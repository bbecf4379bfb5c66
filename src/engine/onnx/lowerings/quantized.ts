// ONNX for matrices in packed codes: the runtime's own product where its kernel has the bits, plain operators otherwise.
import { at } from '#base';
import type { NBitsAttrs, Node } from '#graph';
import { type DType, hostTensor, int32, packCodes, staticDim } from '#tensor';
import type { LoweringFamily } from '../lowering.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { elementType } from '../onnx-proto.ts';
import { canPackGroups, ownGroupedProduct } from './own-n-bits.ts';

/** The kernel rounds activations to 8 bits where the weights are constant; other levels are several times slower on CPUs. */
const int8Activations = 4;

export const quantized: LoweringFamily<'dequantizeNBits' | 'matmulNBits'> = {
  dequantizeNBits: (packed, attrs, emit, { node }) => dequantize(packed, node, 0, attrs, emit),

  matmulNBits: ([x = '', ...packed], attrs, emit, { node, portable, nBitsKernels, ownKernels }) => {
    const { bits, groupSize, size, zero } = attrs;
    const { dtype, shape } = at(node.types, 0);
    const isOwn = ownKernels && !portable && dtype === 'float32' && canPackGroups(packed, attrs, emit);
    if (isOwn) return ownGroupedProduct(x, packed, undefined, attrs, emit);
    if (!portable && dtype === 'float32' && nBitsKernels.has(bits) && Number.isInteger(zero ?? 0)) {
      const columns = staticDim(shape.at(-1), node.place);
      const attributes = { K: size, N: columns, bits, block_size: groupSize, accuracy_level: int8Activations };
      const zeroPoints =
        packed.length < 3 && zero !== undefined ? [storedZeros(zero, columns, Math.ceil(size / groupSize), bits, emit)] : [];
      return emit.contrib('MatMulNBits', [x, ...packed, ...zeroPoints], attributes);
    }
    const weight = dequantize(packed, node, 1, attrs, emit); // [N, K]
    return emit.op('MatMul', [x, emit.op('Transpose', [weight], { perm: [1, 0] })]);
  },
};

/** Zero points [N, groups] that are all the same, packed as the kernel reads them. */
function storedZeros(zero: number, rows: number, groups: number, bits: number, emit: ModelBuilder): Ref {
  const packed = packCodes(new Uint8Array(rows * groups).fill(zero), groups, bits);
  return emit.constant(hostTensor('uint8', [rows, packed.length / rows], packed));
}

/** The numbers [..., K]; `first` is the index of the codes among the node's operands. */
function dequantize(packed: readonly Ref[], node: Node, first: number, attrs: NBitsAttrs, emit: ModelBuilder): Ref {
  const { bits, groupSize, size, zero = 2 ** (bits - 1) } = attrs;
  const [codes = '', scales = '', zeroPoints] = packed;
  const { dtype, shape } = at(node.operands, first + 1);
  const groups = Math.ceil(size / groupSize);
  const leading = shape.slice(0, -1).map(() => 0); // Reshape copies these axes
  const steps = emit.op('Cast', [unpack(codes, [...leading, groups], groupSize, bits, emit)], { to: elementType[dtype] });
  const zeros = zeroPoints === undefined ? emit.scalar(zero, dtype) : zeroNumbers(zeroPoints, leading, groups, bits, dtype, emit);
  const lastAxis = emit.integers([-1]);
  const scaled = emit.op('Mul', [emit.op('Sub', [steps, zeros]), emit.op('Unsqueeze', [scales, lastAxis])]); // [..., groups, groupSize]
  const flat = emit.op('Reshape', [scaled, emit.integers([...leading, groups * groupSize])]);
  return groups * groupSize === size ? flat : emit.op('Slice', [flat, emit.integers([0]), emit.integers([size]), lastAxis]);
}

/** [..., ⌈groups·bits/8⌉] -> [..., groups, 1] */
function zeroNumbers(packed: Ref, leading: readonly number[], groups: number, bits: number, dtype: DType, emit: ModelBuilder): Ref {
  const unit = bits === 3 ? 8 : 8 / bits;
  const padded = Math.ceil(groups / unit) * unit;
  const all = unpack(packed, leading, padded, bits, emit);
  const lastAxis = emit.integers([-1]);
  const kept = padded === groups ? all : emit.op('Slice', [all, emit.integers([0]), emit.integers([groups]), lastAxis]);
  return emit.op('Cast', [emit.op('Unsqueeze', [kept, lastAxis])], { to: elementType[dtype] });
}

/** uint8 [..., bytes] -> int32 [..., count], where the codes fill whole units; `leading` are the axes before, as Reshape takes them. */
function unpack(packed: Ref, leading: readonly number[], count: number, bits: number, emit: ModelBuilder): Ref {
  const bytes = emit.op('Cast', [packed], { to: elementType.int32 });
  if (bits === 8) return bytes;
  const units = bits === 3 ? threeBytes(bytes, leading, count / 8, emit) : emit.op('Unsqueeze', [bytes, emit.integers([-1])]);
  const codesPerUnit = bits === 3 ? 8 : 8 / bits;
  const divisors = Array.from({ length: codesPerUnit }, (_, index) => 2 ** (bits * index));
  const shifted = emit.op('Div', [units, emit.constant(int32([codesPerUnit], divisors))]);
  const codes = emit.op('Mod', [shifted, emit.constant(int32([1], [2 ** bits]))]);
  return emit.op('Reshape', [codes, emit.integers([...leading, count])]);
}

/** Eight codes of three bits lie in three bytes: int32 [..., bytes] -> [..., units, 1] of 24 bits each. */
function threeBytes(bytes: Ref, leading: readonly number[], numUnits: number, emit: ModelBuilder): Ref {
  const lastAxis = emit.integers([-1]);
  // Zero points need not fill their last three bytes: the missing ones count as zero.
  const size = emit.op('Shape', [bytes], { start: -1 });
  const missing = emit.op('Sub', [emit.integers([3 * numUnits]), size]);
  const padding = emit.op('Concat', [emit.integers([0]), missing], { axis: 0 });
  const padded = emit.op('Pad', [bytes, padding, emit.scalar(0, 'int32'), lastAxis], { mode: 'constant' });
  const grouped = emit.op('Reshape', [padded, emit.integers([...leading, numUnits, 3])]);
  const weighted = emit.op('Mul', [grouped, emit.constant(int32([3], [1, 256, 65536]))]);
  return emit.op('ReduceSum', [weighted, lastAxis], { keepdims: 1 });
}

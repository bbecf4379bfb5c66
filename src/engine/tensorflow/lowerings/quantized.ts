// TensorFlow for matrices in packed codes: unpacked by arithmetic on integers.
import { at } from '#base';
import type { NBitsAttrs, Node } from '#graph';
import { int32, packedBytes, sizeOf } from '#tensor';
import type { LoweringContext, LoweringFamily } from '../lowering.ts';
import type { Slot } from '../plan.ts';
import type { PlanBuilder } from '../plan-builder.ts';
import { padAxis, sliceFrom } from './movement.ts';
import { multiply } from './products.ts';

export const quantized: LoweringFamily<'dequantizeNBits' | 'matmulNBits'> = {
  dequantizeNBits: (packed, attrs, emit, { node, shapes }) => dequantize(packed, node, shapes, attrs, emit),

  matmulNBits: ([x = -1, ...packed], attrs, emit, { node, shapes, resultShapes }) => {
    const weight = dequantize(packed, node, shapes.slice(1), attrs, emit); // [N, K]
    const resultShape = at(resultShapes, 0);
    const weightShape = [resultShape.at(-1) ?? 1, attrs.size];
    return multiply(x, weight, { shapes: [at(shapes, 0), weightShape], resultShape, transposeA: false, transposeB: true }, emit);
  },
};

/** The numbers [..., K]; `shapes` are those of codes, scales and zero points. */
function dequantize(packed: readonly Slot[], node: Node, shapes: LoweringContext['shapes'], attrs: NBitsAttrs, emit: PlanBuilder): Slot {
  const { bits, groupSize, size, zero = 2 ** (bits - 1) } = attrs;
  const [codes = -1, scales = -1, zeroPoints] = packed;
  const { dtype } = at(node.types, 0);
  const groups = Math.ceil(size / groupSize);
  const leading = at(shapes, 1).slice(0, -1);
  const toFloats = (x: Slot): Slot => emit.op('Cast', [x], { DstT: { type: dtype } });
  const column = (x: Slot): Slot => emit.op('Reshape', [x, emit.integers([...leading, groups, 1])]);
  const steps = toFloats(unpack(codes, [...leading, groups], (groupSize * bits) / 8, groupSize, bits, emit)); // [..., groups, groupSize]
  const zeros =
    zeroPoints === undefined
      ? emit.scalar(zero, dtype)
      : column(toFloats(unpack(zeroPoints, leading, packedBytes(groups, bits), groups, bits, emit)));
  const scaled = emit.op('Mul', [emit.op('Sub', [steps, zeros]), column(scales)]);
  const flat = emit.op('Reshape', [scaled, emit.integers([...leading, groups * groupSize])]);
  if (groups * groupSize === size) return flat;
  return sliceFrom(
    flat,
    [...leading, 0].map(() => 0),
    [...leading, size],
    emit,
  );
}

/** uint8 [...leading, bytes] -> int32 [...leading, count]; codes past `count` are padding. */
function unpack(packed: Slot, leading: readonly number[], bytes: number, count: number, bits: number, emit: PlanBuilder): Slot {
  const rows = sizeOf(leading);
  // Eight codes of three bits lie in three bytes; other codes do not cross the bytes' borders.
  const [unitBytes, unitCodes] = bits === 3 ? [3, 8] : [1, 8 / bits];
  const numUnits = Math.ceil(bytes / unitBytes);
  const flat = emit.op('Reshape', [emit.op('Cast', [packed], { DstT: { type: 'int32' } }), emit.integers([rows, bytes])]);
  // Zero points need not fill their last three bytes: the missing ones count as zero.
  const whole = numUnits * unitBytes === bytes ? flat : padAxis(flat, 2, 1, 0, numUnits * unitBytes - bytes, emit);
  const grouped = emit.op('Reshape', [whole, emit.integers([rows, numUnits, unitBytes])]);
  const powers = emit.constant(int32([unitBytes], [1, 2 ** 8, 2 ** 16].slice(0, unitBytes)));
  const units = emit.op('Sum', [emit.op('Mul', [grouped, powers]), emit.integers([2])], { keep_dims: true }); // [rows, numUnits, 1]
  const divisors = Array.from({ length: unitCodes }, (_, index) => 2 ** (bits * index));
  const shifted = emit.op('FloorDiv', [units, emit.constant(int32([unitCodes], divisors))]);
  const codes = emit.op('FloorMod', [shifted, emit.scalar(2 ** bits, 'int32')]);
  const inRows = emit.op('Reshape', [codes, emit.integers([rows, numUnits * unitCodes])]);
  const kept = numUnits * unitCodes === count ? inRows : sliceFrom(inRows, [0, 0], [rows, count], emit);
  return emit.op('Reshape', [kept, emit.integers([...leading, count])]);
}

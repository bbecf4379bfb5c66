// Products with packed codes by the engine's own kernels: of 3 and 4 bits as 4, of 8 bits as they are.
import { at, invariant } from '#base';
import type { NBitsAttrs } from '#graph';
import { type HostTensor, hostTensor, unpackCodes } from '#tensor';
import { type GroupedBits, groupFactBytes, groupHeader, turnBytes, turnNumbers } from '../kernels/grouped-product.ts';
import { blockColumns } from '../kernels/int8-product.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { onCacheLine } from '../native-memory.ts';
import { codeRowBytes, columnNumbers, known } from './packing.ts';

/** Codes of 3 bits are stored in 4; for 2 bits the runtime's kernel reads half as much. */
const kernelBits: Readonly<Record<number, GroupedBits>> = { 3: 4, 4: 4, 8: 8 };

export function hasGroupedKernel({ bits, groupSize, zero }: NBitsAttrs): boolean {
  return kernelBits[bits] !== undefined && groupSize % turnNumbers === 0 && Number.isInteger(zero ?? 0);
}

/** Whether there is a kernel for these codes, and all of them are known. */
export function canPackGroups(packed: readonly Ref[], attrs: NBitsAttrs, emit: ModelBuilder): boolean {
  return hasGroupedKernel(attrs) && packed.every((ref) => emit.tensorOf(ref) !== undefined);
}

/**
 * x [..., K] -> [..., N]
 *
 * @param packed - codes [N, groups, bytes], scales [N, groups], and zero points [N, bytes] where groups have their own
 * @param bias - float32 [N], known now
 */
export function ownGroupedProduct(x: Ref, packed: readonly Ref[], bias: Ref | undefined, attrs: NBitsAttrs, emit: ModelBuilder): Ref {
  const { groupSize, size } = attrs;
  const bits = kernelBits[attrs.bits];
  invariant(bits !== undefined, 'there is a kernel for these bits');
  const groups = Math.ceil(size / groupSize);
  const N = at(known(at(packed, 1), emit).shape, 0);
  const numBlocks = Math.ceil(N / blockColumns);
  const codeBytes = codeRowBytes(groups * groupSize);
  const factFloats = (groups * groupFactBytes) / 4;
  const [codes = '', facts = ''] = emit.once(`groups of ${groupSize} ${x}`, () =>
    emit.own('RoundGroups', [x, emit.integers([size, codeBytes, factFloats, groupSize])], 2),
  );
  const [weights = ''] = emit.once(`packed ${packed.join(' ')}`, () => [
    emit.constant(
      pack(
        packed.map((ref) => known(ref, emit)),
        attrs,
        bits,
      ),
    ),
  ]);
  const blockBytes = groups * (groupHeader.bytes + (groupSize / turnNumbers) * turnBytes(bits));
  const sizes = emit.integers([N, codeBytes, groups * groupFactBytes, groups, groupSize / turnNumbers, blockBytes, numBlocks]);
  return at(emit.own(`GroupedProduct${bits}`, [codes, facts, weights, columnNumbers(bias, N, emit), sizes], 1), 0);
}

/** Blocks of columns; in each, group behind group: scales, zero points, and the codes in turns of sixteen numbers. What is padded has code and scale 0. */
function pack([codes, scales, zeroPoints]: readonly HostTensor[], attrs: NBitsAttrs, bits: GroupedBits): HostTensor<'uint8'> {
  invariant(codes !== undefined && scales !== undefined, 'packed matrices have codes and scales');
  const { groupSize, size, zero = 2 ** (attrs.bits - 1) } = attrs;
  const [N = 0, groups = 0] = scales.shape;
  const unpacked = unpackCodes(codes.data as Uint8Array, groupSize, attrs.bits); // [N * groups, groupSize]
  const zeros = zeroPoints === undefined ? undefined : unpackCodes(zeroPoints.data as Uint8Array, groups, attrs.bits);
  const numBlocks = Math.ceil(N / blockColumns);
  const groupBytes = groupHeader.bytes + (groupSize / turnNumbers) * turnBytes(bits);
  const bytes = onCacheLine(numBlocks * groups * groupBytes);
  const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  // Where a number of the inner axis lies within a turn, for the first column.
  const places = Array.from({ length: turnNumbers }, (_, k) => {
    const step = k >> 2;
    return bits === 8 ? step * 4 * blockColumns + (k & 3) : (step >> 1) * 4 * blockColumns + (k & 3);
  });
  for (let n = 0; n < N; n++) {
    const block = Math.floor(n / blockColumns);
    const column = n - block * blockColumns;
    for (let g = 0; g < groups; g++) {
      const start = (block * groups + g) * groupBytes;
      const group = n * groups + g;
      floats[start / 4 + column] = scales.data[group] as number;
      bytes[start + groupHeader.zeroPoints + column] = zeros?.[group] ?? zero;
      const count = Math.min(groupSize, size - g * groupSize);
      for (let k = 0; k < count; k++) {
        const turn = start + groupHeader.bytes + (k >> 4) * turnBytes(bits);
        const to = turn + (places[k & 15] as number) + 4 * column;
        const code = unpacked[group * groupSize + k] as number;
        // Of 4 bits the second of two steps has the upper halves.
        bytes[to] = (bytes[to] as number) | (bits === 4 && (k >> 2) % 2 === 1 ? code << 4 : code);
      }
    }
  }
  return hostTensor('uint8', [bytes.length], bytes);
}

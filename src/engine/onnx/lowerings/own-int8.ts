// Products with 8-bit weights by the engine's own kernels: weights are packed as those read them.
import { at } from '#base';
import { type HostTensor, hostTensor } from '#tensor';
import { blockColumns, innerUnit, rowFactBytes } from '../kernels/int8-product.ts';
import type { ModelBuilder, Ref } from '../model-builder.ts';
import { onCacheLine } from '../native-memory.ts';
import type { InputGrid } from './input-grid.ts';
import { codeRowBytes, columnNumbers, known } from './packing.ts';

/** Weights are stored this much above what they are: the instruction multiplies unsigned by signed bytes. */
const unsignedZero = 128;

/** Sums of more products of the largest codes may not fit 32 bits. */
const mostInner = Math.floor(2 ** 31 / (128 * 255));

/** Whether all that has to be packed is known, and sums fit. */
export function canPack(weight: readonly Ref[], bias: Ref | undefined, emit: ModelBuilder): boolean {
  const inner = emit.tensorOf(weight[0] ?? '')?.shape[1] ?? 0;
  return inner <= mostInner && [...weight, ...(bias === undefined ? [] : [bias])].every((ref) => emit.tensorOf(ref) !== undefined);
}

/** x [..., K] -> [..., N] */
export function ownInt8Product(
  x: Ref,
  [codes, scales]: readonly [Ref, Ref],
  bias: Ref | undefined,
  input: InputGrid | undefined,
  emit: ModelBuilder,
): Ref {
  const stored = known(codes, emit);
  const [N = 0, K = 0] = stored.shape;
  const padded = Math.ceil(K / innerUnit) * innerUnit;
  const codeBytes = codeRowBytes(K);
  const rounding = emit.integers([K, codeBytes, rowFactBytes / 4]);
  const given = input === undefined ? [] : [input.scale, input.zeroPoint];
  const [rounded = '', facts = ''] = emit.once(`rounded ${[x, ...given].join(' ')}`, () =>
    emit.own(input === undefined ? 'RoundRows' : 'RoundRowsTo', [x, rounding, ...given], 2),
  );
  const numBlocks = Math.ceil(N / blockColumns);
  const sizes = emit.integers([N, codeBytes, padded / innerUnit, padded * blockColumns, numBlocks]);
  const weight = emit.once(`packed ${codes}`, () => {
    const { weights, sums } = pack(stored);
    return [emit.constant(weights), emit.constant(sums)];
  });
  const [scaleOf, biasOf] = [columnNumbers(scales, N, emit), columnNumbers(bias, N, emit)];
  return at(emit.own('Int8Product', [rounded, facts, at(weight, 0), scaleOf, at(weight, 1), biasOf, sizes], 1), 0);
}

/** int8 [N, K] -> uint8 [blocks, K / 4, columns of a block, 4], padded with zero weights; and the sum of each column, int32 [columns]. */
function pack({ shape, data }: HostTensor): { readonly weights: HostTensor<'uint8'>; readonly sums: HostTensor<'int32'> } {
  const [N = 0, K = 0] = shape;
  const codes = data as Int8Array;
  const padded = Math.ceil(K / innerUnit) * innerUnit;
  const columns = Math.ceil(N / blockColumns) * blockColumns;
  const weights = onCacheLine(columns * padded).fill(unsignedZero);
  const sums = new Int32Array(columns);
  for (let n = 0; n < N; n++) {
    const block = Math.floor(n / blockColumns);
    let to = block * padded * blockColumns + 4 * (n - block * blockColumns);
    const from = n * K;
    let sum = 0;
    for (let k = 0; k < K; k++) {
      const weight = codes[from + k] as number;
      sum += weight;
      weights[to + (k & 3)] = weight + unsignedZero;
      if ((k & 3) === 3) to += 4 * blockColumns;
    }
    sums[n] = sum;
  }
  return { weights: hostTensor('uint8', [weights.length], weights), sums: hostTensor('int32', [columns], sums) };
}

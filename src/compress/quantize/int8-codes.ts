// A slot as signed bytes for products in integers.
import { runCooperatively } from '#linalg';
import { type CodeLayout, encodingSettings } from '#models';
import { float32, floatToHalf, type HostTensor, hostTensor } from '#tensor';
import { type EncodedSlot, roundToNearest } from './slot-codes.ts';

/** The fixed grid of what the slot is multiplied by. */
export interface InputGrid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Bytes of the slot. */
export function int8Bytes({ rows, columns }: CodeLayout, perChannel: boolean, isFixed: boolean): number {
  return rows * columns + 2 * (perChannel ? rows : 1) + (isFixed ? 5 : 0);
}

/**
 * Rounds rows [N, K] to −127 … 127 by one scale a row, or one for all.
 *
 * @param input - absent: activations are rounded to the range of each batch
 */
export async function encodeInt8(
  slot: string,
  rows: Float32Array,
  { rows: N, columns: K }: CodeLayout,
  perChannel: boolean,
  input: InputGrid | undefined,
  signal: AbortSignal,
): Promise<EncodedSlot> {
  const [numRows, rowSize] = perChannel ? [N, K] : [1, N * K];
  const shape = { rows: numRows, columns: rowSize, bits: 8, groupSize: rowSize, symmetric: true };
  const { grid, codes } = await runCooperatively(roundToNearest(rows, shape), signal);
  const tensors: Record<string, HostTensor> = {
    [`${slot}.codes`]: hostTensor(
      'int8',
      [N, K],
      Int8Array.from(codes, (code) => code - 128),
    ),
    [`${slot}.scales`]: hostTensor('float16', [numRows], floatToHalf(grid.scales)),
    ...(input === undefined
      ? {}
      : {
          [`${slot}.inputScale`]: float32([1], [input.scale]),
          [`${slot}.inputZeroPoint`]: hostTensor('uint8', [1], Uint8Array.of(input.zeroPoint)),
        }),
  };
  const activations = input === undefined ? 'dynamic' : 'static';
  return { settings: encodingSettings(slot, { scheme: 'int8', activations, perChannel }), tensors };
}

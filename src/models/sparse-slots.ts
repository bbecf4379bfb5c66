// Slots stored sparsely: a bitmap of the numbers that are kept, and those numbers. Graphs get the whole tensor.
import { AppError, at, invariant } from '#base';
import {
  type Bitmap,
  countKept,
  type DType,
  dtypeBytes,
  gatherKept,
  type HostTensor,
  hostTensor,
  packedBytes,
  packFlags,
  printShape,
  scatterKept,
  sizeOf,
  unpackFlags,
} from '#tensor';
import type { ParameterDeclaration, ParameterSettings } from './model.ts';
import type { SlotSpec } from './parametrization.ts';

/*
 * A float slot of any parametrization may be sparse. Its setting `{slot}.kept` says how many of its numbers are kept; in place of the slot
 * two tensors are stored: `{slot}.mask` uint8 [⌈n/8⌉], one bit a number in row-major order, low bits first, and `{slot}.values` [kept], the
 * numbers where the bit is set, of any float type. Bytes: n/8 + kept·(bytes of one number), so that it stores less than the whole slot above a
 * sparsity of 1/8 of a number's inverse width: 3.125 % for float32, 6.25 % for 16-bit floats.
 */

type StoredParameter = Pick<ParameterDeclaration, 'path' | 'settings'>;

/** How many numbers of a sparse slot are kept; undefined where the slot is not sparse. @throws AppError `config_mismatch` */
export function keptCount({ path, settings }: StoredParameter, slot: string): number | undefined {
  const kept = settings[`${slot}.kept`];
  if (kept === undefined) return undefined;
  if (typeof kept !== 'number' || !Number.isSafeInteger(kept) || kept < 0)
    throw new AppError('config_mismatch', `${path}, slot "${slot}": keeps ${JSON.stringify(kept)} numbers, which is no count.`);
  return kept;
}

/** The settings that `keptCount` reads. */
function sparseSettings(slot: string, kept: number): ParameterSettings {
  return { [`${slot}.kept`]: kept };
}

/** The names of the two stored tensors of a sparse slot. */
export function sparsePieces(slot: string): { readonly mask: string; readonly values: string } {
  return { mask: `${slot}.mask`, values: `${slot}.values` };
}

/** Bytes of `size` numbers of which `kept` are stored. */
export function sparseBytes(size: number, kept: number, dtype: DType): number {
  return packedBytes(size, 1) + kept * dtypeBytes[dtype];
}

/** The stored tensors of slots, with the sparse ones in their two pieces. @throws AppError `config_mismatch` */
export function sparseSlots(slots: Readonly<Record<string, SlotSpec>>, parameter: StoredParameter): Readonly<Record<string, SlotSpec>> {
  const stored: Record<string, SlotSpec> = {};
  for (const [slot, spec] of Object.entries(slots)) {
    const kept = keptCount(parameter, slot);
    if (kept === undefined) {
      stored[slot] = spec;
      continue;
    }
    const size = sizeOf(spec.shape);
    if (spec.dtype !== 'float' || kept > size)
      throw new AppError('config_mismatch', `${parameter.path}, slot "${slot}": ${printShape(spec.shape)} cannot keep ${kept} numbers.`);
    const { mask, values } = sparsePieces(slot);
    stored[mask] = { shape: [packedBytes(size, 1)], dtype: 'uint8', trains: false };
    stored[values] = { shape: [kept], dtype: 'float', trains: spec.trains };
  }
  return stored;
}

/**
 * The whole tensor of a sparse slot, of the values' type, zero where nothing is kept.
 *
 * @throws AppError `config_mismatch` where the bitmap keeps another number of values
 */
export function decodeSparse<D extends DType>(
  shape: readonly number[],
  mask: HostTensor,
  values: HostTensor<D>,
  place: string,
): HostTensor<D> {
  const bitmap = bitmapOf(mask);
  const numBits = countKept(bitmap);
  if (numBits !== sizeOf(values.shape))
    throw new AppError('config_mismatch', `${place}: the bitmap keeps ${numBits} numbers, stored are ${sizeOf(values.shape)}.`);
  return scatterKept(shape, values, bitmap);
}

/** The values of a sparse slot whose whole tensor changed: what lies outside the mask is dropped. */
export function keptValues<D extends DType>(whole: HostTensor<D>, mask: HostTensor): HostTensor<D> {
  return gatherKept(whole, bitmapOf(mask));
}

/** 1 for each of `size` numbers that is kept, else 0. */
export function maskFlags(mask: HostTensor, size: number): Uint8Array<ArrayBuffer> {
  return unpackFlags(bitmapOf(mask), size);
}

function bitmapOf({ data }: HostTensor): Bitmap {
  invariant(data instanceof Uint8Array, 'a mask is a bitmap of bytes');
  return data;
}

/** A float tensor as a sparse slot: its settings and its two stored tensors. `keeps` has one flag (0 or 1) a number. */
export function sparseSlot(
  slot: string,
  whole: HostTensor,
  keeps: Uint8Array,
): { readonly settings: ParameterSettings; readonly tensors: Readonly<Record<string, HostTensor>> } {
  const bytes = packFlags(keeps);
  const mask = hostTensor('uint8', [bytes.length], bytes);
  const values = keptValues(whole, mask);
  const names = sparsePieces(slot);
  return { settings: sparseSettings(slot, at(values.shape, 0)), tensors: { [names.mask]: mask, [names.values]: values } };
}

// Tensors of which only some elements are kept: a bitmap in row-major order, low bits first, and the kept elements.
import { invariant } from '#base';
import type { DType } from './dtype.ts';
import { type HostTensor, hostTensor, sizeOf } from './host-tensor.ts';

/** Which elements are kept, one bit each; the bits behind the last element are zero. */
export type Bitmap = Uint8Array;

/** The bitmap of one flag (0 or 1) an element. */
export function packFlags(flags: Uint8Array): Uint8Array<ArrayBuffer> {
  const bitmap = new Uint8Array(Math.ceil(flags.length / 8));
  for (let index = 0; index < flags.length; index++) bitmap[index >>> 3]! |= flags[index]! << (index & 7);
  return bitmap;
}

/** The inverse: one flag for each of `count` elements. */
export function unpackFlags(bitmap: Bitmap, count: number): Uint8Array<ArrayBuffer> {
  const flags = new Uint8Array(count);
  for (let index = 0; index < count; index++) flags[index] = (bitmap[index >>> 3]! >>> (index & 7)) & 1;
  return flags;
}

/** How many elements are kept. */
export function countKept(bitmap: Bitmap): number {
  let count = 0;
  for (let index = 0; index < bitmap.length; index++) for (let byte = bitmap[index]!; byte !== 0; byte &= byte - 1) count++;
  return count;
}

/** The kept elements of a tensor, in order: [countKept(bitmap)]. */
export function gatherKept<D extends DType>(whole: HostTensor<D>, bitmap: Bitmap): HostTensor<D> {
  const kept = hostTensor(whole.dtype, [countKept(bitmap)]);
  invariant(bitmap.length === Math.ceil(sizeOf(whole.shape) / 8), 'a bitmap has one bit an element');
  const [source, target] = [whole.data as Float32Array, kept.data as Float32Array];
  let count = 0;
  for (let index = 0; index < source.length; index++) if (isKept(bitmap, index)) target[count++] = source[index]!;
  return kept;
}

/** The whole tensor of kept elements, zero elsewhere. `kept` has as many elements as the bitmap has bits set. */
export function scatterKept<D extends DType>(shape: readonly number[], kept: HostTensor<D>, bitmap: Bitmap): HostTensor<D> {
  const whole = hostTensor(kept.dtype, shape);
  invariant(bitmap.length === Math.ceil(sizeOf(shape) / 8), 'a bitmap has one bit an element');
  const [source, target] = [kept.data as Float32Array, whole.data as Float32Array];
  let count = 0;
  for (let index = 0; index < target.length; index++) if (isKept(bitmap, index)) target[index] = source[count++]!;
  return whole;
}

function isKept(bitmap: Bitmap, index: number): boolean {
  return ((bitmap[index >>> 3]! >>> (index & 7)) & 1) === 1;
}

// Small unsigned integers packed into bytes, low bits first: the layout in which runtimes read weights of few bits.
import { invariant } from '#base';

/** Bytes of one row of `count` codes. */
export function packedBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/**
 * Packs rows of `count` codes each; every row starts at a byte, and the bits behind its last code are zero.
 *
 * @param codes - [rows, count], each below 2^bits
 * @returns [rows, packedBytes(count, bits)]
 */
export function packCodes(codes: ArrayLike<number>, count: number, bits: number): Uint8Array<ArrayBuffer> {
  const numRows = count === 0 ? 0 : codes.length / count;
  invariant(Number.isInteger(numRows), `${codes.length} codes are not rows of ${count}`);
  const rowBytes = packedBytes(count, bits);
  const packed = new Uint8Array(numRows * rowBytes);
  for (let row = 0; row < numRows; row++)
    for (let index = 0; index < count; index++) {
      const code = codes[row * count + index]!;
      const bit = index * bits;
      const byte = row * rowBytes + (bit >>> 3);
      const shifted = code << (bit & 7);
      packed[byte] = packed[byte]! | shifted;
      // A code of three bits may begin in one byte and end in the next.
      if (shifted > 255) packed[byte + 1] = packed[byte + 1]! | (shifted >>> 8);
    }
  return packed;
}

/**
 * The inverse of `packCodes`.
 *
 * @param packed - [rows, packedBytes(count, bits)]
 * @returns [rows, count]
 */
export function unpackCodes(packed: ArrayLike<number>, count: number, bits: number): Uint8Array<ArrayBuffer> {
  const rowBytes = packedBytes(count, bits);
  const numRows = rowBytes === 0 ? 0 : packed.length / rowBytes;
  invariant(Number.isInteger(numRows), `${packed.length} bytes are not rows of ${rowBytes}`);
  const codes = new Uint8Array(numRows * count);
  const mask = 2 ** bits - 1;
  for (let row = 0; row < numRows; row++)
    for (let index = 0; index < count; index++) {
      const bit = index * bits;
      const byte = row * rowBytes + (bit >>> 3);
      const offset = bit & 7;
      const next = offset + bits > 8 ? packed[byte + 1]! << 8 : 0;
      codes[row * count + index] = ((packed[byte]! | next) >>> offset) & mask;
    }
  return codes;
}

// Packing of codes of 2, 3, 4 and 8 bits.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { packCodes, packedBytes, unpackCodes } from '#tensor';

describe('packed codes', () => {
  it('puts low bits first', () => {
    expect([...packCodes([1, 2, 15, 0], 4, 4)]).toEqual([0x21, 0x0f]);
    expect([...packCodes([1, 2, 3, 0], 4, 2)]).toEqual([0b00111001]);
    // The third code of three bits begins in the first byte and ends in the second.
    expect([...packCodes([1, 2, 7], 3, 3)]).toEqual([0b11010001, 0b1]);
  });

  it.each([2, 3, 4, 8])('come back from %i bits, also in rows that do not fill their last byte', (bits) => {
    const random = new Random(bits);
    for (const count of [1, 3, 8, 21]) {
      const codes = Array.from({ length: 3 * count }, () => random.integer(2 ** bits));
      const packed = packCodes(codes, count, bits);
      expect(packed.length).toBe(3 * packedBytes(count, bits));
      expect([...unpackCodes(packed, count, bits)]).toEqual(codes);
    }
  });
});

// Bitmaps and the elements that they keep.
import { describe, expect, it } from 'vitest';
import { countKept, type DType, float32, fromNumbers, gatherKept, hostTensor, packFlags, scatterKept, unpackFlags } from '#tensor';

/** Elements 0, 2, 8 and 10 of 11. */
const bitmap = Uint8Array.of(0b101, 0b101);

describe('kept elements', () => {
  it.each<DType>(['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int8'])(
    'are gathered in order and go back to their places: %s',
    (dtype) => {
      const whole = hostTensor(dtype, [11], fromNumbers(dtype, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]));
      const kept = gatherKept(whole, bitmap);
      expect(kept).toEqual(hostTensor(dtype, [4], fromNumbers(dtype, [1, 3, 9, 11])));
      expect(scatterKept([11], kept, bitmap)).toEqual(hostTensor(dtype, [11], fromNumbers(dtype, [1, 0, 3, 0, 0, 0, 0, 0, 9, 0, 11])));
    },
  );

  it('come from flags and go back to them', () => {
    const flags = Uint8Array.of(1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1);
    expect(packFlags(flags)).toEqual(bitmap);
    expect(unpackFlags(bitmap, 11)).toEqual(flags);
    expect(packFlags(new Uint8Array()).length).toBe(0);
  });

  it('are counted', () => {
    expect(countKept(bitmap)).toBe(4);
    expect(countKept(Uint8Array.of(255, 0, 7))).toBe(11);
    expect(countKept(new Uint8Array())).toBe(0);
  });

  it('may be none or all', () => {
    expect(scatterKept([2, 2], float32([0], []), Uint8Array.of(0)).data).toEqual(new Float32Array(4));
    expect(gatherKept(float32([2, 2], [1, 2, 3, 4]), Uint8Array.of(15)).data).toEqual(Float32Array.of(1, 2, 3, 4));
  });
});

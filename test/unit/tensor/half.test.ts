// 16-bit floats against a slow exact rule: the nearest representable number, ties to the even pattern.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from '#tensor';

interface Format {
  readonly name: string;
  readonly exponentBits: number;
  readonly widen: (bits: Uint16Array) => Float32Array;
  readonly narrow: (values: ArrayLike<number>) => Uint16Array;
}

const formats: readonly Format[] = [
  { name: 'float16', exponentBits: 5, widen: halfToFloat, narrow: floatToHalf },
  { name: 'bfloat16', exponentBits: 8, widen: bfloat16ToFloat, narrow: floatToBfloat16 },
];

const everyPattern = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

/** The value of a pattern by the definition of IEEE 754; the pattern of infinity reads as the power of two that follows. */
function patternValue(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits & 0x7fff) >> fractionBits;
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  return exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
}

/** Searches the nearest of all patterns; exact, since every number here is a float32 and the sums are in float64. */
function nearest(value: number, exponentBits: number): number {
  const infinityBits = (2 ** exponentBits - 1) << (15 - exponentBits);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | infinityBits;
  let low = 0;
  let high = infinityBits;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (patternValue(middle, exponentBits) <= size) low = middle;
    else high = middle;
  }
  const [below, above] = [size - patternValue(low, exponentBits), patternValue(high, exponentBits) - size];
  if (above < 0) return sign | high;
  if (below === above) return sign | (low % 2 === 0 ? low : high);
  return sign | (below < above ? low : high);
}

for (const { name, exponentBits, widen, narrow } of formats) {
  const infinityBits = (2 ** exponentBits - 1) << (15 - exponentBits);
  describe(name, () => {
    it('widens all 65,536 patterns exactly and narrows them back', () => {
      const floats = widen(everyPattern);
      const back = narrow(floats);
      for (const bits of everyPattern) {
        const isNotANumber = (bits & 0x7fff) > infinityBits;
        const expected = isNotANumber
          ? Number.NaN
          : (bits & 0x8000 ? -1 : 1) * ((bits & 0x7fff) === infinityBits ? Number.POSITIVE_INFINITY : patternValue(bits, exponentBits));
        if (!Object.is(floats[bits], expected)) expect.fail(`pattern ${bits} widens to ${floats[bits]}, expected ${expected}`);
        if (isNotANumber ? (back[bits]! & 0x7fff) <= infinityBits : back[bits] !== bits)
          expect.fail(`pattern ${bits} comes back as ${back[bits]}`);
      }
    });

    it('rounds halfway cases to the even pattern, and anything beside them to the nearer one', () => {
      for (let bits = 0; bits < infinityBits; bits++) {
        const middle = (patternValue(bits, exponentBits) + patternValue(bits + 1, exponentBits)) / 2;
        if (middle !== Math.fround(middle)) continue; // below float32's own subnormals
        const even = bits % 2 === 0 ? bits : bits + 1;
        const [shrunk, grown] = [neighbour(middle, -1), neighbour(middle, 1)];
        const actual = narrow([middle, shrunk, grown, -middle]);
        if (actual[0] !== even || actual[1] !== bits || actual[2] !== bits + 1 || actual[3] !== (even | 0x8000))
          expect.fail(`around the middle after pattern ${bits}: ${[...actual].join(', ')}`);
      }
    });

    it('agrees with the exact rule on any float32', () => {
      fc.assert(
        fc.property(fc.float({ noNaN: true }), (value) => {
          expect(narrow([value])[0]).toBe(nearest(value, exponentBits));
        }),
        { numRuns: 3000 },
      );
    });

    it('overflows to infinity and keeps NaN', () => {
      const largest = patternValue(infinityBits - 1, exponentBits);
      const limit = (largest + patternValue(infinityBits, exponentBits)) / 2; // halfway to the next power of two rounds to even: infinity
      expect([...narrow([largest, limit, -limit, neighbour(limit, -1)])]).toEqual([
        infinityBits - 1,
        infinityBits,
        infinityBits | 0x8000,
        infinityBits - 1,
      ]);
      expect([...narrow([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300])]).toEqual([
        infinityBits,
        infinityBits | 0x8000,
        infinityBits,
      ]);
      expect(widen(narrow([Number.NaN]))[0]).toBeNaN();
    });
  });
}

/** The next float32 of a positive number, up or down. */
function neighbour(value: number, direction: 1 | -1): number {
  const word = new Uint32Array(Float32Array.of(value).buffer);
  word[0]! += direction;
  return new Float32Array(word.buffer)[0]!;
}

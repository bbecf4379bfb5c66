// The grids of codes: what rounding loses, what it keeps, and what is stored.
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { runAtOnce } from '#linalg';
import { halfToFloat, tensorBytes } from '#tensor';
import { decodeCodes, type GridShape, makeGrid, nearestCodes, packGrid } from '../../../src/compress/quantize/grid.ts';
import { schemeCodes } from '../../../src/compress/quantize/scheme-codes.ts';
import { decoded, encodedBytes, roundToNearest } from '../../../src/compress/quantize/slot-codes.ts';
import { frobenius, gaussian } from './matrices.ts';

const shapeOf = (bits: number, symmetric: boolean, more: Partial<GridShape> = {}): GridShape => ({
  rows: 64,
  columns: 256,
  groupSize: 32,
  bits,
  symmetric,
  ...more,
});

const normals = Float32Array.from(gaussian(64, 256, 3));
const cases = [8, 4, 3, 2].flatMap((bits) => [true, false].map((symmetric) => ({ bits, symmetric })));

describe.each(cases)('$bits bits, symmetric: $symmetric', ({ bits, symmetric }) => {
  const shape = shapeOf(bits, symmetric);
  const { grid, codes } = runAtOnce(roundToNearest(normals, shape));
  const numbers = decodeCodes(codes, grid);

  it('is at most half a step from every number of its range', () => {
    numbers.forEach((number, index) => {
      const scale = grid.scales[Math.floor(index / 256) * 8 + Math.floor((index % 256) / 32)]!;
      // The zero point is rounded too: the range of an asymmetric grid may end up to half a step early.
      expect(Math.abs(number - normals[index]!)).toBeLessThanOrEqual((symmetric ? 0.5 : 1) * scale * (1 + 1e-5));
    });
  });

  it('maps zero to zero', () => {
    const withZeros = normals.map((value, index) => (index % 5 === 0 ? 0 : value));
    const result = decoded(runAtOnce(roundToNearest(withZeros, shape)));
    for (let index = 0; index < result.length; index += 5) expect(result[index]).toBe(0);
  });

  it('changes nothing the second time', () => {
    const again = decoded(runAtOnce(roundToNearest(numbers, shape)));
    expect(frobenius(again.map((value, index) => value - numbers[index]!)) / frobenius(numbers)).toBeLessThan(1e-6);
  });

  it('has 16-bit scales', () => {
    const stored = packGrid(codes, grid)['scales']!;
    expect(stored.dtype).toBe('float16');
    expect([...halfToFloat(stored.data as Uint16Array)]).toEqual([...grid.scales]);
  });

  it('stores the bytes of the formula', () => {
    const bytes = Object.values(packGrid(codes, grid)).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    expect((8 * bytes) / normals.length).toBe(bits + 16 / 32 + (symmetric ? 0 : bits / 32));
    expect(bytes).toBe(encodedBytes({ rows: 64, columns: 256, isTransposed: false }, shape));
  });

  it('treats rows alike in any pieces', () => {
    const row = runAtOnce(roundToNearest(normals.subarray(256, 512), { ...shape, rows: 1 }));
    expect([...row.codes]).toEqual([...codes.subarray(256, 512)]);
  });

  it('fills the last group with codes of zero', () => {
    const odd = { ...shape, rows: 4, columns: 37 };
    const result = runAtOnce(roundToNearest(normals.subarray(0, 4 * 37), odd));
    expect(result.codes.length).toBe(4 * 64);
    for (let row = 0; row < 4; row++)
      for (let column = 37; column < 64; column++) expect(result.codes[row * 64 + column]).toBe(result.grid.zeroPoints[row * 2 + 1]);
  });
});

describe('relative error on normal weights', () => {
  it.each([
    [8, true, 0.0054],
    [4, true, 0.097],
    [4, false, 0.0785],
    [3, true, 0.227],
    [3, false, 0.168],
    [2, true, 0.658],
    [2, false, 0.393],
  ])('is what it should be at %i bits, symmetric: %s', (bits, symmetric, expected) => {
    const numbers = Float32Array.from(gaussian(512, 256, 11));
    const kept = decoded(runAtOnce(roundToNearest(numbers, shapeOf(bits, symmetric, { rows: 512 }))));
    const error = frobenius(kept.map((value, index) => value - numbers[index]!)) / frobenius(numbers);
    expect(error / expected).toBeGreaterThan(0.95);
    expect(error / expected).toBeLessThan(1.05);
  });
});

describe('ternary and binary codes', () => {
  const numbers = Float32Array.from(gaussian(256, 512, 13));
  const shape: GridShape = { rows: 256, columns: 512, bits: 2, groupSize: 512, symmetric: true };
  const schemes = [
    ['ternary', 'twn', 0.438],
    ['ternary', 'absmean', 0.513],
    ['binary', 'twn', 0.603],
  ] as const;
  const kept = (
    of: Float32Array,
    scheme: 'ternary' | 'binary',
    threshold: 'twn' | 'absmean',
    more: Partial<GridShape> = {},
  ): Float32Array => decoded(runAtOnce(schemeCodes(of, { ...shape, ...more }, scheme, threshold)));

  it.each(schemes)('%s by %s lose what they should of normal weights', (scheme, threshold, expected) => {
    const made = kept(numbers, scheme, threshold);
    const error = frobenius(made.map((value, index) => value - numbers[index]!)) / frobenius(numbers);
    expect(error / expected).toBeGreaterThan(0.97);
    expect(error / expected).toBeLessThan(1.03);
    if (threshold === 'absmean') expect(made.filter((value) => value === 0).length / made.length).toBeCloseTo(0.31, 2);
  });

  it.each(schemes)('%s by %s have two or three values a group, and zero only among three', (scheme, threshold) => {
    const made = kept(numbers, scheme, threshold);
    const values = new Set(made.subarray(0, 512));
    expect(values.size).toBe(scheme === 'ternary' ? 3 : 2);
    expect(values.has(0)).toBe(scheme === 'ternary');
    expect([...values].reduce((sum, value) => sum + value, 0)).toBe(0);
  });

  it.each(schemes.filter(([, threshold]) => threshold === 'twn'))('%s changes nothing the second time', (scheme, threshold) => {
    const once = kept(numbers, scheme, threshold);
    const twice = kept(once, scheme, threshold);
    expect(frobenius(twice.map((value, index) => value - once[index]!)) / frobenius(once)).toBeLessThan(1e-3);
  });

  it('maps zero to zero in ternary, and a group of zeros to zeros in both', () => {
    const withZeros = numbers.map((value, index) => (index % 7 === 0 ? 0 : value));
    const made = kept(withZeros, 'ternary', 'twn');
    for (let index = 0; index < made.length; index += 7) expect(made[index]).toBe(0);
    for (const scheme of ['ternary', 'binary'] as const)
      expect(kept(new Float32Array(512), scheme, 'twn', { rows: 1 }).every((value) => value === 0)).toBe(true);
  });

  it('store the bytes of the formula, padded groups too', () => {
    for (const [scheme, bits] of [
      ['ternary', 2],
      ['binary', 1],
    ] as const) {
      const odd = { rows: 3, columns: 40, bits, groupSize: 32, symmetric: true };
      const coded = runAtOnce(schemeCodes(numbers.subarray(0, 120), odd, scheme, 'twn'));
      const bytes = Object.values(packGrid(coded.codes, coded.grid)).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
      expect(bytes).toBe(3 * 2 * (4 * bits + 2));
      expect(bytes).toBe(encodedBytes({ rows: 3, columns: 40, isTransposed: false }, odd));
      expect(decoded(coded)).toHaveLength(120);
    }
  });
});

describe('odd weights', () => {
  it('keeps a group of zeros', () => {
    const grid = makeGrid(new Float32Array(32), shapeOf(4, false, { rows: 1, columns: 32 }));
    expect([...decodeCodes(nearestCodes(new Float32Array(32), grid), grid)]).toEqual(new Array(32).fill(0));
  });

  it('keeps weights too small for a normal 16-bit scale within a step', () => {
    const tiny = normals.map((value) => value * 1e-7);
    const { grid, codes } = runAtOnce(roundToNearest(tiny, shapeOf(4, false)));
    for (const [index, value] of decodeCodes(codes, grid).entries())
      expect(Math.abs(value - tiny[index]!)).toBeLessThanOrEqual(Math.max(...grid.scales));
  });

  it('refuses weights too large for a 16-bit scale', () => {
    const huge = normals.map((value) => value * 1e9);
    expect(() => makeGrid(huge, shapeOf(4, false))).toThrowError(AppError);
    expect(() => makeGrid(huge, shapeOf(4, false))).toThrow(/bad_weights/);
  });
});

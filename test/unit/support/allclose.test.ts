// Tests of the array comparison that every numeric test leans on.
import { describe, expect, it } from 'vitest';
import { expectAllClose } from '#test/allclose';

describe('expectAllClose', () => {
  it('accepts equal arrays without any tolerance', () => {
    expectAllClose([1, -2, 0], Float32Array.of(1, -2, 0));
    expectAllClose(BigInt64Array.of(3n), [3]);
    expectAllClose([], []);
  });

  it('accepts an error of exactly absolute plus relative times expected', () => {
    expectAllClose([2.5], [2], { absolute: 0.25, relative: 0.125 });
    expect(() => expectAllClose([2.5], [2], { absolute: 0.25, relative: 0.12 })).toThrow('1 of 1 elements differ');
  });

  it('measures the relative error against the expected side', () => {
    expect(() => expectAllClose([1], [0], { relative: 1 })).toThrow('[0] is 1, expected 0');
  });

  it('holds NaN equal to NaN and an infinity to itself only', () => {
    expectAllClose([Number.NaN, Number.NEGATIVE_INFINITY], [Number.NaN, Number.NEGATIVE_INFINITY]);
    expect(() => expectAllClose([Number.NaN], [1], { absolute: 1e9 })).toThrow('[0] is NaN');
    expect(() => expectAllClose([1], [Number.POSITIVE_INFINITY], { relative: 1 })).toThrow('expected Infinity');
    expect(() => expectAllClose([Number.NEGATIVE_INFINITY], [Number.POSITIVE_INFINITY], { relative: 1 })).toThrow('[0] is -Infinity');
  });

  it('rejects arrays of different lengths', () => {
    expect(() => expectAllClose([1, 2], [1])).toThrow('array: has 2 elements, expected 1');
  });

  it('names the first and the worst element and the largest difference', () => {
    const compare = (): void => expectAllClose([1, 2.5, 3, 9], [1, 2, 3, 4], { absolute: 0.1, what: 'h.0.attn.q.bias' });
    expect(compare).toThrow('h.0.attn.q.bias: 2 of 4 elements differ: first [1] is 2.5, expected 2; worst [3] is 9, expected 4');
    expect(compare).toThrow('largest difference 5 (allowed: relative 0, absolute 0.1)');
  });
});

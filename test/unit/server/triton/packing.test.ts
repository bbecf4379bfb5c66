// Packing of tensors: the layout byte by byte, and refusals that come before anything is allocated.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { InferTensorContents__Output } from '../../../../src/server/gen/inference/InferTensorContents.ts';
import type { Datatype } from '../../../../src/server/triton/datatypes.ts';
import {
  checkRaw,
  elementCount,
  packBytes,
  packFloats,
  packTyped,
  unpackBytes,
  unpackTexts,
} from '../../../../src/server/triton/packing.ts';

const contents = (filled: Partial<InferTensorContents__Output>): InferTensorContents__Output => ({
  boolContents: [],
  intContents: [],
  int64Contents: [],
  uintContents: [],
  uint64Contents: [],
  fp32Contents: [],
  fp64Contents: [],
  bytesContents: [],
  ...filled,
});

describe('BYTES', () => {
  it('are a little-endian length and the bytes of each element', () => {
    const packed = packBytes([Buffer.from('ab'), Buffer.alloc(0), Buffer.from('é')]);
    expect(packed.toString('hex')).toBe('0200000061620000000002000000c3a9');
    expect(unpackTexts(packed, 'text')).toEqual(['ab', '', 'é']);
  });

  it('come back as they were, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 }), (elements) => {
        const packed = packBytes(elements);
        checkRaw(packed, 'BYTES', elements.length, 'x');
        expect(unpackBytes(packed).map((element) => [...element])).toEqual(elements.map((element) => [...element]));
      }),
    );
  });

  it.each([
    ['a length that is cut', '0200', 1, /ends inside its length/],
    ['an element that is cut', '0200000061', 1, /longer than what was sent/],
    ['a length of 4 GiB', 'ffffffff61', 1, /longer than what was sent/],
    ['fewer elements than promised', '0100000061', 2, /2 elements of BYTES were promised, got 1/],
    ['more elements than promised', '01000000610100000061', 1, /5 bytes are left over/],
    ['a shape far beyond what was sent', '0100000061', 2 ** 50, /were promised, got 1/],
  ])('are refused with %s', (_, hex, count, message) => {
    expect(() => checkRaw(Buffer.from(hex, 'hex'), 'BYTES', count, 'x')).toThrow(message);
  });

  it('are refused as text when they are not UTF-8', () => {
    expect(() => unpackTexts(packBytes([Buffer.from([0xff])]), 'text')).toThrow(/bad_encoding.*element 0/);
  });
});

describe('raw numbers', () => {
  it('must be as many bytes as their shape says', () => {
    expect(() => checkRaw(new Uint8Array(8), 'FP32', 2, 'x')).not.toThrow();
    expect(() => checkRaw(new Uint8Array(7), 'FP32', 2, 'x')).toThrow(/2 elements of FP32 are 8 bytes, got 7/);
    expect(() => checkRaw(new Uint8Array(4), 'BF16', 2, 'x')).not.toThrow();
  });

  it.each([[[-1]], [[1.5]], [[2 ** 40, 2 ** 40]], [[Number.NaN]]])('are refused for the shape %s', (shape) => {
    expect(() => elementCount(shape, 'x')).toThrow(/invalid_argument/);
  });

  it('of no sizes are one element, of a size 0 none', () => {
    expect(elementCount([], 'x')).toBe(1);
    expect(elementCount([3, 0], 'x')).toBe(0);
  });
});

describe('typed contents', () => {
  it.each<[Datatype, Partial<InferTensorContents__Output>, string]>([
    ['BOOL', { boolContents: [true, false] }, '0100'],
    ['INT8', { intContents: [-1, 127] }, 'ff7f'],
    ['UINT16', { uintContents: [1, 65535] }, '0100ffff'],
    ['INT32', { intContents: [-2, 1] }, 'feffffff01000000'],
    ['INT64', { int64Contents: [-2, 1] }, 'feffffffffffffff0100000000000000'],
    ['FP32', { fp32Contents: [1, -2] }, '0000803f000000c0'],
    ['FP64', { fp64Contents: [1, 0] }, '000000000000f03f0000000000000000'],
    ['BYTES', { bytesContents: [Buffer.from('a'), Buffer.alloc(0)] }, '010000006100000000'],
  ])('of %s become the same bytes as raw ones', (datatype, filled, hex) => {
    expect(packTyped(contents(filled), datatype, 2, 'x').toString('hex')).toBe(hex);
  });

  it('are refused in the member of another type, in another number, and out of range', () => {
    expect(() => packTyped(contents({ intContents: [1] }), 'FP32', 1, 'x')).toThrow(/another type than FP32/);
    expect(() => packTyped(contents({ fp32Contents: [1] }), 'FP32', 2, 'x')).toThrow(/promises 2 elements, got 1/);
    expect(() => packTyped(contents({ intContents: [128] }), 'INT8', 1, 'x')).toThrow(/out of the range of INT8/);
    expect(() => packTyped(contents({ int64Contents: [2 ** 60] }), 'INT64', 1, 'x')).toThrow(/out of the range of INT64/);
    expect(() => packTyped(contents({}), 'FP16', 1, 'x')).toThrow(/no typed contents/);
  });
});

it('floats are packed little-endian', () => {
  expect(packFloats([1, -2]).toString('hex')).toBe('0000803f000000c0');
});

// Host tensors: construction, conversion between element types, and the few operations that the host does on them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrayView,
  castTensor,
  type DType,
  dtypeBytes,
  firstNonFinite,
  float32,
  fromNumbers,
  hostTensor,
  int32,
  int64,
  isFloat,
  rawBytes,
  sizeOf,
  tensorBytes,
  toNumbers,
  transposeMatrix,
  zeros,
} from '#tensor';

const dtypes = Object.keys(dtypeBytes) as DType[];

describe('host tensors', () => {
  it('are zero when no data is given, and refuse data of another length', () => {
    expect([...hostTensor('float32', [2, 2]).data]).toEqual([0, 0, 0, 0]);
    expect(hostTensor('int64', []).data).toEqual(BigInt64Array.of(0n));
    expect(hostTensor('bool', [3, 0]).data).toHaveLength(0);
    expect(() => float32([2, 3], [1, 2])).toThrow('[shape_mismatch] tensor [2, 3] needs 6 elements, got 2.');
    expect([sizeOf([]), sizeOf([2, 3]), sizeOf([2, 0])]).toEqual([1, 6, 0]);
  });

  it.each(dtypes)('of %s have the size that the type says, and view their bytes', (dtype) => {
    const tensor = hostTensor(dtype, [3, 2]);
    expect(tensorBytes(tensor)).toBe(6 * dtypeBytes[dtype]);
    expect(rawBytes(tensor)).toHaveLength(6 * dtypeBytes[dtype]);
    expect(zeros(dtype, 5).byteLength).toBe(5 * dtypeBytes[dtype]);
    rawBytes(tensor).fill(1);
    expect(toNumbers(tensor)[0]).not.toBe(0);
    const view = hostTensor(dtype, [2], arrayView(dtype, tensor.data.buffer, 2 * dtypeBytes[dtype], 2));
    expect(rawBytes(view).byteOffset).toBe(2 * dtypeBytes[dtype]);
  });

  it('keep small whole numbers through every cast', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...dtypes),
        fc.constantFrom(...dtypes),
        fc.array(fc.integer({ min: 0, max: 127 })),
        (from, to, numbers) => {
          const wanted = from === 'bool' || to === 'bool' ? numbers.map((value) => (value === 0 ? 0 : 1)) : numbers;
          const cast = castTensor(hostTensor(from, [numbers.length], fromNumbers(from, numbers)), to);
          expect(cast.dtype).toBe(to);
          expect([...toNumbers(cast)]).toEqual(wanted);
        },
      ),
    );
  });

  it('truncate toward zero, wrap nothing that fits, and are the same object when the type does not change', () => {
    const source = float32([4], [1.9, -1.9, 0.5, -0.5]);
    expect([...castTensor(source, 'int64').data]).toEqual([1n, -1n, 0n, 0n]);
    expect([...castTensor(source, 'int8').data]).toEqual([1, -1, 0, 0]);
    expect([...castTensor(source, 'bool').data]).toEqual([1, 1, 1, 1]);
    expect(castTensor(source, 'float32')).toBe(source);
    expect([...castTensor(int64([2], [2 ** 40, -3]), 'float64').data]).toEqual([2 ** 40, -3]);
    expect([...int32([2], [7, -7]).data]).toEqual([7, -7]);
    expect(dtypes.filter(isFloat)).toEqual(['float64', 'float32', 'float16', 'bfloat16']);
  });

  it('transpose as matrices of any size and type', () => {
    fc.assert(
      fc.property(fc.nat(70), fc.nat(70), fc.constantFrom<DType>('float32', 'int64', 'float16'), (rows, columns, dtype) => {
        const numbers = Array.from({ length: rows * columns }, (_, index) => index % 1000);
        const matrix = hostTensor(dtype, [rows, columns], fromNumbers(dtype, numbers));
        const transposed = transposeMatrix(matrix);
        expect(transposed.shape).toEqual([columns, rows]);
        const actual = toNumbers(transposed);
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            if (actual[column * rows + row] !== numbers[row * columns + column]) expect.fail(`[${row}, ${column}] is wrong`);
        expect(transposeMatrix(transposed)).toEqual(matrix);
      }),
      { numRuns: 40 },
    );
    expect(() => transposeMatrix(float32([2, 1, 1], [1, 2]))).toThrow(/a matrix has two axes, not \[2, 1, 1\]/);
  });

  it('say where the first NaN or infinity is', () => {
    for (const dtype of ['float64', 'float32', 'float16', 'bfloat16'] as const) {
      const tensor = (numbers: readonly number[]) => hostTensor(dtype, [numbers.length], fromNumbers(dtype, numbers));
      expect(firstNonFinite(tensor([1, -2, 0]))).toBe(-1);
      expect(firstNonFinite(tensor([1, Number.NEGATIVE_INFINITY, Number.NaN]))).toBe(1);
      expect(firstNonFinite(tensor([Number.NaN]))).toBe(0);
      expect(firstNonFinite(tensor([]))).toBe(-1);
    }
    expect(firstNonFinite(int64([2], [1, 2]))).toBe(-1);
  });
});

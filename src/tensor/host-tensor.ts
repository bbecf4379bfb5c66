// Tensors in host memory: an element type, a shape and one contiguous row-major array.
import { AppError, invariant } from '#base';
import { printShape } from './dim.ts';
import { type DType, type DTypeArray, dtypeBytes, zeros } from './dtype.ts';
import { bfloat16ToFloat, floatToBfloat16, floatToHalf, halfToFloat } from './half.ts';

export interface HostTensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** Row-major, exactly as many elements as the shape says. */
  readonly data: DTypeArray[D];
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Wraps `data` (or zeros) as a tensor. @throws AppError `shape_mismatch` when the lengths differ. */
export function hostTensor<D extends DType>(dtype: D, shape: readonly number[], data?: DTypeArray[D]): HostTensor<D> {
  const length = sizeOf(shape);
  if (data !== undefined && data.length !== length)
    throw new AppError('shape_mismatch', `tensor ${printShape(shape)} needs ${length} elements, got ${data.length}.`);
  return { dtype, shape, data: data ?? zeros(dtype, length) };
}

export function float32(shape: readonly number[], values: ArrayLike<number>): HostTensor<'float32'> {
  return hostTensor('float32', shape, values instanceof Float32Array ? values : Float32Array.from(values));
}

export function int64(shape: readonly number[], values: ArrayLike<number>): HostTensor<'int64'> {
  const data = new BigInt64Array(values.length);
  for (let index = 0; index < values.length; index++) data[index] = BigInt(values[index]!);
  return hostTensor('int64', shape, data);
}

export function int32(shape: readonly number[], values: ArrayLike<number>): HostTensor<'int32'> {
  return hostTensor('int32', shape, values instanceof Int32Array ? values : Int32Array.from(values));
}

export function tensorBytes(tensor: { readonly dtype: DType; readonly shape: readonly number[] }): number {
  return sizeOf(tensor.shape) * dtypeBytes[tensor.dtype];
}

/** The bytes of a tensor, as a view. */
export function rawBytes(tensor: HostTensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
}

/** The elements as numbers: a view where the type allows it, otherwise a converted copy. */
export function toNumbers(tensor: HostTensor): Float64Array | Float32Array | Int32Array | Int8Array | Uint8Array {
  switch (tensor.dtype) {
    case 'float16':
      return halfToFloat(tensor.data as Uint16Array);
    case 'bfloat16':
      return bfloat16ToFloat(tensor.data as Uint16Array);
    case 'int64':
      return Float64Array.from(tensor.data as BigInt64Array, Number);
    default:
      return tensor.data as Float64Array | Float32Array | Int32Array | Int8Array | Uint8Array;
  }
}

/** Converts the element type; returns the same tensor when nothing changes. */
export function castTensor<D extends DType>(tensor: HostTensor, dtype: D): HostTensor<D> {
  if (tensor.dtype === dtype) return tensor as HostTensor as HostTensor<D>;
  const numbers = toNumbers(tensor);
  return hostTensor(dtype, tensor.shape, fromNumbers(dtype, numbers));
}

/** Builds the host array of a type from numbers; integers truncate toward zero as ONNX Cast does. */
export function fromNumbers<D extends DType>(dtype: D, numbers: ArrayLike<number>): DTypeArray[D] {
  const convert: { readonly [K in DType]: () => DTypeArray[K] } = {
    float64: () => Float64Array.from(numbers),
    float32: () => Float32Array.from(numbers),
    float16: () => floatToHalf(numbers),
    bfloat16: () => floatToBfloat16(numbers),
    int64: () => {
      const data = new BigInt64Array(numbers.length);
      for (let index = 0; index < numbers.length; index++) data[index] = BigInt(Math.trunc(numbers[index]!));
      return data;
    },
    int32: () => Int32Array.from(numbers, Math.trunc),
    int8: () => Int8Array.from(numbers, Math.trunc),
    uint8: () => Uint8Array.from(numbers, Math.trunc),
    bool: () => Uint8Array.from(numbers, (value) => (value === 0 ? 0 : 1)),
  };
  return convert[dtype]();
}

/** Swaps the two axes of a matrix: [m, n] -> [n, m]. */
export function transposeMatrix<D extends DType>(tensor: HostTensor<D>): HostTensor<D> {
  invariant(tensor.shape.length === 2, `a matrix has two axes, not ${printShape(tensor.shape)}`);
  const [rows = 0, columns = 0] = tensor.shape;
  const result = hostTensor(tensor.dtype, [columns, rows]);
  const source = tensor.data as Float32Array;
  const target = result.data as Float32Array;
  const block = 32; // cache-sized tiles
  for (let rowStart = 0; rowStart < rows; rowStart += block) {
    const rowEnd = Math.min(rowStart + block, rows);
    for (let columnStart = 0; columnStart < columns; columnStart += block) {
      const columnEnd = Math.min(columnStart + block, columns);
      for (let row = rowStart; row < rowEnd; row++)
        for (let column = columnStart; column < columnEnd; column++) target[column * rows + row] = source[row * columns + column]!;
    }
  }
  return result;
}

/** Index of the first NaN or infinite element, or -1. */
export function firstNonFinite(tensor: HostTensor): number {
  if (
    tensor.dtype === 'int64' ||
    tensor.dtype === 'int32' ||
    tensor.dtype === 'int8' ||
    tensor.dtype === 'uint8' ||
    tensor.dtype === 'bool'
  )
    return -1;
  const numbers = toNumbers(tensor);
  for (let index = 0; index < numbers.length; index++) if (!Number.isFinite(numbers[index]!)) return index;
  return -1;
}

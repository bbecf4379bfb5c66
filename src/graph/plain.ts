// Plain evaluation on float64 arrays: the loops that op definitions share. Slow and readable on purpose.
import { bfloat16ToFloat, type DType, floatToBfloat16, floatToHalf, halfToFloat, sizeOf } from '#tensor';
import type { PlainTensor } from './types.ts';

export function plain(shape: readonly number[], data?: Float64Array): PlainTensor {
  return { shape, data: data ?? new Float64Array(sizeOf(shape)) };
}

/** Rounded to the 16-bit floats: those are asked for in order to round. Wider floats stand for what they hold. */
export function roundPlain(x: PlainTensor, dtype: DType): PlainTensor {
  if (dtype === 'float16') return plain(x.shape, Float64Array.from(halfToFloat(floatToHalf(x.data))));
  if (dtype === 'bfloat16') return plain(x.shape, Float64Array.from(bfloat16ToFloat(floatToBfloat16(x.data))));
  return x;
}

/** Row-major strides, in elements. */
export function strides(shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) result[axis] = (result[axis + 1] ?? 1) * (shape[axis + 1] ?? 1);
  return result;
}

/** Value at a flat index that the caller knows to be inside. */
export function read(tensor: PlainTensor, index: number): number {
  return tensor.data[index] ?? Number.NaN;
}

/**
 * For each element of `shape` in row-major order, its flat offset under other strides.
 *
 * @param elementStrides - one a result axis; 0 repeats the axis
 */
export function offsets(shape: readonly number[], elementStrides: readonly number[], base = 0): Int32Array {
  let result = Int32Array.of(base);
  shape.forEach((size, axis) => {
    const stride = elementStrides[axis] ?? 0;
    const longer = new Int32Array(result.length * size);
    for (let outer = 0; outer < result.length; outer++)
      for (let inner = 0; inner < size; inner++) longer[outer * size + inner] = (result[outer] ?? 0) + inner * stride;
    result = longer;
  });
  return result;
}

/** Strides by which an operand is read when it is broadcast to `shape`. */
export function broadcastStrides(operand: readonly number[], shape: readonly number[]): number[] {
  const own = strides(operand);
  const missing = shape.length - operand.length;
  return shape.map((_, axis) => (axis < missing || operand[axis - missing] === 1 ? 0 : (own[axis - missing] ?? 0)));
}

export function mapPlain(x: PlainTensor, f: (value: number) => number): PlainTensor {
  return plain(x.shape, x.data.map(f));
}

/** Applies f to operands broadcast to `shape`. */
export function mapBroadcast(
  operands: readonly PlainTensor[],
  shape: readonly number[],
  f: (values: readonly number[]) => number,
): PlainTensor {
  const result = plain(shape);
  const places = operands.map((operand) => offsets(shape, broadcastStrides(operand.shape, shape)));
  const values = new Array<number>(operands.length).fill(0);
  for (let index = 0; index < result.data.length; index++) {
    operands.forEach((operand, position) => {
      values[position] = read(operand, places[position]?.[index] ?? 0);
    });
    result.data[index] = f(values);
  }
  return result;
}

/** Copies `source` element by element into a result of `shape`, reading through the given strides. */
export function gatherStrided(x: PlainTensor, shape: readonly number[], elementStrides: readonly number[], base = 0): PlainTensor {
  const result = plain(shape);
  offsets(shape, elementStrides, base).forEach((offset, index) => {
    result.data[index] = read(x, offset);
  });
  return result;
}

/** Splits a shape at an axis into [outer, size, inner] element counts. */
export function around(shape: readonly number[], axis: number): readonly [number, number, number] {
  return [sizeOf(shape.slice(0, axis)), shape[axis] ?? 1, sizeOf(shape.slice(axis + 1))];
}

/** Calls f with each line of `x` along `axis`, and writes what it returns (same length) to the result. */
export function mapLines(x: PlainTensor, axis: number, f: (line: Float64Array) => Float64Array): PlainTensor {
  const [outer, size, inner] = around(x.shape, axis);
  const result = plain(x.shape);
  const line = new Float64Array(size);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) {
      const start = o * size * inner + i;
      for (let k = 0; k < size; k++) line[k] = read(x, start + k * inner);
      f(line).forEach((value, k) => {
        result.data[start + k * inner] = value;
      });
    }
  return result;
}

/** Folds `axes` with f from `initial`; the axes stay with size 1 if `keepDims`. */
export function reducePlain(
  x: PlainTensor,
  axes: readonly number[],
  shape: readonly number[],
  initial: number,
  f: (accumulated: number, value: number) => number,
): PlainTensor {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const result = plain(shape);
  result.data.fill(initial);
  const places = offsets(x.shape, broadcastStrides(kept, x.shape));
  x.data.forEach((value, index) => {
    const place = places[index] ?? 0;
    result.data[place] = f(result.data[place] ?? 0, value);
  });
  return result;
}

/** The error function to about 1e-15, by its series and continued fraction (Abramowitz and Stegun 7.1.6, 7.1.14). */
export function erfPlain(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = size;
    let sum = size;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum) && n < 200; n++) {
      term *= (2 * size * size) / (2 * n + 1);
      sum += term;
    }
    return (Math.sign(x) * 2 * Math.exp(-size * size) * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let n = 60; n >= 1; n--) fraction = n / 2 / (size + fraction);
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)));
}

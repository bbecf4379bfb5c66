// Taking indices out of one axis of a vector or matrix, and putting them back.
import { invariant } from '#base';
import { printShape } from './dim.ts';
import type { DType } from './dtype.ts';
import { type HostTensor, hostTensor } from './host-tensor.ts';

/** Index k of the axis becomes index `indices[k]` of before; the others are left out. Elements keep their type and their bits. */
export function selectAlong<D extends DType>(tensor: HostTensor<D>, axis: 0 | 1, indices: ArrayLike<number>): HostTensor<D> {
  const shape = tensor.shape.with(axis, indices.length);
  const result = hostTensor(tensor.dtype, shape);
  copyAlong(tensor, result, axis, indices.length, (index) => indices[index]!, Number);
  return result;
}

/** The other way: index k of before goes to `indices[k]` of an axis of `size`; what no index names is zero. */
export function spreadAlong<D extends DType>(tensor: HostTensor<D>, axis: 0 | 1, indices: ArrayLike<number>, size: number): HostTensor<D> {
  const result = hostTensor(tensor.dtype, tensor.shape.with(axis, size));
  copyAlong(tensor, result, axis, indices.length, Number, (index) => indices[index]!);
  return result;
}

function copyAlong(
  from: HostTensor,
  to: HostTensor,
  axis: 0 | 1,
  count: number,
  fromIndex: (index: number) => number,
  toIndex: (index: number) => number,
): void {
  invariant(from.shape.length > axis && from.shape.length <= 2, `axis ${axis} of a tensor ${printShape(from.shape)}`);
  // A vector is a matrix of one column.
  const [source, target] = [from.data as Float32Array, to.data as Float32Array];
  const [rows = 1, fromColumns = 1] = from.shape;
  const toColumns = to.shape[1] ?? 1;
  if (axis === 0) {
    for (let index = 0; index < count; index++) {
      const start = fromIndex(index) * fromColumns;
      target.set(source.subarray(start, start + fromColumns), toIndex(index) * toColumns);
    }
    return;
  }
  for (let row = 0; row < rows; row++)
    for (let index = 0; index < count; index++) target[row * toColumns + toIndex(index)] = source[row * fromColumns + fromIndex(index)]!;
}

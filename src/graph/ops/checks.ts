// Type checks and sample shorthands that the op definitions share.
import { AppError } from '#base';
import { broadcastShapes, type DType, isFloat, printShape, type Shape } from '#tensor';
import type { SampleOperand } from '../op.ts';
import type { TensorType } from '../types.ts';

export function requireFloat(type: TensorType, place: string): TensorType {
  if (!isFloat(type.dtype)) throw new AppError('dtype_mismatch', `${place}: needs a floating-point operand, got ${type.dtype}.`);
  return type;
}

export function requireDtype(type: TensorType, dtype: DType, place: string): void {
  if (type.dtype !== dtype) throw new AppError('dtype_mismatch', `${place}: needs ${dtype}, got ${type.dtype}.`);
}

export function requireSame(left: TensorType, right: TensorType, place: string): void {
  if (left.dtype !== right.dtype)
    throw new AppError('dtype_mismatch', `${place}: operand types differ: ${left.dtype} and ${right.dtype}. Cast one of them.`);
}

export function requireShape(type: TensorType, shape: Shape, place: string): void {
  if (type.shape.length !== shape.length || type.shape.some((dim, axis) => dim !== shape[axis]))
    throw new AppError('shape_mismatch', `${place}: expected ${printShape(shape)}, got ${printShape(type.shape)}.`);
}

export function requireRank(type: TensorType, atLeast: number, place: string): void {
  if (type.shape.length < atLeast)
    throw new AppError('shape_mismatch', `${place}: needs at least ${atLeast} axes, got ${printShape(type.shape)}.`);
}

/** Same element type, shapes broadcast. */
export function inferBroadcast(left: TensorType, right: TensorType, place: string): TensorType {
  requireSame(left, right, place);
  return { dtype: left.dtype, shape: broadcastShapes(left.shape, right.shape, place) };
}

export const normal = (...shape: number[]): SampleOperand => ({ dtype: 'float32', shape });
export const positive = (...shape: number[]): SampleOperand => ({ dtype: 'float32', shape, fill: 'positive' });
export const given = (shape: readonly number[], values: readonly number[], dtype: DType = 'float32'): SampleOperand => ({
  dtype,
  shape,
  fill: 'values',
  values,
});
export const indices = (bound: number, ...shape: number[]): SampleOperand => ({ dtype: 'int64', shape, fill: 'index', bound });
export const flags = (...shape: number[]): SampleOperand => ({ dtype: 'bool', shape, fill: 'index', bound: 2 });

// What activations are rounded to: a scale and a zero point, given or from the range of a batch.
import { type DType, int64 } from '#tensor';
import type { ModelBuilder, Ref } from '../model-builder.ts';

/** The largest code of activations. */
const largestCode = 255;

export interface InputGrid {
  readonly scale: Ref;
  readonly zeroPoint: Ref;
}

export function clipped(x: Ref, dtype: DType, emit: ModelBuilder): Ref {
  return emit.op('Min', [emit.op('Max', [x, emit.scalar(0, dtype)]), emit.scalar(largestCode, dtype)]);
}

/** The range of all of x with zero in it; a batch of zeros gets the scale 1. */
export function gridOfBatch(x: Ref, dtype: DType, emit: ModelBuilder): InputGrid {
  const zero = emit.scalar(0, dtype);
  const flat = emit.op('Reshape', [x, emit.constant(int64([1], [-1]))]);
  const axes = emit.integers([0]);
  const low = emit.op('Min', [emit.op('ReduceMin', [flat, axes], { keepdims: 1 }), zero]);
  const high = emit.op('Max', [emit.op('ReduceMax', [flat, axes], { keepdims: 1 }), zero]);
  const exact = emit.op('Div', [emit.op('Sub', [high, low]), emit.scalar(largestCode, dtype)]);
  const scale = emit.op('Where', [emit.op('Equal', [exact, zero]), emit.scalar(1, dtype), exact]);
  return { scale, zeroPoint: clipped(emit.op('Round', [emit.op('Div', [emit.op('Neg', [low]), scale])]), dtype, emit) };
}

// OrtValue handles: a shape and an element type laid over memory that somebody else owns.
import type { DType } from '#tensor';
import type { Pointer } from './c-api.ts';
import type { Environment } from './environment.ts';
import { int64Table, made } from './native-memory.ts';
import { elementType } from './onnx-proto.ts';
import { checkStatus } from './status.ts';

export interface TensorMemory {
  readonly pointer: Pointer;
  readonly sizeBytes: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

const sharedSizes = int64Table([0, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Describes memory as a tensor for the runtime; the caller releases the handle, and keeps the memory for as long.
 *
 * @param memoryInfo - OrtMemoryInfo of the device that the memory is on
 */
export function tensorValue({ api }: Environment, memoryInfo: Pointer, tensor: TensorMemory): Pointer {
  const { pointer, sizeBytes, dtype, shape } = tensor;
  // The call copies them.
  const sizes = shape.length <= sharedSizes.length ? sharedSizes : int64Table(shape);
  if (sizes === sharedSizes) for (const [axis, size] of shape.entries()) sizes[axis] = BigInt(size);
  return made((out) =>
    checkStatus(
      api.CreateTensorWithDataAsOrtValue(memoryInfo, pointer, sizeBytes, sizes, shape.length, elementType[dtype], out),
      `tensor ${dtype} [${shape.join(', ')}]`,
    ),
  );
}

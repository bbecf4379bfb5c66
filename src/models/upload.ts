// Weights on a device: one buffer a stored tensor, in the type that graphs use.
import type { DeviceBuffer, Engine } from '#engine';
import { castTensor, type HostTensor } from '#tensor';
import { type Model, storedTensors } from './model.ts';
import { graphType } from './parametrizations.ts';

/**
 * The parameters' inputs of any graph of this model: float tensors widened to float32, others as they are.
 *
 * Makes one tensor at a time, so that a caller who uploads or writes them never holds a second copy of the model.
 */
export function* modelInputs(model: Model, prefix = ''): Generator<readonly [string, HostTensor]> {
  for (const [name, tensor] of storedTensors(model)) yield [prefix + name, castTensor(tensor, graphType(tensor.dtype))];
}

/** All parameters in memory of the device; the caller releases the buffers. */
export function uploadModel(engine: Engine, model: Model, prefix = ''): Record<string, DeviceBuffer> {
  return madeBuffers(model, prefix, (tensor) => engine.upload(tensor));
}

/**
 * All parameters for reading only: those that graphs use as they are stored are not copied where the device reaches host memory.
 * The caller releases the buffers.
 */
export function borrowModel(engine: Engine, model: Model, prefix = ''): Record<string, DeviceBuffer> {
  const stored = new Set(storedTensors(model).values());
  // A tensor that was widened for this has no other owner: a copy that goes with its release is better than one that waits for the collector.
  return madeBuffers(model, prefix, (tensor) => (stored.has(tensor) ? engine.borrow(tensor) : engine.upload(tensor)));
}

function madeBuffers(model: Model, prefix: string, make: (tensor: HostTensor) => DeviceBuffer): Record<string, DeviceBuffer> {
  const buffers: Record<string, DeviceBuffer> = {};
  try {
    for (const [name, tensor] of modelInputs(model, prefix)) buffers[name] = make(tensor);
  } catch (error) {
    for (const buffer of Object.values(buffers)) buffer.release();
    throw error;
  }
  return buffers;
}

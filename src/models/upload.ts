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

/** Uploads all parameters; the caller releases the buffers. */
export function uploadModel(engine: Engine, model: Model, prefix = ''): Record<string, DeviceBuffer> {
  const buffers: Record<string, DeviceBuffer> = {};
  try {
    for (const [name, tensor] of modelInputs(model, prefix)) buffers[name] = engine.upload(tensor);
  } catch (error) {
    for (const buffer of Object.values(buffers)) buffer.release();
    throw error;
  }
  return buffers;
}

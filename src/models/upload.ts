// Weights on a device: one buffer an input of the graphs, in the type that they use.
import type { DeviceBuffer, Engine } from '#engine';
import type { HostTensor } from '#tensor';
import { modelInputs } from './graph-inputs.ts';
import { type Model, storedTensors } from './model.ts';

/** All parameters in memory of the device; the caller releases the buffers. */
export function uploadModel(engine: Engine, model: Model, prefix = ''): Record<string, DeviceBuffer> {
  return madeBuffers(model, prefix, (tensor) => engine.upload(tensor));
}

/**
 * All parameters for reading only: those that graphs use as they are stored are not copied where the device reaches host memory.
 * The caller releases the buffers.
 *
 * @param isFixed - false for inputs that will be written, which are in memory of the device; all are fixed when absent
 */
export function borrowModel(
  engine: Engine,
  model: Model,
  prefix = '',
  isFixed: (name: string) => boolean = () => true,
): Record<string, DeviceBuffer> {
  const stored = new Set(storedTensors(model).values());
  // A tensor that was widened for this has no other owner: a copy that goes with its release is better than one that waits for the collector.
  return madeBuffers(model, prefix, (tensor, name) =>
    isFixed(name) && stored.has(tensor) ? engine.borrow(tensor) : engine.upload(tensor),
  );
}

function madeBuffers(model: Model, prefix: string, make: (tensor: HostTensor, name: string) => DeviceBuffer): Record<string, DeviceBuffer> {
  const buffers: Record<string, DeviceBuffer> = {};
  try {
    for (const [name, tensor] of modelInputs(model, prefix)) buffers[name] = make(tensor, name);
  } catch (error) {
    for (const buffer of Object.values(buffers)) buffer.release();
    throw error;
  }
  return buffers;
}

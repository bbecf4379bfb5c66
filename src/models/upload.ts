// Weights on a device: one buffer an input of the graphs, in the type that they use.
import type { DeviceBuffer, Engine } from '#engine';
import { modelInputs } from './graph-inputs.ts';
import type { Model } from './model.ts';

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

// Opens the engine that a device's name stands for.
import { AppError } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '../onnx/index.ts';
import { createTensorflowEngine, type TensorflowDevice, tensorflowDevices } from '../tensorflow/index.ts';

export interface OpenOptions {
  /** `cpu`, `cuda:N`, `webgpu:0` and `auto` are onnx's; `tensorflow`, `tensorflow:cpu` and `tensorflow:gpu` are tensorflow's. @default 'cpu' */
  readonly device?: string | undefined;
  /** Threads of one run. @default all processors */
  readonly threads?: number | undefined;
}

/** The `device` of what is returned opens the same one again, in another process too. @throws AppError `provider_missing` | `invalid_argument` */
export async function openEngine({ device = 'cpu', threads }: OpenOptions = {}): Promise<Engine> {
  const given = threads === undefined ? {} : { threads };
  if (!device.startsWith('tensorflow')) return createOnnxEngine({ device, ...given });
  if (!isTensorflow(device))
    throw new AppError('invalid_argument', `device: "${device}" is not one of ${tensorflowDevices.join(', ')}.`, {
      details: { field: 'device' },
    });
  return createTensorflowEngine({ device, ...given });
}

function isTensorflow(device: string): device is TensorflowDevice {
  return (tensorflowDevices as readonly string[]).includes(device);
}

// What the runtime is and can do here, device by device, and what to install for the rest.
import { AppError } from '#base';
import { ortEnvironment } from './environment.ts';
import { createGpuMemory } from './gpu-memory.ts';
import { areOwnWanted, probeInt8, probeOwnKernels } from './int8-probe.ts';
import { runtimeFolder } from './library.ts';
import { probeNBits } from './n-bits-probe.ts';
import { probeProducts } from './product-probe.ts';
import { parseDevice } from './providers.ts';

export interface OnnxDeviceReport {
  /** As `--device` takes it. */
  readonly device: string;
  readonly isUsable: boolean;
  /** Why not, and what to install; absent for a usable device. */
  readonly problem?: string;
  /** Bits of packed weights that the runtime multiplies right. */
  readonly packedBits?: readonly number[];
  /** Type of weights in products of 8-bit integers; absent where the runtime gets none right. */
  readonly int8Weights?: string;
  /** Whether integer products and attention over a cache run in kernels of athanor's own. */
  readonly ownKernels?: boolean;
  /** 16-bit floats that matrices are multiplied in by kernels of their own; others are computed in float32 and rounded. */
  readonly nativeProducts?: readonly string[];
}

export interface OnnxReport {
  /** Of ONNX Runtime. */
  readonly version: string;
  /** Where it and its provider libraries are looked for. */
  readonly folder: string;
  /** That the library was built with. */
  readonly providers: readonly string[];
  readonly devices: readonly OnnxDeviceReport[];
}

/** Tries every kind of device. @throws AppError `provider_missing` where there is no runtime for this platform */
export async function inspectOnnx(): Promise<OnnxReport> {
  const environment = ortEnvironment();
  const devices: OnnxDeviceReport[] = [];
  for (const name of ['cpu', 'cuda:0', 'webgpu:0']) {
    const device = parseDevice(name);
    try {
      if (device.kind !== 'cpu') (await createGpuMemory(environment, device)).dispose();
      const [nBits, int8Weights] = [await probeNBits(environment, device), await probeInt8(environment, device)];
      const packedBits = [...nBits].sort((a, b) => a - b);
      const nativeProducts = [...(await probeProducts(environment, device)).keys()];
      const ownKernels = areOwnWanted() && (await probeOwnKernels(environment, device));
      devices.push({
        device: name,
        isUsable: true,
        packedBits,
        nativeProducts,
        ownKernels,
        ...(int8Weights === undefined ? {} : { int8Weights }),
      });
    } catch (error) {
      const { code, message } = AppError.from(error);
      devices.push({ device: name, isUsable: false, problem: message.replace(`[${code}] `, '') });
    }
  }
  const { version, providers } = environment;
  return { version, folder: runtimeFolder(), providers, devices };
}

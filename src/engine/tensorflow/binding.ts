// The C++ binding of @tensorflow/tfjs-node as it is used here: ops by name on tensors by number, in the thread that loaded it.
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { PlanAttribute } from './plan.ts';

/** A tensor in TensorFlow's memory. */
export type TensorId = number;

export interface Binding {
  readonly TF_Version: string;
  isUsingGpuDevice(): boolean;
  /** Of this thread. */
  getNumOfTensors(): number;
  /** Takes Float32Array, Int32Array (also for int64, two elements each) and Uint8Array (also for bool). */
  createTensor(shape: readonly number[], type: number, data: Float32Array | Int32Array | Uint8Array): TensorId;
  deleteTensor(id: TensorId): void;
  /** A copy; only of float32, int32, int64 and bool. */
  tensorDataSync(id: TensorId): Float32Array | Int32Array | BigInt64Array | Uint8Array;
  executeOp(
    name: string,
    attributes: readonly PlanAttribute[],
    operands: readonly TensorId[],
    numResults: number,
  ): readonly { readonly id: TensorId }[];
}

/** RTLD_NODELETE, which Node has no name for. */
const keepLoaded: Readonly<Partial<Record<NodeJS.Platform, number>>> = { linux: 0x1000, darwin: 0x80 };

/**
 * Each thread that loads it gets a TensorFlow context of its own, freed when the thread ends.
 *
 * The library itself stays for the life of the process: once unloaded, as Node does with its last thread, it leaves behind what the process
 * calls when it ends.
 *
 * @param path - of a native binding, or of a module that stands in for one
 * @throws what the dynamic linker says
 */
export function loadBinding(path: string): Binding {
  if (!path.endsWith('.node')) return createRequire(import.meta.url)(path) as Binding;
  const module = { exports: {} };
  process.dlopen(module, path, constants.dlopen.RTLD_NOW | (keepLoaded[process.platform] ?? 0));
  return module.exports as Binding;
}

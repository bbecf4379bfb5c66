// Memory of a CUDA or WebGPU device, reached through the runtime alone: its allocator, and copies by an identity graph.
import { invariant } from '#base';
import { type DType, dtypeBytes } from '#tensor';
import type { Pointer } from './c-api.ts';
import type { DeviceMemory } from './device-memory.ts';
import type { Environment } from './environment.ts';
import { identityModel } from './identity-model.ts';
import { made, type NativeBlock, viewMemory, zeroedBlock } from './native-memory.ts';
import { type Device, providerNames } from './providers.ts';
import { Session } from './session.ts';
import { checkStatus } from './status.ts';
import { type TensorMemory, tensorValue } from './tensor-value.ts';

const deviceAllocator = 0;
const defaultMemory = 0;

/** Bytes travel as one of these, by size; every provider moves them. */
const carrierTypes: readonly DType[] = ['float32', 'float16', 'uint8'];

/** @throws AppError `provider_missing` */
export async function createGpuMemory(environment: Environment, device: Device): Promise<DeviceMemory> {
  const sessions = new Map<DType, Session>();
  for (const dtype of carrierTypes) sessions.set(dtype, await Session.create(environment, identityModel(dtype), { device, threads: 1 }));
  return new GpuMemory(environment, device, sessions);
}

/**
 * The runtime itself moves an input to the device of the graph that reads it, and a result into the memory that is bound
 * for it. So an identity graph is a copy between any two memories, without a provider's own library calls.
 */
class GpuMemory implements DeviceMemory {
  readonly isHost = false;
  readonly info: Pointer;
  readonly #environment: Environment;
  readonly #sessions: ReadonlyMap<DType, Session>;
  readonly #allocator: Pointer;

  constructor(environment: Environment, device: Device, sessions: ReadonlyMap<DType, Session>) {
    const { api } = environment;
    this.#environment = environment;
    this.#sessions = sessions;
    const { memory } = providerNames[device.kind];
    const place = `memory of ${device.kind}:${device.index}`;
    this.info = made((out) => checkStatus(api.CreateMemoryInfo(memory, deviceAllocator, device.index, defaultMemory, out), place));
    const [session] = sessions.values();
    invariant(session !== undefined, 'there is one copy session a carrier type');
    this.#allocator = session.createAllocator(this.info);
  }

  allocate(sizeBytes: number): NativeBlock {
    const allocation = this.allocateResult(sizeBytes);
    const zeros = zeroedBlock(sizeBytes);
    try {
      this.#copy(this.info, allocation.pointer, this.#environment.cpuMemory, zeros.pointer, sizeBytes);
    } finally {
      zeros.free();
    }
    return allocation;
  }

  allocateResult(sizeBytes: number): NativeBlock {
    const { api } = this.#environment;
    const pointer = made((out) => checkStatus(api.AllocatorAlloc(this.#allocator, roundUp(sizeBytes), out), 'allocate device memory'));
    return { pointer, free: () => checkStatus(api.AllocatorFree(this.#allocator, pointer), 'free device memory') };
  }

  read(source: TensorMemory, target: Uint8Array): void {
    const staging = zeroedBlock(target.length);
    try {
      this.#copy(this.#environment.cpuMemory, staging.pointer, this.info, source.pointer, target.length);
      target.set(viewMemory(staging.pointer, target.length));
    } finally {
      staging.free();
    }
  }

  write(target: TensorMemory, source: Uint8Array): void {
    const staging = zeroedBlock(source.length);
    try {
      viewMemory(staging.pointer, source.length).set(source);
      this.#copy(this.info, target.pointer, this.#environment.cpuMemory, staging.pointer, source.length);
    } finally {
      staging.free();
    }
  }

  dispose(): void {
    this.#environment.api.ReleaseAllocator(this.#allocator);
    for (const session of this.#sessions.values()) session.release();
    this.#environment.api.ReleaseMemoryInfo(this.info);
  }

  #copy(toMemory: Pointer, to: Pointer, fromMemory: Pointer, from: Pointer, sizeBytes: number): void {
    if (sizeBytes === 0) return;
    const carrier = carrierTypes.find((dtype) => sizeBytes % dtypeBytes[dtype] === 0) ?? 'uint8';
    const session = this.#sessions.get(carrier);
    invariant(session !== undefined, `no copy session for ${carrier}`);
    const shape = [sizeBytes / dtypeBytes[carrier]];
    const { api } = this.#environment;
    const source = tensorValue(this.#environment, fromMemory, { pointer: from, sizeBytes, dtype: carrier, shape });
    const target = tensorValue(this.#environment, toMemory, { pointer: to, sizeBytes, dtype: carrier, shape });
    try {
      session.runHere([source], [target]);
    } finally {
      api.ReleaseValue(source);
      api.ReleaseValue(target);
    }
  }
}

/** WebGPU copies whole 16-byte groups. */
function roundUp(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 16) * 16;
}

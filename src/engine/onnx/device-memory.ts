// Memory of a device: allocation, and copies between it and the host.
import type { Pointer } from './c-api.ts';
import type { Environment } from './environment.ts';
import { made, type NativeBlock, viewMemory, zeroedBlock } from './native-memory.ts';
import { checkStatus } from './status.ts';
import type { TensorMemory } from './tensor-value.ts';

export interface DeviceMemory {
  /** OrtMemoryInfo that describes tensors in this memory. */
  readonly info: Pointer;
  /** Whether it is the memory of the host. */
  readonly isHost: boolean;
  /** Zeroed memory that may be kept for long. @throws AppError `out_of_memory` */
  allocate(sizeBytes: number): NativeBlock;
  /** Memory for a result that is written next, with any contents. @throws AppError `out_of_memory` */
  allocateResult(sizeBytes: number): NativeBlock;
  read(source: TensorMemory, target: Uint8Array): void;
  write(target: TensorMemory, source: Uint8Array): void;
  dispose(): void;
}

// Results below this size are not worth their own pages.
const arenaResultBytes = 1 << 16;

/**
 * Host memory as the device of the CPU provider.
 *
 * Buffers come zeroed from the system and go back to it. Large results come from the arena that sessions share, whose
 * pages are already mapped: touching a fresh page costs more than writing it.
 */
export class CpuMemory implements DeviceMemory {
  readonly isHost = true;
  readonly info: Pointer;
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.info = environment.cpuMemory;
  }

  allocate(sizeBytes: number): NativeBlock {
    return zeroedBlock(sizeBytes);
  }

  allocateResult(sizeBytes: number): NativeBlock {
    const { api, arena } = this.#environment;
    if (sizeBytes < arenaResultBytes) return zeroedBlock(sizeBytes);
    const pointer = made((out) => checkStatus(api.AllocatorAlloc(arena, sizeBytes, out), 'allocate a result'));
    return { pointer, free: () => checkStatus(api.AllocatorFree(arena, pointer), 'free a result') };
  }

  read(source: TensorMemory, target: Uint8Array): void {
    target.set(viewMemory(source.pointer, target.length));
  }

  write(target: TensorMemory, source: Uint8Array): void {
    viewMemory(target.pointer, source.length).set(source);
  }

  dispose(): void {}
}

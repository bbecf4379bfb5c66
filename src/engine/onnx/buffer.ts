// Device buffers of ONNX Runtime: memory with a handle of the runtime laid over it.
import { invariant } from '#base';
import type { BufferType } from '#engine';
import { dtypeBytes, type HostTensor, hostTensor, rawBytes } from '#tensor';
import type { Counters } from '../counters.ts';
import { HeldBuffer, type Holding, Holdings, tensorSizeBytes } from '../held-buffer.ts';
import type { Pointer } from './c-api.ts';
import type { DeviceMemory } from './device-memory.ts';
import type { Environment } from './environment.ts';
import { hostAddress, type NativeBlock } from './native-memory.ts';
import { type TensorMemory, tensorValue } from './tensor-value.ts';

/** Memory and the runtime's handle for it. */
interface Laid {
  readonly place: TensorMemory;
  /** The OrtValue. */
  readonly value: Pointer;
  readonly holding: Holding;
}

/** One tensor in device memory. */
export class OnnxBuffer extends HeldBuffer<OnnxBuffer> {
  readonly #laid: Laid;
  readonly #pool: BufferPool;

  /** Use BufferPool. */
  constructor(laid: Laid, pool: BufferPool, isBorrowed: boolean) {
    super(laid.place, pool.counters, laid.holding, isBorrowed);
    this.#laid = laid;
    this.#pool = pool;
  }

  /** Where it lies on the device. */
  get address(): bigint {
    return this.#laid.place.pointer;
  }

  /** The OrtValue; only while a run holds the buffer. */
  get heldValue(): Pointer {
    invariant(this.isInUse, 'a buffer is bound without being held');
    return this.#laid.value;
  }

  protected override fetch(): HostTensor {
    const tensor = hostTensor(this.dtype, this.shape);
    this.#pool.memory.read(this.#laid.place, rawBytes(tensor));
    return tensor;
  }

  protected override fill(tensor: HostTensor): void {
    this.#pool.memory.write(this.#laid.place, rawBytes(tensor));
  }

  protected override partAt(first: number, shape: readonly number[], onFree: () => void): OnnxBuffer {
    const pointer = this.address + BigInt(first * dtypeBytes[this.dtype]);
    return this.#pool.partOf({ dtype: this.dtype, shape }, { pointer, free: onFree }, this.isBorrowed);
  }
}

/** Makes the buffers of one engine and can free all that are left. */
export class BufferPool {
  readonly memory: DeviceMemory;
  readonly counters: Counters;
  readonly #environment: Environment;
  readonly #holdings: Holdings;

  constructor(environment: Environment, memory: DeviceMemory, counters: Counters) {
    this.memory = memory;
    this.counters = counters;
    this.#environment = environment;
    this.#holdings = new Holdings(counters);
  }

  /** A zeroed buffer. @throws AppError `out_of_memory` */
  allocate(type: BufferType): OnnxBuffer {
    return this.#wrap(type, this.memory.allocate(allocatedBytes(type)));
  }

  /** A buffer whose contents the next run writes. */
  allocateResult(type: BufferType): OnnxBuffer {
    return this.#wrap(type, this.memory.allocateResult(allocatedBytes(type)));
  }

  /** A buffer with the tensor's contents, for as long as the caller likes. */
  upload(tensor: HostTensor): OnnxBuffer {
    const buffer = this.allocate(tensor);
    buffer.write(tensor);
    return buffer;
  }

  /** A buffer over the tensor's own memory where the device reaches that, or else a copy. */
  borrow(tensor: HostTensor): OnnxBuffer {
    const pointer = this.memory.isHost ? hostAddress(tensor) : undefined;
    // The function keeps the tensor, and so its memory, for as long as the buffer has it.
    return pointer === undefined ? this.upload(tensor) : this.#wrap(tensor, { pointer, free: () => void tensor }, true);
  }

  /** The same for the length of one run. */
  stage(tensor: HostTensor): OnnxBuffer {
    const buffer = this.allocateResult(tensor);
    buffer.write(tensor);
    return buffer;
  }

  /** A buffer over memory inside another's: it has a handle of its own, and counts as one buffer without bytes. */
  partOf(type: BufferType, inside: NativeBlock, isBorrowed: boolean): OnnxBuffer {
    return this.#wrap(type, inside, isBorrowed, 0);
  }

  freeAll(): void {
    this.#holdings.freeAll();
  }

  #wrap({ dtype, shape }: BufferType, allocation: NativeBlock, isBorrowed = false, countedBytes?: number): OnnxBuffer {
    const sizeBytes = tensorSizeBytes({ dtype, shape });
    const place = { pointer: allocation.pointer, sizeBytes, dtype, shape: [...shape] };
    const { api } = this.#environment;
    const value = tensorValue(this.#environment, this.memory.info, place);
    const holding = this.#holdings.add(countedBytes ?? sizeBytes, () => {
      api.ReleaseValue(value);
      allocation.free();
    });
    return new OnnxBuffer({ place, value, holding }, this, isBorrowed);
  }
}

/** Empty tensors get an address too. */
function allocatedBytes(type: BufferType): number {
  return Math.max(1, tensorSizeBytes(type));
}

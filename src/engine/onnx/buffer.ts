// Device buffers: owned memory with counted bytes that stays while a run uses it.
import { AppError, invariant } from '#base';
import type { BufferType, DeviceBuffer } from '#engine';
import { type DType, dtypeBytes, type HostTensor, hostTensor, printShape, rawBytes, sizeOf } from '#tensor';
import type { Counters } from '../counters.ts';
import type { Pointer } from './c-api.ts';
import type { DeviceMemory } from './device-memory.ts';
import type { Environment } from './environment.ts';
import { hostAddress, type NativeBlock } from './native-memory.ts';
import { type TensorMemory, tensorValue } from './tensor-value.ts';

/** What frees a buffer, kept apart from it so that a finalizer can run it. */
class Holding {
  readonly value: Pointer;
  readonly sizeBytes: number;
  readonly #environment: Environment;
  readonly #allocation: NativeBlock;
  readonly #counters: Counters;
  readonly #owner: Set<Holding>;
  #isFreed = false;

  constructor(
    environment: Environment,
    allocation: NativeBlock,
    value: Pointer,
    sizeBytes: number,
    counters: Counters,
    owner: Set<Holding>,
  ) {
    this.#environment = environment;
    this.#allocation = allocation;
    this.value = value;
    this.sizeBytes = sizeBytes;
    this.#counters = counters;
    this.#owner = owner;
    counters.bufferMade(sizeBytes);
    owner.add(this);
  }

  /** A holding of its own for memory inside this one's; it gives back nothing but its handle. */
  inside(value: Pointer, pointer: Pointer, onFree: () => void): Holding {
    return new Holding(this.#environment, { pointer, free: onFree }, value, 0, this.#counters, this.#owner);
  }

  /** Lays a tensor over memory of this holding. */
  handle(memory: DeviceMemory, place: TensorMemory): Pointer {
    return tensorValue(this.#environment, memory.info, place);
  }

  free(): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    this.#environment.api.ReleaseValue(this.value);
    this.#allocation.free();
    this.#counters.bufferFreed(this.sizeBytes);
    this.#owner.delete(this);
  }
}

// A safety net for buffers that nobody released; `release` is the rule.
const forgotten = new FinalizationRegistry<Holding>((holding) => holding.free());

/**
 * One tensor in device memory.
 *
 * States: live → released. A buffer released while a run uses it keeps its memory until the run ends.
 */
export class OnnxBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly isBorrowed: boolean;
  readonly #memory: DeviceMemory;
  readonly #counters: Counters;
  readonly #holding: Holding;
  readonly #place: TensorMemory;
  #numUses = 0;
  #isReleased = false;

  /** Use BufferPool. */
  constructor(type: BufferType, place: TensorMemory, memory: DeviceMemory, counters: Counters, holding: Holding, isBorrowed: boolean) {
    this.isBorrowed = isBorrowed;
    this.dtype = type.dtype;
    this.shape = type.shape;
    this.sizeBytes = place.sizeBytes;
    this.#memory = memory;
    this.#counters = counters;
    this.#holding = holding;
    this.#place = place;
    forgotten.register(this, holding, this);
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Where it lies on the device. */
  get address(): bigint {
    return this.#place.pointer;
  }

  /** The OrtValue; only while a run holds the buffer. */
  get heldValue(): Pointer {
    invariant(this.#numUses > 0, 'a buffer is bound without being held');
    return this.#holding.value;
  }

  read(): HostTensor {
    this.#checkLive();
    const tensor = hostTensor(this.dtype, this.shape);
    this.#memory.read(this.#place, rawBytes(tensor));
    this.#counters.movedToHost(this.sizeBytes);
    return tensor;
  }

  write(tensor: HostTensor): void {
    this.#checkLive();
    this.checkWritable();
    if (tensor.dtype !== this.dtype)
      throw new AppError('dtype_mismatch', `buffer ${this.dtype} ${printShape(this.shape)}: cannot hold ${tensor.dtype}. Cast it first.`);
    if (printShape(tensor.shape) !== printShape(this.shape))
      throw new AppError('shape_mismatch', `buffer ${printShape(this.shape)}: cannot hold a tensor ${printShape(tensor.shape)}.`);
    this.#memory.write(this.#place, rawBytes(tensor));
    this.#counters.movedToDevice(this.sizeBytes);
  }

  part(first: number, count: number, shape: readonly number[] = [count]): OnnxBuffer {
    this.#checkLive();
    const elementBytes = dtypeBytes[this.dtype];
    invariant(first >= 0 && count >= 0 && first + count <= sizeOf(this.shape), `part ${first}+${count} of ${printShape(this.shape)}`);
    invariant(sizeOf(shape) === count, `a part of ${count} elements is no ${printShape(shape)}`);
    const pointer = this.#place.pointer + BigInt(first * elementBytes);
    const place = { pointer, sizeBytes: count * elementBytes, dtype: this.dtype, shape };
    this.retain();
    const holding = this.#holding.inside(this.#holding.handle(this.#memory, place), pointer, () => this.letGo());
    return new OnnxBuffer({ dtype: this.dtype, shape: [...shape] }, place, this.#memory, this.#counters, holding, this.isBorrowed);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    forgotten.unregister(this);
    if (this.#numUses === 0) this.#holding.free();
  }

  /** Holds the memory for a run. */
  retain(): void {
    this.#checkLive();
    this.#numUses++;
  }

  /** Ends what `retain` began. */
  letGo(): void {
    this.#numUses--;
    if (this.#isReleased && this.#numUses === 0) this.#holding.free();
  }

  checkWritable(): void {
    invariant(!this.isBorrowed, `buffer ${this.dtype} ${printShape(this.shape)} is borrowed and cannot be written`);
  }

  #checkLive(): void {
    invariant(!this.#isReleased, `buffer ${this.dtype} ${printShape(this.shape)} is used after release`);
  }
}

/** Makes the buffers of one engine and can free all that are left. */
export class BufferPool {
  readonly #environment: Environment;
  readonly #memory: DeviceMemory;
  readonly #counters: Counters;
  readonly #holdings = new Set<Holding>();

  constructor(environment: Environment, memory: DeviceMemory, counters: Counters) {
    this.#environment = environment;
    this.#memory = memory;
    this.#counters = counters;
  }

  /** A zeroed buffer. @throws AppError `out_of_memory` */
  allocate(type: BufferType): OnnxBuffer {
    return this.#wrap(type, this.#memory.allocate(allocatedBytes(type)));
  }

  /** A buffer whose contents the next run writes. */
  allocateResult(type: BufferType): OnnxBuffer {
    return this.#wrap(type, this.#memory.allocateResult(allocatedBytes(type)));
  }

  /** A buffer with the tensor's contents, for as long as the caller likes. */
  upload(tensor: HostTensor): OnnxBuffer {
    const buffer = this.allocate(tensor);
    buffer.write(tensor);
    return buffer;
  }

  /** A buffer over the tensor's own memory where the device reaches that, or else a copy. */
  borrow(tensor: HostTensor): OnnxBuffer {
    const pointer = this.#memory.isHost ? hostAddress(tensor) : undefined;
    // The function keeps the tensor, and so its memory, for as long as the buffer has it.
    return pointer === undefined ? this.upload(tensor) : this.#wrap(tensor, { pointer, free: () => void tensor }, true);
  }

  /** The same for the length of one run. */
  stage(tensor: HostTensor): OnnxBuffer {
    const buffer = this.allocateResult(tensor);
    buffer.write(tensor);
    return buffer;
  }

  freeAll(): void {
    for (const holding of [...this.#holdings]) holding.free();
  }

  #wrap(type: BufferType, allocation: NativeBlock, isBorrowed = false): OnnxBuffer {
    const sizeBytes = tensorSizeBytes(type);
    const place = { pointer: allocation.pointer, sizeBytes, dtype: type.dtype, shape: type.shape };
    const value = tensorValue(this.#environment, this.#memory.info, place);
    const holding = new Holding(this.#environment, allocation, value, sizeBytes, this.#counters, this.#holdings);
    return new OnnxBuffer({ dtype: type.dtype, shape: [...type.shape] }, place, this.#memory, this.#counters, holding, isBorrowed);
  }
}

function tensorSizeBytes({ dtype, shape }: BufferType): number {
  return sizeOf(shape) * dtypeBytes[dtype];
}

/** Empty tensors get an address too. */
function allocatedBytes(type: BufferType): number {
  return Math.max(1, tensorSizeBytes(type));
}

// The life of a buffer in device memory: counted while it is held, kept while a run uses it, freed once.
import { AppError, invariant } from '#base';
import { type DType, dtypeBytes, type HostTensor, printShape, sizeOf } from '#tensor';
import type { Counters } from './counters.ts';
import type { BufferType, DeviceBuffer } from './engine.ts';

/** Memory of a device, kept apart from its buffer so that a finalizer can free it. */
export interface Holding {
  free(): void;
}

/** What the buffers of one engine hold. */
export class Holdings {
  readonly #counters: Counters;
  readonly #held = new Set<Holding>();

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /**
   * Counts a buffer until it is freed.
   *
   * @param sizeBytes - 0 for a part of another buffer
   * @param onFree - gives the memory back; must not know the buffer, which would then never be forgotten
   */
  add(sizeBytes: number, onFree: () => void): Holding {
    const counters = this.#counters;
    const held = this.#held;
    const holding = {
      free(): void {
        if (!held.delete(holding)) return;
        onFree();
        counters.bufferFreed(sizeBytes);
      },
    };
    held.add(holding);
    counters.bufferMade(sizeBytes);
    return holding;
  }

  freeAll(): void {
    for (const holding of [...this.#held]) holding.free();
  }
}

// A safety net for buffers that nobody released; `release` is the rule.
const forgotten = new FinalizationRegistry<Holding>((holding) => holding.free());

/**
 * One tensor in device memory, whatever the device.
 *
 * States: live → released. A buffer released while a run uses it keeps its memory until the run ends.
 */
export abstract class HeldBuffer<Own extends DeviceBuffer> implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly isBorrowed: boolean;
  readonly #counters: Counters;
  readonly #holding: Holding;
  #numUses = 0;
  #isReleased = false;

  protected constructor(type: BufferType, counters: Counters, holding: Holding, isBorrowed: boolean) {
    this.dtype = type.dtype;
    this.shape = [...type.shape];
    this.sizeBytes = tensorSizeBytes(type);
    this.isBorrowed = isBorrowed;
    this.#counters = counters;
    this.#holding = holding;
    forgotten.register(this, holding, this);
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Whether a run uses it. */
  protected get isInUse(): boolean {
    return this.#numUses > 0;
  }

  /** Copies from the device. */
  protected abstract fetch(): HostTensor;
  /** Copies a tensor of the right type and shape to the device. */
  protected abstract fill(tensor: HostTensor): void;
  /** A buffer over elements that exist; `onFree` when it is freed. */
  protected abstract partAt(first: number, shape: readonly number[], onFree: () => void): Own;

  read(): HostTensor {
    this.#checkLive();
    const tensor = this.fetch();
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
    this.fill(tensor);
    this.#counters.movedToDevice(this.sizeBytes);
  }

  part(first: number, count: number, shape: readonly number[] = [count]): Own {
    this.#checkLive();
    invariant(first >= 0 && count >= 0 && first + count <= sizeOf(this.shape), `part ${first}+${count} of ${printShape(this.shape)}`);
    invariant(sizeOf(shape) === count, `a part of ${count} elements is no ${printShape(shape)}`);
    this.retain();
    return this.partAt(first, [...shape], () => this.letGo());
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

export function tensorSizeBytes({ dtype, shape }: BufferType): number {
  return sizeOf(shape) * dtypeBytes[dtype];
}

// Device buffers: cells of the worker, counted here, that stay while a run uses them.
import { AppError, invariant } from '#base';
import type { BufferType, DeviceBuffer } from '#engine';
import { arrayView, type DType, dtypeBytes, type HostTensor, hostTensor, printShape, sizeOf } from '#tensor';
import type { Counters } from '../counters.ts';
import type { ResultPlace, View } from './messages.ts';
import { carry } from './tensor-bytes.ts';
import type { WorkerLink } from './worker-link.ts';

/** One cell, kept apart from its buffers so that a finalizer can give it back. */
class Holding {
  readonly cell: number;
  readonly type: BufferType;
  readonly #sizeBytes: number;
  readonly #counters: Counters;
  readonly #onFree: () => void;
  #isFreed = false;

  constructor(cell: number, type: BufferType, sizeBytes: number, counters: Counters, onFree: () => void) {
    this.cell = cell;
    this.type = type;
    this.#sizeBytes = sizeBytes;
    this.#counters = counters;
    this.#onFree = onFree;
    counters.bufferMade(sizeBytes);
  }

  free(): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    this.#counters.bufferFreed(this.#sizeBytes);
    this.#onFree();
  }
}

// A safety net for buffers that nobody released; `release` is the rule.
const forgotten = new FinalizationRegistry<Holding>((holding) => holding.free());

/**
 * One tensor in the worker, or some elements of one.
 *
 * States: live → released. A buffer released while a run uses it keeps its memory until the run ends.
 */
export class TensorflowBuffer implements DeviceBuffer {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly isBorrowed = false;
  readonly #holding: Holding;
  readonly #view: View | undefined;
  readonly #pool: BufferPool;
  #numUses = 0;
  #isReleased = false;

  /** Use BufferPool. */
  constructor(holding: Holding, view: View | undefined, pool: BufferPool) {
    this.dtype = holding.type.dtype;
    this.shape = view?.shape ?? holding.type.shape;
    this.sizeBytes = sizeOf(this.shape) * dtypeBytes[this.dtype];
    this.#holding = holding;
    this.#view = view;
    this.#pool = pool;
    forgotten.register(this, holding, this);
  }

  get isReleased(): boolean {
    return this.#isReleased;
  }

  /** Engines count their cells from one: what a number means depends on the engine. */
  isOf(pool: BufferPool): boolean {
    return this.#pool === pool;
  }

  get place(): ResultPlace {
    const { cell, type } = this.#holding;
    return { cell, view: this.#view, dtype: type.dtype, shape: type.shape };
  }

  read(): HostTensor {
    this.#checkLive();
    const { link, counters } = this.#pool;
    const { cell, view } = this.place;
    const answer = link.ask({ kind: 'read', from: { cell, view } });
    invariant(answer.kind === 'bytes', 'a read is answered by bytes');
    counters.movedToHost(this.sizeBytes);
    return hostTensor(this.dtype, this.shape, arrayView(this.dtype, answer.bytes, 0, sizeOf(this.shape)));
  }

  write(tensor: HostTensor): void {
    this.#checkLive();
    if (tensor.dtype !== this.dtype)
      throw new AppError('dtype_mismatch', `buffer ${this.dtype} ${printShape(this.shape)}: cannot hold ${tensor.dtype}. Cast it first.`);
    if (printShape(tensor.shape) !== printShape(this.shape))
      throw new AppError('shape_mismatch', `buffer ${printShape(this.shape)}: cannot hold a tensor ${printShape(tensor.shape)}.`);
    this.#pool.fill(this, tensor);
  }

  part(first: number, count: number, shape: readonly number[] = [count]): TensorflowBuffer {
    this.#checkLive();
    invariant(first >= 0 && count >= 0 && first + count <= sizeOf(this.shape), `part ${first}+${count} of ${printShape(this.shape)}`);
    invariant(sizeOf(shape) === count, `a part of ${count} elements is no ${printShape(shape)}`);
    this.retain();
    const view = { first: (this.#view?.first ?? 0) + first, count, shape: [...shape] };
    return this.#pool.partOf(this.place, view, () => this.letGo());
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

  /** All may be: borrowed tensors are copied. */
  checkWritable(): void {
    this.#checkLive();
  }

  #checkLive(): void {
    invariant(!this.#isReleased, `buffer ${this.dtype} ${printShape(this.shape)} is used after release`);
  }
}

/** Makes the buffers of one engine and can free all that are left. */
export class BufferPool {
  readonly link: WorkerLink;
  readonly counters: Counters;
  readonly #holdings = new Set<Holding>();
  #numCells = 0;

  constructor(link: WorkerLink, counters: Counters) {
    this.link = link;
    this.counters = counters;
  }

  /** A zeroed buffer. */
  allocate(type: BufferType): TensorflowBuffer {
    const buffer = this.allocateResult(type);
    const { cell, dtype, shape } = buffer.place;
    this.link.send({ kind: 'zeros', cell, dtype, shape });
    return buffer;
  }

  /** A buffer whose contents the next run makes. */
  allocateResult({ dtype, shape }: BufferType): TensorflowBuffer {
    const cell = this.newCell();
    const type = { dtype, shape: [...shape] };
    const holding: Holding = new Holding(cell, type, sizeOf(shape) * dtypeBytes[dtype], this.counters, () => {
      this.#holdings.delete(holding);
      this.dropCell(cell);
    });
    this.#holdings.add(holding);
    return new TensorflowBuffer(holding, undefined, this);
  }

  /** A buffer with the tensor's contents. */
  upload(tensor: HostTensor): TensorflowBuffer {
    const buffer = this.allocateResult(tensor);
    this.fill(buffer, tensor);
    return buffer;
  }

  /** A buffer over some elements of a cell; it counts as one, without bytes. */
  partOf({ cell, dtype, shape }: ResultPlace, view: View, onFree: () => void): TensorflowBuffer {
    const holding: Holding = new Holding(cell, { dtype, shape }, 0, this.counters, () => {
      this.#holdings.delete(holding);
      onFree();
    });
    this.#holdings.add(holding);
    return new TensorflowBuffer(holding, view, this);
  }

  fill(buffer: TensorflowBuffer, tensor: HostTensor): void {
    const carried = carry(tensor);
    this.link.send({ kind: 'write', to: buffer.place, tensor: carried }, [carried.carrier]);
    this.counters.movedToDevice(buffer.sizeBytes);
  }

  /** A number under which the worker is going to hold a tensor. */
  newCell(): number {
    return ++this.#numCells;
  }

  dropCell(cell: number): void {
    this.link.send({ kind: 'drop', cell });
  }

  freeAll(): void {
    for (const holding of [...this.#holdings]) holding.free();
  }
}

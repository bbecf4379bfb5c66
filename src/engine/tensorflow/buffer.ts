// Device buffers of TensorFlow: cells of the worker, counted here.
import { invariant } from '#base';
import type { BufferType } from '#engine';
import { arrayView, type HostTensor, hostTensor, sizeOf } from '#tensor';
import type { Counters } from '../counters.ts';
import { HeldBuffer, type Holding, Holdings, tensorSizeBytes } from '../held-buffer.ts';
import type { ResultPlace, View } from './messages.ts';
import { carry } from './tensor-bytes.ts';
import type { WorkerLink } from './worker-link.ts';

/** One tensor in the worker, or some elements of one. Borrowed tensors are copied, so all may be written. */
export class TensorflowBuffer extends HeldBuffer<TensorflowBuffer> {
  readonly place: ResultPlace;
  readonly #pool: BufferPool;

  /** Use BufferPool. */
  constructor(place: ResultPlace, pool: BufferPool, holding: Holding) {
    super({ dtype: place.dtype, shape: place.view?.shape ?? place.shape }, pool.counters, holding, false);
    this.place = place;
    this.#pool = pool;
  }

  /** Engines count their cells from one: what a number means depends on the engine. */
  isOf(pool: BufferPool): boolean {
    return this.#pool === pool;
  }

  protected override fetch(): HostTensor {
    const { cell, view } = this.place;
    const answer = this.#pool.link.ask({ kind: 'read', from: { cell, view } });
    invariant(answer.kind === 'bytes', 'a read is answered by bytes');
    return hostTensor(this.dtype, this.shape, arrayView(this.dtype, answer.bytes, 0, sizeOf(this.shape)));
  }

  protected override fill(tensor: HostTensor): void {
    const carried = carry(tensor);
    this.#pool.link.send({ kind: 'write', to: this.place, tensor: carried }, [carried.carrier]);
  }

  protected override partAt(first: number, shape: readonly number[], onFree: () => void): TensorflowBuffer {
    const view = { first: (this.place.view?.first ?? 0) + first, count: sizeOf(shape), shape: [...shape] };
    return this.#pool.partOf(this.place, view, onFree);
  }
}

/** Makes the buffers of one engine and can free all that are left. */
export class BufferPool {
  readonly link: WorkerLink;
  readonly counters: Counters;
  readonly #holdings: Holdings;
  #numCells = 0;

  constructor(link: WorkerLink, counters: Counters) {
    this.link = link;
    this.counters = counters;
    this.#holdings = new Holdings(counters);
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
    const holding = this.#holdings.add(tensorSizeBytes({ dtype, shape }), () => this.dropCell(cell));
    return new TensorflowBuffer({ cell, view: undefined, dtype, shape: [...shape] }, this, holding);
  }

  /** A buffer with the tensor's contents. */
  upload(tensor: HostTensor): TensorflowBuffer {
    const buffer = this.allocateResult(tensor);
    buffer.write(tensor);
    return buffer;
  }

  /** A buffer over some elements of a cell; it counts as one, without bytes. */
  partOf(place: ResultPlace, view: View, onFree: () => void): TensorflowBuffer {
    return new TensorflowBuffer({ ...place, view }, this, this.#holdings.add(0, onFree));
  }

  /** A number under which the worker is going to hold a tensor. */
  newCell(): number {
    return ++this.#numCells;
  }

  dropCell(cell: number): void {
    this.link.send({ kind: 'drop', cell });
  }

  freeAll(): void {
    this.#holdings.freeAll();
  }
}

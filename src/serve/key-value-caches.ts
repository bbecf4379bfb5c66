// Where the keys and values of sequences lie: a cache of its own for each prompt, one batch for those that are being decoded.
import { at, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import { type CacheTensor, cacheTensors, type ModelConfig } from '#models';
import { int64, type Shape, sameShape } from '#tensor';
import type { SequenceId } from './scheduler.ts';

/** The cache buffers of a step, by input name and by output name: the same buffers, so that the cache grows in place. */
export interface CacheBinding {
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  readonly outputs: Readonly<Record<string, DeviceBuffer>>;
}

/** The sequences whose caches lie in the rows of a batch; undefined where a sequence has left. */
export type BatchRows = readonly (SequenceId | undefined)[];

/** One buffer [B, G, S, K] a layer for keys and one for values. */
type CacheSet = readonly DeviceBuffer[];

const names = { past: 'past', rows: 'rows', added: 'added', result: 'result' } as const;

/**
 * Caches with room for S positions.
 *
 * A prompt runs in a cache of one row. The first to be decoded brings its cache as the batch; others are appended, which copies the batch
 * once. Rows of sequences that left stay until others come or until half of the rows are such; then the batch is packed, by a copy again.
 *
 * Invariant: a sequence is in a cache of its own or in one row of the batch, never in both. A change that fails leaves all caches as they were.
 */
export class KeyValueCaches {
  /** S */
  readonly room: number;
  readonly #engine: Engine;
  readonly #tensors: readonly CacheTensor[];
  readonly #own = new Map<SequenceId, CacheSet>();
  #batch: CacheSet = [];
  #rows: (SequenceId | undefined)[] = [];
  #selectProgram: Promise<Program> | undefined;
  #appendProgram: Promise<Program> | undefined;

  constructor(engine: Engine, config: ModelConfig, room: number) {
    this.#engine = engine;
    this.room = room;
    this.#tensors = cacheTensors({ config }, 1, room);
  }

  /** Bytes of device memory. */
  get sizeBytes(): number {
    const sets = [...this.#own.values(), this.#batch];
    return sets.flat().reduce((total, buffer) => total + buffer.sizeBytes, 0);
  }

  get rows(): BatchRows {
    return this.#rows;
  }

  /** An empty cache of one row. @throws AppError `out_of_memory` */
  create(id: SequenceId): void {
    invariant(!this.#own.has(id) && !this.#rows.includes(id), `sequence ${id} has a cache already`);
    const made: DeviceBuffer[] = [];
    try {
      for (const { shape } of this.#tensors) made.push(this.#engine.allocate({ dtype: 'float32', shape }));
    } catch (thrown) {
      releaseAll(made);
      throw thrown;
    }
    this.#own.set(id, made);
  }

  /** The buffers of a sequence that is not in the batch. */
  own(id: SequenceId): CacheBinding {
    const set = this.#own.get(id);
    invariant(set !== undefined, `sequence ${id} has no cache of its own`);
    return this.#binding(set);
  }

  /** Brings a sequence into the batch, if it is not there. @throws AppError `out_of_memory` | `engine_failure` */
  async join(id: SequenceId): Promise<void> {
    if (this.#rows.includes(id)) return;
    if (this.#numLeft > 0) await this.#pack();
    await this.#append(id);
  }

  /** The buffers of the batch, whose rows are `rows`. @throws AppError `out_of_memory` | `engine_failure` */
  async batch(): Promise<CacheBinding> {
    if (this.#numLeft * 2 >= this.#rows.length) await this.#pack();
    return this.#binding(this.#batch);
  }

  /** Forgets a sequence. Its memory is free at once if it has a cache of its own or was the last of the batch. Unknown ids are ignored. */
  release(id: SequenceId): void {
    releaseAll(this.#own.get(id) ?? []);
    this.#own.delete(id);
    const row = this.#rows.indexOf(id);
    if (row >= 0) this.#rows[row] = undefined;
    if (this.#rows.every((other) => other === undefined)) this.#replaceBatch([], []);
  }

  /** Frees all caches and the programs that move them. */
  async dispose(): Promise<void> {
    for (const set of this.#own.values()) releaseAll(set);
    this.#own.clear();
    this.#replaceBatch([], []);
    const programs = await Promise.all([this.#selectProgram, this.#appendProgram]);
    for (const program of programs) await program?.release();
  }

  get #numLeft(): number {
    return this.#rows.filter((id) => id === undefined).length;
  }

  async #pack(): Promise<void> {
    const kept = [...this.#rows.entries()].filter(([, id]) => id !== undefined).map(([row]) => row);
    if (kept.length === 0) return this.#replaceBatch([], []);
    this.#selectProgram ??= this.#engine.compile(selectGraph(this.#tensors), { name: 'cache rows' });
    const program = await this.#selectProgram;
    const rows = int64([kept.length], kept);
    const packed = await this.#mapBatch((past) => program.run({ [names.past]: past, [names.rows]: rows }));
    const ids = kept.map((row) => this.#rows[row]);
    this.#replaceBatch(packed, ids);
  }

  async #append(id: SequenceId): Promise<void> {
    const own = this.#own.get(id);
    invariant(own !== undefined, `sequence ${id} joins without a cache`);
    let joined = own;
    if (this.#rows.length > 0) {
      this.#appendProgram ??= this.#engine.compile(appendGraph(this.#tensors), { name: 'cache append' });
      const program = await this.#appendProgram;
      joined = await this.#mapBatch((past, index) => program.run({ [names.past]: past, [names.added]: at(own, index) }));
      releaseAll(own);
    }
    this.#own.delete(id);
    this.#replaceBatch(joined, [...this.#rows, id]);
  }

  /** New buffers from those of the batch; all or none. */
  async #mapBatch(make: (past: DeviceBuffer, index: number) => Promise<Record<string, DeviceBuffer>>): Promise<CacheSet> {
    const made: DeviceBuffer[] = [];
    try {
      for (const [index, past] of this.#batch.entries()) {
        const { [names.result]: result } = await make(past, index);
        invariant(result !== undefined, 'a program that moves caches made no result');
        made.push(result);
      }
      return made;
    } catch (thrown) {
      releaseAll(made);
      throw thrown;
    }
  }

  #replaceBatch(batch: CacheSet, rows: (SequenceId | undefined)[]): void {
    releaseAll(this.#batch.filter((buffer) => !batch.includes(buffer)));
    this.#batch = batch;
    this.#rows = rows;
  }

  #binding(set: CacheSet): CacheBinding {
    const bound = this.#tensors.map((tensor, index) => ({ tensor, buffer: at(set, index) }));
    return {
      inputs: Object.fromEntries(bound.map(({ tensor, buffer }) => [tensor.input, buffer])),
      outputs: Object.fromEntries(bound.map(({ tensor, buffer }) => [tensor.output, buffer])),
    };
  }
}

function releaseAll(buffers: readonly DeviceBuffer[]): void {
  for (const buffer of buffers) buffer.release();
}

/** Layers may have caches of different shapes: one program moves them all. */
function cacheShape(rows: Shape[number], tensors: readonly CacheTensor[]): Shape {
  const first = at(tensors, 0).shape;
  const isSame = tensors.every(({ shape }) => sameShape(shape, first));
  return [rows, ...(isSame ? first.slice(1) : ['G', 'S', 'K'])];
}

function pastInput(b: GraphBuilder, tensors: readonly CacheTensor[]): ReturnType<GraphBuilder['input']> {
  return b.input(names.past, 'float32', cacheShape('B', tensors));
}

/** [B, G, S, K], rows int64 [M] -> [M, G, S, K] */
function selectGraph(tensors: readonly CacheTensor[]): Graph {
  const b = new GraphBuilder();
  return b.graph({ [names.result]: b.gather(pastInput(b, tensors), b.input(names.rows, 'int64', ['M'])) });
}

/** [B, G, S, K], [1, G, S, K] -> [B+1, G, S, K] */
function appendGraph(tensors: readonly CacheTensor[]): Graph {
  const b = new GraphBuilder();
  return b.graph({ [names.result]: b.concat([pastInput(b, tensors), b.input(names.added, 'float32', cacheShape(1, tensors))], 0) });
}

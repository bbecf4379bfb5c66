// Where the keys and values of sequences lie: rows of one batch, in place from the first token of a prompt to the last of an answer.
import { at, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder } from '#graph';
import { type CacheFormat, type CacheTensor, cacheTensors, type ModelConfig } from '#models';
import { dtypeBytes, type HostTensor, int64, type NarrowFloat, type Shape, sameShape, sizeOf } from '#tensor';
import { type Arrangement, blockTokens, type RowCopy } from './cache-grid.ts';

/** What keys and values are kept in. */
export type CacheType = CacheFormat | NarrowFloat;

/** The cache buffers of a step, by input name and by output name: the same buffers, so that the cache grows in place. */
export interface CacheBinding {
  readonly inputs: Readonly<Record<string, DeviceBuffer>>;
  readonly outputs: Readonly<Record<string, DeviceBuffer>>;
}

/** One buffer [B, G, S, K] a layer for keys and one for values. */
type CacheSet = readonly DeviceBuffer[];

const names = { past: 'past', rows: 'rows', kept: 'kept', added: 'added', result: 'result' } as const;

/**
 * The memory behind a `CacheGrid`: B rows with room for S positions.
 *
 * Neighbouring rows are one piece of memory, so a prompt runs in its row and a batch in its rows without a copy. Another arrangement copies what
 * lies in the rows once, one tensor after the other, so that at most one of them is there twice.
 */
export class KeyValueCaches {
  readonly #engine: Engine;
  readonly #tensors: readonly CacheTensor[];
  readonly #type: CacheType;
  #set: CacheSet = [];
  #numRows = 0;
  #room = 0;
  /** Neighbouring rows as tensors of their own, by first row and number. */
  readonly #views = new Map<string, { readonly set: CacheSet; readonly binding: CacheBinding }>();
  #moveProgram: Promise<Program> | undefined;
  #copyProgram: Promise<Program> | undefined;

  constructor(engine: Engine, config: ModelConfig, type: CacheType = 'float32') {
    this.#engine = engine;
    this.#type = type;
    this.#tensors = cacheTensors({ config }, 1, blockTokens, type === 'int8' ? 'int8' : 'float32');
  }

  /** Bytes of one block of one sequence, in all layers. */
  get blockBytes(): number {
    return this.#tensors.reduce((sum, { shape }) => sum + dtypeBytes[this.#type] * sizeOf(shape), 0);
  }

  /** Bytes of device memory. */
  get sizeBytes(): number {
    return this.#set.reduce((total, buffer) => total + buffer.sizeBytes, 0);
  }

  /** S */
  get room(): number {
    return this.#room;
  }

  /** Gives the rows other sizes and places. After a failure nothing is left. @throws AppError `out_of_memory` | `engine_failure` */
  async arrange({ rows, columns, from }: Arrangement): Promise<void> {
    const room = columns * blockTokens;
    this.#forgetViews();
    const isEmpty = this.#numRows === 0 || from.every((row) => row === undefined);
    if (isEmpty) this.clear();
    try {
      this.#set = isEmpty ? this.#allocated(rows, room) : await this.#moved(from, room);
    } catch (thrown) {
      this.clear();
      throw thrown;
    }
    this.#numRows = rows;
    this.#room = room;
  }

  /** Neighbouring rows. They stay valid until the next arrangement. */
  view(first: number, count: number): CacheBinding {
    return this.#view(first, count).binding;
  }

  /** @throws AppError `engine_failure` */
  async copy({ from, to }: RowCopy): Promise<void> {
    this.#copyProgram ??= this.#engine.compile(copyGraph(this.#tensors, this.#type), { name: 'cache copy' });
    const program = await this.#copyProgram;
    const [source, target] = [this.#view(from, 1).set, this.#view(to, 1).set];
    const named = (set: CacheSet, name: string): Record<string, DeviceBuffer> =>
      Object.fromEntries(set.map((buffer, index) => [`${name}.${index}`, buffer]));
    await program.run(named(source, names.past), { outputs: named(target, names.result) });
  }

  /** Frees all rows. */
  clear(): void {
    this.#forgetViews();
    releaseAll(this.#set);
    this.#set = [];
    this.#numRows = 0;
    this.#room = 0;
  }

  /** No step may be under way. */
  async dispose(): Promise<void> {
    this.clear();
    for (const program of await Promise.all([this.#moveProgram, this.#copyProgram])) await program?.release();
  }

  #allocated(rows: number, room: number): CacheSet {
    const made: DeviceBuffer[] = [];
    try {
      for (const { shape } of this.#tensors) made.push(this.#engine.allocate({ dtype: this.#type, shape: sized(shape, rows, room) }));
      return made;
    } catch (thrown) {
      releaseAll(made);
      throw thrown;
    }
  }

  async #moved(from: Arrangement['from'], room: number): Promise<CacheSet> {
    this.#moveProgram ??= this.#engine.compile(moveGraph(this.#tensors, this.#type), { name: 'cache rows' });
    const program = await this.#moveProgram;
    const kept = Math.min(this.#room, room);
    const rows = int64(
      [from.length],
      // What lies in a row that begins empty does not matter.
      from.map((row) => row ?? 0),
    );
    const given = { [names.rows]: rows, [names.kept]: lengthOf(kept), [names.added]: lengthOf(room - kept) };
    const made: DeviceBuffer[] = [];
    try {
      for (const past of this.#set) {
        const { [names.result]: result } = await program.run({ [names.past]: past, ...given });
        invariant(result !== undefined, 'a program that moves caches made no result');
        made.push(result);
        past.release();
      }
      return made;
    } catch (thrown) {
      releaseAll(made);
      throw thrown;
    }
  }

  #view(first: number, count: number): { readonly set: CacheSet; readonly binding: CacheBinding } {
    invariant(first >= 0 && first + count <= this.#numRows, `rows ${first}+${count} of ${this.#numRows}`);
    const key = `${first}+${count}`;
    const known = this.#views.get(key);
    if (known !== undefined) return known;
    const set = this.#set.map((buffer, index) => {
      const shape = sized(at(this.#tensors, index).shape, 1, this.#room);
      return buffer.part(first * sizeOf(shape), count * sizeOf(shape), [count, ...shape.slice(1)]);
    });
    const bound = this.#tensors.map((tensor, index) => ({ tensor, buffer: at(set, index) }));
    const binding = {
      inputs: Object.fromEntries(bound.map(({ tensor, buffer }) => [tensor.input, buffer])),
      outputs: Object.fromEntries(bound.map(({ tensor, buffer }) => [tensor.output, buffer])),
    };
    const view = { set, binding };
    this.#views.set(key, view);
    return view;
  }

  #forgetViews(): void {
    for (const { set } of this.#views.values()) releaseAll(set);
    this.#views.clear();
  }
}

function releaseAll(buffers: readonly DeviceBuffer[]): void {
  for (const buffer of buffers) buffer.release();
}

/** [1, G, S, K] with other rows and room. */
function sized([, G = 0, , K = 0]: readonly number[], rows: number, room: number): readonly number[] {
  return [rows, G, room, K];
}

/** A tensor whose length alone counts: it says what a symbol stands for. */
function lengthOf(symbol: number): HostTensor {
  return int64([symbol], new Array<number>(symbol).fill(0));
}

/** Layers may have caches of different shapes: one program moves them all. */
function moveGraph(tensors: readonly CacheTensor[], type: CacheType): Graph {
  const b = new GraphBuilder();
  const first = at(tensors, 0).shape;
  const isSame = tensors.every(({ shape }) => sameShape(shape, first));
  const [, G = 0, , K = 0] = first;
  const shape: Shape = isSame ? ['B', G, 'S', K] : ['B', 'G', 'S', 'K'];
  const chosen = b.gather(b.input(names.past, type, shape), b.input(names.rows, 'int64', ['M'])); // [M, G, S, K]
  b.input(names.kept, 'int64', ['C']);
  b.input(names.added, 'int64', ['E']);
  return b.graph({ [names.result]: b.pad(b.slice(chosen, 2, 0, 'C'), 2, 0, 'E') }); // [M, G, C+E, K]
}

/** A row of every tensor into another row. */
function copyGraph(tensors: readonly CacheTensor[], type: CacheType): Graph {
  const b = new GraphBuilder();
  const results = tensors.map(({ shape: [, G = 0, , K = 0] }, index) => {
    const past = b.input(`${names.past}.${index}`, type, [1, G, 'S', K]);
    return [`${names.result}.${index}`, past] as const;
  });
  return b.graph(Object.fromEntries(results));
}

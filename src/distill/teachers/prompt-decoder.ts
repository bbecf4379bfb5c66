// Decoding behind prompts of one length, step by step with a cache, as its caller chooses: what draws and searches run on.
import { at, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder, optimizeGraph } from '#graph';
import {
  buildDecodeGraph,
  type CacheTensor,
  cacheTensors,
  declarations,
  graphNames,
  type Model,
  type ModelDeclaration,
  requireGenerating,
} from '#models';
import { type HostTensor, int32, int64, sizeOf } from '#tensor';

export interface DecoderSizes {
  /** B: rows side by side. */
  readonly batch: number;
  /** P: tokens of every prompt. */
  readonly promptTokens: number;
  /** Tokens that may follow each, at most. */
  readonly newTokens: number;
}

/** What all rows go on with. */
export interface NextTokens {
  /** [B] */
  readonly tokens: ArrayLike<number>;
  /** [B]: the row whose keys and values each goes on from; absent: its own. */
  readonly parents?: readonly number[];
}

/** Chooses after each step. @param logits - [V] of a row @returns undefined when nothing goes on */
export type ChooseNext = (logits: (row: number) => Float32Array) => NextTokens | undefined;

/** Rows on their way, all of one length. */
export interface Decoding {
  /** [V] behind the newest token of a row. */
  logits(this: void, row: number): Float32Array;
  /** All rows go on. @throws AppError `cancelled` */
  advance(this: void, next: NextTokens): Promise<void>;
  /** Gives the cache back. */
  end(this: void): void;
}

/**
 * It reads the weights from the buffers that it is given at each call: those of a trainer hold what its last step left there. The cache holds
 * nothing from one call to the next, since keys and values of other weights would be wrong.
 */
export class PromptDecoder {
  readonly #engine: Engine;
  readonly #model: ModelDeclaration;
  readonly #sizes: DecoderSizes;
  readonly #programs = new Map<string, Promise<Program>>();

  /** @throws AppError `unsupported` for a model that does not continue text | `context_too_long` */
  constructor(engine: Engine, model: Model, sizes: DecoderSizes) {
    requireGenerating(model);
    this.#engine = engine;
    this.#model = declarations(model);
    this.#sizes = sizes;
  }

  /**
   * Asks `choose` after the prompts and after every token, until it ends or all new tokens are chosen.
   *
   * @param prompts - [B, P]
   * @throws AppError `cancelled`
   */
  async decode(
    weights: Readonly<Record<string, DeviceBuffer>>,
    prompts: HostTensor<'int64'>,
    choose: ChooseNext,
    signal: AbortSignal,
  ): Promise<void> {
    const decoding = await this.begin(weights, prompts, signal);
    try {
      for (let step = 1; ; step++) {
        const next = choose(decoding.logits);
        if (next === undefined || step === this.#sizes.newTokens) return;
        await decoding.advance(next);
      }
    } finally {
      decoding.end();
    }
  }

  /**
   * Reads the prompts, and waits for what comes behind them.
   *
   * @param prompts - [B, P]
   * @returns what the caller ends
   * @throws AppError `cancelled`
   */
  async begin(weights: Readonly<Record<string, DeviceBuffer>>, prompts: HostTensor<'int64'>, signal: AbortSignal): Promise<Decoding> {
    const { batch: B, promptTokens: P, newTokens: N } = this.#sizes;
    invariant(prompts.shape.join() === [B, P].join(), 'prompts have the sizes of their decoder');
    const tensors = cacheTensors(this.#model, B, P + N);
    let caches = this.#allocate(tensors);
    const end = (): void => {
      for (const buffer of caches) buffer.release();
    };
    const read = async (tokens: HostTensor<'int64'>, start: number): Promise<Float32Array> => {
      const T = at(tokens.shape, 1);
      const program = await this.#program(start === 0 ? 'prompts' : 'tokens');
      const available: Record<string, DeviceBuffer | HostTensor> = {
        ...weights,
        ...Object.fromEntries(tensors.map(({ input }, index) => [input, at(caches, index)])),
        [graphNames.tokens]: tokens,
        [graphNames.positions]: int64(
          [B, T],
          Array.from({ length: B * T }, (_, index) => start + (index % T)),
        ),
        [graphNames.lastIndex]: int32([B], new Array<number>(B).fill(start + T - 1)),
        [graphNames.totalLength]: int32([1], [start + T]),
      };
      const outputs = Object.fromEntries(tensors.map(({ output }, index) => [output, at(caches, index)]));
      const results = await program.run(chosen(available, program.inputNames), { signal, outputs });
      const logits = results[graphNames.logits];
      invariant(logits !== undefined, 'a step makes logits');
      const { data } = logits.read();
      logits.release();
      invariant(data instanceof Float32Array, 'logits are float32');
      return data;
    };
    try {
      let newest = await read(prompts, 0);
      let length = P;
      return {
        logits: (row) => newest.subarray((row * newest.length) / B, ((row + 1) * newest.length) / B),
        advance: async ({ tokens, parents }) => {
          if (parents?.some((parent, row) => parent !== row) === true) caches = await this.#reordered(tensors, caches, parents, signal);
          newest = await read(int64([B, 1], tokens), length);
          length++;
        },
        end,
      };
    } catch (error) {
      end();
      throw error;
    }
  }

  async release(): Promise<void> {
    const compiled = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(compiled.map((each) => (each.status === 'fulfilled' ? each.value.release() : undefined)));
  }

  #allocate(tensors: readonly CacheTensor[]): readonly DeviceBuffer[] {
    return tensors.map(({ shape }) => this.#engine.allocate({ dtype: 'float32', shape }));
  }

  /** Caches whose rows are those of the parents; the old ones are given back, unless it fails. */
  async #reordered(
    tensors: readonly CacheTensor[],
    caches: readonly DeviceBuffer[],
    parents: readonly number[],
    signal: AbortSignal,
  ): Promise<readonly DeviceBuffer[]> {
    const program = await this.#program('rows');
    const inputs = Object.fromEntries(tensors.map(({ input }, index) => [input, at(caches, index)]));
    const results = await program.run({ ...inputs, [parentsName]: int64([parents.length], parents) }, { signal });
    for (const buffer of caches) buffer.release();
    return tensors.map(({ output }) => {
      const made = results[output];
      invariant(made !== undefined, 'every cache is taken over');
      return made;
    });
  }

  /** The prompts at once, one token a row, and rows that go on from others. */
  #program(kind: 'prompts' | 'tokens' | 'rows'): Promise<Program> {
    const known = this.#programs.get(kind);
    if (known !== undefined) return known;
    const { batch, promptTokens, newTokens } = this.#sizes;
    const room = promptTokens + newTokens;
    const graph =
      kind === 'rows'
        ? takenRows(cacheTensors(this.#model, batch, room))
        : optimizeGraph(buildDecodeGraph(this.#model, { batch, length: kind === 'prompts' ? promptTokens : 1, room }));
    const made = this.#engine.compile(graph, { name: `behind prompts: ${kind}` });
    this.#programs.set(kind, made);
    made.catch(() => this.#programs.delete(kind));
    return made;
  }
}

const parentsName = 'parents';

/** Caches [B, H, S, K] and parents int64 [B] -> caches whose row i is row parents[i]. */
function takenRows(tensors: readonly CacheTensor[]): Graph {
  const b = new GraphBuilder();
  const rows = at(at(tensors, 0).shape, 0);
  const parents = b.input(parentsName, 'int64', [rows]);
  const taken = tensors.map(({ input, output, shape }) => {
    const flat = b.reshape(b.input(input, 'float32', shape), [rows, sizeOf(shape) / rows]);
    return [output, b.reshape(b.gather(flat, parents), shape)] as const;
  });
  return b.graph(Object.fromEntries(taken));
}

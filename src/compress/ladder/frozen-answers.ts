// What the blocks of a frozen model answer to each example, kept so that the model runs once for each of them.
import { createHash } from 'node:crypto';
import { AppError, at, chosen, invariant } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { type Graph, GraphBuilder, optimizeGraph } from '#graph';
import { causalNetwork, depthTaps, encoderInputs, encoderNetwork, type Ladder, ladderPrefix, type Model, taskOf } from '#models';
import { castTensor, type HostTensor, hostTensor, staticDim, toNumbers } from '#tensor';
import { type SchemeInGraph, type TrainingBatch, type TrainingScheme, tensorsOf } from '#train';
import type { ActivationStore } from '../activation-store.ts';

export type AnswerType = 'float32' | 'float16';

/** Values of the model that a ladder reads: what the first block is given, what the chosen ones answer, and what the model answers where it is mixed in. */
function readTaps({ layers, mixesOutput }: Ladder): string[] {
  return [depthTaps.input, ...layers.map((layer) => `h.${layer}`), ...(mixesOutput ? [depthTaps.output] : [])];
}

/** The model beside which a ladder stands. */
function withoutLadder({ config, parameters }: Model): Model {
  const { ladder: _, ...rest } = config;
  return { config: rest as Model['config'], parameters: new Map([...parameters].filter(([path]) => !path.startsWith(ladderPrefix))) };
}

/** How often the model ran, and how often it did not have to. */
export interface AnswerCounts {
  /** Examples that the frozen model ran for. */
  readonly computed: number;
  /** Examples whose answers were there. */
  readonly recalled: number;
  /** Whether some had no room. */
  readonly isFull: boolean;
}

/**
 * Training of a side network on answers that are kept: the gradient graph has none of the model's blocks in it, and the model runs only for examples that
 * were not seen before.
 *
 * In `float32` the results are those of training without; in `float16` the answers are rounded, whether they were kept or just made.
 * Limit: texts whose tokens change from epoch to epoch (hidden tokens) are never found again.
 */
export class FrozenAnswers implements TrainingScheme {
  readonly name = 'frozenAnswers';
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #taps: readonly string[];
  readonly #type: AnswerType;
  readonly #store: ActivationStore;
  readonly #programs = new Map<string, Promise<Program>>();
  #computed = 0;
  #recalled = 0;
  #isFull = false;

  /** @param model - with its ladder */
  constructor(engine: Engine, model: Model, store: ActivationStore, type: AnswerType) {
    const { ladder } = model.config;
    invariant(ladder !== undefined, 'a side network is trained');
    this.#engine = engine;
    this.#model = withoutLadder(model);
    this.#taps = readTaps(ladder);
    this.#type = type;
    this.#store = store;
  }

  get counts(): AnswerCounts {
    return { computed: this.#computed, recalled: this.#recalled, isFull: this.#isFull };
  }

  network({ input }: SchemeInGraph): ReturnType<NonNullable<TrainingScheme['network']>> {
    const taps = new Set(this.#taps);
    return {
      tapped: (name, value) =>
        taps.has(name)
          ? input(
              name,
              'float32',
              value.shape.map((size) => staticDim(size, name)),
            )
          : value,
    };
  }

  async batchInputs(
    batch: TrainingBatch,
    parameters: Readonly<Record<string, DeviceBuffer>>,
    signal: AbortSignal,
  ): Promise<Record<string, HostTensor>> {
    invariant('tokens' in batch, 'side networks stand beside models of one text');
    const examples = examplesOf(batch);
    const kept = await Promise.all(examples.map(({ key }) => this.#store.read(key)));
    const [B, T] = [at(batch.tokens.shape, 0), at(batch.tokens.shape, 1)];
    const { width: D } = this.#model.config;
    if (kept.some((bytes) => bytes === undefined)) await this.#compute(batch, examples, kept, parameters, signal);
    else this.#recalled += examples.length;
    const inputs = Object.fromEntries(this.#taps.map((name) => [name, hostTensor('float32', [B * T, D])]));
    for (const [row, { numTokens }] of examples.entries()) {
      const bytes = at(kept, row);
      invariant(bytes !== undefined, 'every example has its answers');
      const numbers = this.#decoded(bytes);
      for (const [index, name] of this.#taps.entries())
        inputs[name]?.data.set(numbers.subarray(index * numTokens * D, (index + 1) * numTokens * D), row * T * D);
    }
    return inputs;
  }

  /** Fills the gaps in `kept`. */
  async #compute(
    batch: Extract<TrainingBatch, { tokens: unknown }>,
    examples: readonly Example[],
    kept: (Uint8Array | undefined)[],
    parameters: Readonly<Record<string, DeviceBuffer>>,
    signal: AbortSignal,
  ): Promise<void> {
    const [B, T] = [at(batch.tokens.shape, 0), at(batch.tokens.shape, 1)];
    const { width: D } = this.#model.config;
    const program = await this.#program(B, T);
    const results = await program.run(chosen({ ...parameters, ...tensorsOf(batch) }, program.inputNames), { signal });
    const answers = this.#taps.map((name) => {
      const buffer = results[name];
      invariant(buffer !== undefined, `the model answers ${name}`);
      const numbers = toNumbers(buffer.read());
      buffer.release();
      return numbers;
    });
    for (const [row, { key, numTokens }] of examples.entries()) {
      if (kept[row] !== undefined) {
        this.#recalled++;
        continue;
      }
      this.#computed++;
      const numbers = new Float32Array(answers.length * numTokens * D);
      for (const [index, rows] of answers.entries())
        numbers.set(Float32Array.from(rows.subarray(row * T * D, (row * T + numTokens) * D)), index * numTokens * D);
      const bytes = this.#encoded(numbers);
      kept[row] = bytes;
      if (!(await this.#store.write(key, bytes))) this.#isFull = true;
    }
    if (this.#isFull && this.#store.size < examples.length)
      throw new AppError(
        'cache_too_small',
        `ladder.cacheBytes: has no room for the ${examples.length} examples of one batch (${kept.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0)} bytes). Allow more, or set cache to "none".`,
        { details: { field: 'ladder.cacheBytes' } },
      );
  }

  #encoded(numbers: Float32Array): Uint8Array {
    const { data } = castTensor(hostTensor('float32', [numbers.length], numbers), this.#type);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  #decoded(bytes: Uint8Array): Float32Array {
    const aligned = bytes.slice().buffer;
    if (this.#type === 'float32') return new Float32Array(aligned);
    const half = new Uint16Array(aligned);
    return castTensor(hostTensor('float16', [half.length], half), 'float32').data;
  }

  #program(batch: number, length: number): Promise<Program> {
    const key = `${batch} ${length}`;
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const compiling = this.#engine.compile(answerGraph(this.#model, this.#taps, batch, length), { name: 'frozen-answers' });
    this.#programs.set(key, compiling);
    compiling.catch(() => this.#programs.delete(key));
    return compiling;
  }

  /** Frees what is on the device. The store belongs to its maker. */
  async release(): Promise<void> {
    for (const compiled of await Promise.allSettled(this.#programs.values()))
      if (compiled.status === 'fulfilled') await compiled.value.release();
  }
}

interface Example {
  /** Of what the model reads. */
  readonly key: string;
  /** Without padding. */
  readonly numTokens: number;
}

function examplesOf({ tokens, mask, tokenTypes }: Extract<TrainingBatch, { tokens: unknown }>): Example[] {
  const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
  return Array.from({ length: B }, (_, row) => {
    const numTokens = mask === undefined ? T : mask.data.subarray(row * T, (row + 1) * T).reduce((sum, isReal) => sum + isReal, 0);
    const hash = createHash('sha256');
    for (const ids of [tokens, ...(tokenTypes === undefined ? [] : [tokenTypes])]) {
      const real = ids.data.subarray(row * T, row * T + numTokens);
      hash.update(new Uint8Array(real.buffer, real.byteOffset, real.byteLength));
    }
    return { key: hash.digest('hex'), numTokens };
  });
}

/** tokens int64 [B, T] (of encoders also mask and token types) -> the taps, rows [B*T, D]. */
function answerGraph(model: Model, taps: readonly string[], batch: number, length: number): Graph {
  const b = new GraphBuilder();
  const isText = taskOf(model.config).kind === 'causal';
  const inputs = isText ? undefined : encoderInputs(b, model, { batch, length });
  const tokens = inputs?.tokens ?? b.input('tokens', 'int64', [batch, length]);
  const net = inputs === undefined ? causalNetwork(b, model, tokens) : encoderNetwork(b, model, inputs);
  const hidden = net.hidden(tokens);
  const outputs = taps.map((name) => {
    const value = name === depthTaps.output ? hidden : net.taps.get(name);
    invariant(value !== undefined, `the model names ${name}`);
    return [name, value] as const;
  });
  return optimizeGraph(b.graph(Object.fromEntries(outputs)));
}

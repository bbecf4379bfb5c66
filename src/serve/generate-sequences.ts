// Targets for sources: an encoder-decoder on a device, driven by greedy or beam search, many sources in a batch.
import { AppError, at, chosen, invariant, type OperationContext, quietContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import {
  buildEncodeGraph,
  buildPairDecodeGraph,
  cacheTensors,
  type EncoderDecoderConfig,
  encoderDecoderConfig,
  fastestForm,
  graphNames,
  type Model,
  modelInputs,
  sourceTensors,
  weightsOf,
} from '#models';
import { type HostTensor, hostTensor, int32, int64, tensorBytes } from '#tensor';
import { type FoundTarget, type SearchSettings, startSearch, type TargetSearch } from './target-search.ts';

/** What a caller may choose; the model's configuration says where targets start and end. */
export interface SequenceSettings extends Omit<SearchSettings, 'startToken' | 'endTokens'> {
  /** Sources that are worked on together. */
  readonly batchSize: number;
  /** In place of the configuration's. */
  readonly startToken?: number;
  readonly endTokens?: readonly number[];
}

const defaultSequenceSettings: SequenceSettings = {
  beams: 1,
  maxTokens: 128,
  minTokens: 0,
  lengthPenalty: 1,
  earlyStopping: false,
  noRepeatNgram: 0,
  suppressed: [],
  batchSize: 16,
};

/** One sequence at one step. */
export interface SequenceRow {
  /** What it reads next. */
  readonly token: number;
  /** Which of its source's sequences it goes on from. */
  readonly parent: number;
}

/** Says what runs at each step of decoding, and takes what comes out. */
export interface SequenceDriver {
  /** Sequences of each source, side by side. */
  readonly sequences: number;
  /** The rows of the next step, all of a source under each other; undefined: it is over. */
  next(): readonly SequenceRow[] | undefined;
  /** @param logits - [V] after the token of a row */
  take(logits: (row: number) => Float32Array): void | Promise<void>;
}

/** The targets of one source: the best first, as many as there are beams. */
export type GeneratedSequences = readonly FoundTarget[];

/**
 * Targets of sources, as token ids.
 *
 * @param sources - ids of each source, with the end token where the model was trained with one
 * @throws AppError `unsupported` for a model without an encoder | `invalid_argument` | `context_too_long` | `cancelled` | `out_of_memory` | `engine_failure`
 */
export async function generateSequences(
  engine: Engine,
  model: Model,
  sources: readonly ArrayLike<number>[],
  settings: Partial<SequenceSettings> = {},
  context: OperationContext = quietContext,
): Promise<GeneratedSequences[]> {
  const generator = await SequenceGenerator.create(engine, model);
  try {
    return await generator.generate(sources, settings, context);
  } finally {
    await generator.dispose();
  }
}

/**
 * An encoder-decoder whose weights are on a device. Calls may run side by side, with any settings.
 *
 * Limit: encoding, one sequence a source and several sequences a source have a program each, and what they share (the table of tokens, the
 * decoder) is packed into each. A batch runs until its last source is done; sources that ended earlier still cost their rows.
 */
export class SequenceGenerator {
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #config: EncoderDecoderConfig;
  readonly #encode: Program;
  /** Of one sequence a source, whose caches grow in place, and of several, which may go on from each other's. */
  readonly #decoders = new Map<'one' | 'several', Promise<Program>>();

  private constructor(engine: Engine, model: Model, config: EncoderDecoderConfig, encode: Program) {
    this.#engine = engine;
    this.#model = model;
    this.#config = config;
    this.#encode = encode;
  }

  /** @throws AppError `unsupported` for a model without an encoder | `engine_failure` | `out_of_memory` */
  static async create(engine: Engine, model: Model): Promise<SequenceGenerator> {
    const config = encoderDecoderConfig(model);
    const fastest = fastestForm(model);
    const graph = buildEncodeGraph(fastest, { batch: 'B', sourceLength: 'S' });
    const encode = await engine.compile(graph, { name: 'encode', frozen: weightsOf(fastest, graph) });
    return new SequenceGenerator(engine, fastest, config, encode);
  }

  /** Targets of each source, in the order of the sources. @throws AppError `invalid_argument` | `context_too_long` | `cancelled` */
  async generate(
    sources: readonly ArrayLike<number>[],
    given: Partial<SequenceSettings> = {},
    context: OperationContext = quietContext,
  ): Promise<GeneratedSequences[]> {
    const settings = this.#checked(given);
    for (const [index, source] of sources.entries()) this.#checkSource(source, index);
    const results: GeneratedSequences[] = [];
    // Sources of like length together: padding costs as much as tokens.
    const order = sources.map((_, index) => index).sort((left, right) => at(sources, left).length - at(sources, right).length);
    for (let start = 0; start < order.length; start += settings.batchSize) {
      throwIfCancelled(context.signal);
      const chosen = order.slice(start, start + settings.batchSize);
      const targets = await this.#runBatch(
        chosen.map((index) => at(sources, index)),
        settings,
        context.signal,
      );
      for (const [place, index] of chosen.entries()) results[index] = at(targets, place);
      context.report({ phase: 'generate', step: start + chosen.length, total: order.length });
    }
    return results;
  }

  /** Bytes of the weights as encoding and decoding use them; where sequences go on from each other's, their program has a copy beside it. */
  get weightBytes(): number {
    return [...modelInputs(this.#model)].reduce((sum, [, tensor]) => sum + tensorBytes(tensor), 0);
  }

  async dispose(): Promise<void> {
    const decoders = await Promise.allSettled(this.#decoders.values());
    await Promise.all(decoders.map((made) => (made.status === 'fulfilled' ? made.value.release() : undefined)));
    await this.#encode.release();
  }

  #checked(given: Partial<SequenceSettings>): SearchSettings & Pick<SequenceSettings, 'batchSize'> {
    const { startToken, endTokens, vocabularySize, maxPositions } = this.#config;
    const settings = { startToken, endTokens, ...defaultSequenceSettings, ...given };
    settings.maxTokens = given.maxTokens ?? Math.min(defaultSequenceSettings.maxTokens, maxPositions);
    const require = (holds: boolean, field: keyof typeof settings, rule: string): void => {
      if (holds) return;
      throw new AppError('invalid_argument', `${field}: must be ${rule}, got ${String(settings[field])}.`, { details: { field } });
    };
    for (const field of ['beams', 'maxTokens', 'batchSize'] as const)
      require(Number.isInteger(settings[field]) && settings[field] >= 1, field, 'a whole number of at least 1');
    require(Number.isInteger(settings.noRepeatNgram) && settings.noRepeatNgram >= 0, 'noRepeatNgram', 'a whole number of at least 0');
    require(Number.isFinite(settings.lengthPenalty), 'lengthPenalty', 'a finite number');
    require(settings.beams < vocabularySize, 'beams', `below the ${vocabularySize} tokens of the vocabulary`);
    const exists = (token: number): boolean => Number.isInteger(token) && token >= 0 && token < vocabularySize;
    for (const field of ['startToken', 'firstToken', 'lastToken'] as const)
      require(exists(settings[field] ?? 0), field, `a token 0..${vocabularySize - 1}`);
    for (const field of ['endTokens', 'suppressed'] as const)
      require(settings[field].every(exists), field, `tokens 0..${vocabularySize - 1}`);
    if (settings.maxTokens > maxPositions)
      throw new AppError('context_too_long', `maxTokens: ${settings.maxTokens} are more than the ${maxPositions} positions of the model.`);
    return settings;
  }

  #checkSource(source: ArrayLike<number>, index: number): void {
    const { vocabularySize, sourceVocabularySize = vocabularySize, maxPositions } = this.#config;
    const place = `source ${index}`;
    if (source.length === 0) throw new AppError('invalid_argument', `${place}: has no tokens. Give at least its end token.`);
    if (source.length > maxPositions)
      throw new AppError('context_too_long', `${place}: ${source.length} tokens are more than the ${maxPositions} positions of the model.`);
    const bad = Array.from(source).find((token) => !Number.isInteger(token) || token < 0 || token >= sourceVocabularySize);
    if (bad !== undefined) throw new AppError('invalid_argument', `${place}: token ${bad} is outside 0..${sourceVocabularySize - 1}.`);
  }

  #decoder(sequences: number): Promise<Program> {
    const kind = sequences === 1 ? 'one' : 'several';
    const known = this.#decoders.get(kind);
    if (known !== undefined) return known;
    const sizes = { batch: 'B', sourceLength: 'S', sequences: sequences === 1 ? 1 : 'M', room: 'P', reorders: sequences > 1 };
    const graph = buildPairDecodeGraph(this.#model, sizes);
    const made = this.#engine.compile(graph, { name: `decode ${kind}`, frozen: weightsOf(this.#model, graph) });
    this.#decoders.set(kind, made);
    // A failure is not remembered: the next caller tries again.
    made.catch(() => this.#decoders.delete(kind));
    return made;
  }

  async #runBatch(sources: readonly ArrayLike<number>[], settings: SearchSettings, signal: AbortSignal): Promise<GeneratedSequences[]> {
    const searches = sources.map(() => startSearch(settings));
    await this.decode(sources, settings.maxTokens, searchDriver(searches, settings), signal);
    return searches.map(({ found }) => found);
  }

  /**
   * Encodes sources and decodes step by step as the driver says.
   *
   * @param room - most tokens that a sequence reads
   * @throws AppError `invalid_argument` | `context_too_long` | `cancelled` | `out_of_memory` | `engine_failure`, and what the driver throws
   */
  async decode(sources: readonly ArrayLike<number>[], room: number, driver: SequenceDriver, signal: AbortSignal): Promise<void> {
    for (const [index, source] of sources.entries()) this.#checkSource(source, index);
    const { sequences } = driver;
    const decoder = await this.#decoder(sequences);
    const { ids, sourceMask } = padded(sources, this.#config.padToken);
    const held: Record<string, DeviceBuffer>[] = [];
    try {
      const encoded = await this.#encode.run({ [graphNames.source]: ids, [graphNames.sourceMask]: sourceMask }, { signal });
      held.push(encoded);
      const caches = new TargetCaches(this.#engine, this.#model, sources.length * sequences, room, sequences > 1);
      held.push(...caches.sets);
      const given = Object.fromEntries(sourceTensors(this.#model).map(({ name }) => [name, bufferOf(encoded, name)]));
      for (let position = 0; ; position++) {
        const rows = driver.next();
        if (rows === undefined) break;
        invariant(
          rows.length === sources.length * sequences && position < room,
          'a driver has a row for each sequence, and keeps to its room',
        );
        throwIfCancelled(signal);
        const available: Record<string, DeviceBuffer | HostTensor> = {
          ...given,
          ...stepInputs(rows, sequences, position),
          ...caches.inputs,
          [graphNames.sourceMask]: sourceMask,
        };
        const results = await decoder.run(chosen(available, decoder.inputNames), { outputs: caches.outputs, signal });
        caches.advance();
        const logits = bufferOf(results, graphNames.logits);
        try {
          await driver.take(rowsOf(logits.read()));
        } finally {
          logits.release();
        }
      }
    } finally {
      for (const set of held) for (const buffer of Object.values(set)) buffer.release();
    }
  }
}

function padded(sources: readonly ArrayLike<number>[], padToken: number): { ids: HostTensor<'int64'>; sourceMask: HostTensor<'bool'> } {
  const S = sources.reduce((most, { length }) => Math.max(most, length), 0);
  const shape = [sources.length, S];
  const ids = hostTensor('int64', shape, new BigInt64Array(sources.length * S).fill(BigInt(padToken)));
  const sourceMask = hostTensor('bool', shape);
  for (const [row, source] of sources.entries())
    for (let position = 0; position < source.length; position++) {
      ids.data[row * S + position] = BigInt(source[position] ?? padToken);
      sourceMask.data[row * S + position] = 1;
    }
  return { ids, sourceMask };
}

/** The caches of a batch: one set that grows in place, or two in turn where sequences go on from other sequences' caches. */
class TargetCaches {
  readonly sets: readonly Record<string, DeviceBuffer>[];
  readonly #names: readonly { readonly input: string; readonly output: string }[];
  #current = 0;

  constructor(engine: Engine, model: Model, rows: number, room: number, reorders: boolean) {
    const tensors = cacheTensors(model, rows, room);
    this.#names = tensors;
    const sets: Record<string, DeviceBuffer>[] = [];
    this.sets = sets;
    try {
      for (let index = 0; index < (reorders ? 2 : 1); index++) {
        const set: Record<string, DeviceBuffer> = {};
        sets.push(set);
        for (const { input, shape } of tensors) set[input] = engine.allocate({ dtype: 'float32', shape });
      }
    } catch (thrown) {
      for (const set of sets) for (const buffer of Object.values(set)) buffer.release();
      throw thrown;
    }
  }

  get inputs(): Readonly<Record<string, DeviceBuffer>> {
    return at(this.sets, this.#current);
  }

  get outputs(): Readonly<Record<string, DeviceBuffer>> {
    const set = at(this.sets, (this.#current + 1) % this.sets.length);
    return Object.fromEntries(this.#names.map(({ input, output }) => [output, bufferOf(set, input)]));
  }

  advance(): void {
    this.#current = (this.#current + 1) % this.sets.length;
  }
}

/** Every source has `beams` rows; where fewer targets run, the rest repeat the first, and where none does, they hold what costs nothing. */
export function searchDriver(searches: readonly TargetSearch[], { beams, startToken }: SearchSettings): SequenceDriver {
  return {
    sequences: beams,
    next: () => {
      if (searches.every(({ running }) => running.length === 0)) return undefined;
      return searches.flatMap(({ running }) =>
        Array.from({ length: beams }, (_, beam): SequenceRow => {
          const target = running[beam] ?? running[0];
          return { token: target?.tokens.at(-1) ?? startToken, parent: target?.parent ?? beam };
        }),
      );
    },
    take: (logits) => {
      for (const [index, search] of searches.entries())
        if (search.running.length > 0) search.extend(search.running.map((_, beam) => logits(index * beams + beam)));
    },
  };
}

function stepInputs(rows: readonly SequenceRow[], sequences: number, position: number): Record<string, HostTensor> {
  const shape = [rows.length / sequences, sequences];
  const length = position + 1;
  const tokens = rows.map(({ token }) => token);
  const parents = rows.map(({ parent }, row) => row - (row % sequences) + parent);
  return {
    [graphNames.tokens]: int64(shape, tokens),
    [graphNames.positions]: int64(shape, new Array<number>(rows.length).fill(position)),
    [graphNames.keyPositions]: int64(
      [length],
      Array.from({ length }, (_, key) => key),
    ),
    [graphNames.lastIndex]: int32([rows.length], new Array<number>(rows.length).fill(position)),
    [graphNames.totalLength]: int32([1], [length]),
    [graphNames.parents]: int64([rows.length], parents),
  };
}

function rowsOf({ data, shape }: HostTensor): (row: number) => Float32Array {
  invariant(data instanceof Float32Array, 'logits are float32');
  const V = at(shape, 1);
  return (row) => data.subarray(row * V, (row + 1) * V);
}

function bufferOf(buffers: Readonly<Record<string, DeviceBuffer>>, name: string): DeviceBuffer {
  const buffer = buffers[name];
  invariant(buffer !== undefined, `${name} was made`);
  return buffer;
}

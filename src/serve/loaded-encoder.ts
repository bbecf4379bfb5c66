// A model that is ready to classify, to embed or to fill in masks: checks and encodes texts, runs them, and reads the answers.
import { AppError, at, type Clock, type Meter, type OperationContext, throwIfCancelled, yieldToEventLoop } from '#base';
import type { Engine } from '#engine';
import { type Model, type ModelConfig, type ModelTask, taskOf, textPositions } from '#models';
import { SentenceEncoder, type Tokenizer } from '#text';
import { type DeviceTurns, deviceTurns } from './device-turns.ts';
import { type EncoderRow, EncoderRunner, type EncoderVectors } from './encoder-runner.ts';
import { filled, likeliest, type MaskCandidate, maskedPlaces } from './mask-candidates.ts';
import { RowBatcher } from './row-batcher.ts';
import type { RowGauges, RowQueueOptions } from './row-queue.ts';
import { requireTask } from './task-check.ts';

/** A text, or two that belong together. */
export interface ClassifierInput {
  readonly first: string;
  readonly second?: string;
}

/** What a classifier says of one input. */
export interface Classification {
  /** The likeliest one; of equals the first. */
  readonly label: string;
  /** One for each label; they sum to 1. */
  readonly probabilities: readonly number[];
  /** Before the softmax. */
  readonly logits: readonly number[];
}

export interface Classifications {
  /** In the order of the probabilities. */
  readonly labels: readonly string[];
  /** In the order of the inputs. */
  readonly results: readonly Classification[];
}

export interface EmbedOptions {
  /** At length 1, or as they are; as the model's task says when absent. */
  readonly normalize?: boolean;
}

export interface Embedding {
  /** [D] */
  readonly values: Float32Array;
  /** What the model read, special tokens included. */
  readonly tokens: number;
  /** The text was longer than the model reads and lost its end. */
  readonly truncated: boolean;
}

export interface FillMaskOptions {
  /** Candidates for each mask. @default 5 */
  readonly topK?: number;
}

/** The masks of one text, in order, each with its candidates, likeliest first. */
export interface FilledMasks {
  readonly masks: readonly (readonly MaskCandidate[])[];
}

export interface EncoderOptions {
  readonly tokenizer: Tokenizer;
  /** For messages. @default 'model' */
  readonly name?: string;
  /** How texts of several callers share batches. */
  readonly batching?: Partial<RowQueueOptions>;
  readonly clock?: Clock;
  readonly meter?: Meter;
}

/** Only attention pays for padding. */
const defaultBatching: RowQueueOptions = { batchTokens: 2048, batchRows: 64, maxDelayMs: 1, maxPadding: 0.5, queueTokens: 1 << 18 };
const defaultTopK = 5;
const rowsPerTurn = 32;

/** States: loaded → unloading (new requests are refused, those under way end) → unloaded. */
export class LoadedEncoder {
  readonly name: string;
  readonly config: ModelConfig;
  readonly #tokenizer: Tokenizer;
  readonly #encoder: SentenceEncoder;
  readonly #runner: EncoderRunner;
  readonly #batcher: RowBatcher<EncoderRow, EncoderVectors>;
  #unloaded: Promise<void> | undefined;

  private constructor(config: ModelConfig, encoder: SentenceEncoder, runner: EncoderRunner, turns: DeviceTurns, options: EncoderOptions) {
    const { name = 'model', tokenizer, batching, clock } = options;
    this.name = name;
    this.config = config;
    this.#tokenizer = tokenizer;
    this.#encoder = encoder;
    this.#runner = runner;
    const limits = { ...defaultBatching, ...batching, turns, ...(clock === undefined ? {} : { clock }) };
    this.#batcher = new RowBatcher<EncoderRow, EncoderVectors>(runner, ({ ids }) => ids.length, limits);
  }

  /** @throws AppError `unsupported` for a model that generates | `tokenizer_mismatch` | `engine_failure` | `out_of_memory` */
  static async load(engine: Engine, model: Model, options: EncoderOptions): Promise<LoadedEncoder> {
    const { tokenizer, name = 'model', meter } = options;
    const { config } = model;
    if (tokenizer.vocabularySize > config.vocabularySize)
      throw new AppError(
        'tokenizer_mismatch',
        `model "${name}": the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, the embedding has ${config.vocabularySize} rows. Use the tokenizer that the model was trained with.`,
      );
    const task = taskOf(config);
    const encoder = new SentenceEncoder(tokenizer, (task.kind === 'embed' ? task.maxTokens : undefined) ?? textPositions(config));
    const runner = await EncoderRunner.create(engine, model, `${name} encoder`, meter);
    return new LoadedEncoder(config, encoder, runner, deviceTurns(engine), options);
  }

  /** What waits, and what batches were like. */
  get gauges(): RowGauges {
    return this.#batcher.gauges;
  }

  get weightBytes(): number {
    return this.#runner.weightBytes;
  }

  /**
   * Labels of texts. A text that is too long is refused: a label of half a text would be a guess that looks like an answer.
   *
   * @throws AppError `wrong_task` | `invalid_argument` and `context_too_long` (with the field) | `bad_weights` | `cancelled`
   */
  async classify(inputs: readonly ClassifierInput[], context: OperationContext): Promise<Classifications> {
    const { labels } = this.#task('classify');
    requireSome(inputs, 'inputs');
    const rows = await encodeAll(inputs, context, ({ first, second }, index) => {
      const place = `inputs[${index}]`;
      requireText(first, `${place}.first`);
      if (second !== undefined) requireText(second, `${place}.second`);
      return { ...this.#encodeWhole(first, second, place, ['.first', '.second']), maskPlaces: [] };
    });
    const vectors = await this.#run(rows, context);
    return { labels, results: vectors.map((found) => classification(at(found, 0), labels)) };
  }

  /**
   * Vectors of texts. A text that is too long loses its end, as in the library sentence-transformers, and the answer says so.
   *
   * @throws AppError `wrong_task` | `invalid_argument` (with the field) | `bad_weights` | `cancelled`
   */
  async embed(texts: readonly string[], options: EmbedOptions, context: OperationContext): Promise<readonly Embedding[]> {
    const task = this.#task('embed');
    const { normalize = task.normalize } = options;
    requireSome(texts, 'texts');
    const truncated: boolean[] = [];
    const rows = await encodeAll(texts, context, (text, index) => {
      requireText(text, `texts[${index}]`);
      const { ids, types, cutTokens } = this.#encoder.encode(text);
      truncated.push(cutTokens[0] > 0);
      return { ids, types, maskPlaces: [] };
    });
    const vectors = await this.#run(rows, context);
    return vectors.map((found, index) => ({
      values: normalize ? atLengthOne(at(found, 0)) : at(found, 0),
      tokens: at(rows, index).ids.length,
      truncated: at(truncated, index),
    }));
  }

  /**
   * The likeliest tokens for every mask of texts. A text that is too long is refused.
   *
   * @throws AppError `wrong_task` | `invalid_argument` and `context_too_long` (with the field) | `bad_weights` | `cancelled`
   */
  async fillMask(texts: readonly string[], options: FillMaskOptions, context: OperationContext): Promise<readonly FilledMasks[]> {
    this.#task('masked');
    const { topK = defaultTopK } = options;
    if (!Number.isInteger(topK) || topK < 1 || topK > this.config.vocabularySize)
      throw fieldError('topK', `must be a whole number of 1 to the ${this.config.vocabularySize} tokens of the vocabulary, got ${topK}.`);
    requireSome(texts, 'texts');
    const maskToken = this.#tokenizer.maskToken;
    const mask = maskToken === undefined ? undefined : this.#tokenizer.idToToken(maskToken);
    if (mask === undefined)
      throw new AppError(
        'bad_tokenizer',
        `model "${this.name}": its tokenizer has no mask token. Import it with a tokenizer_config.json that names one.`,
      );
    const rows = await encodeAll(texts, context, (text, index): EncoderRow => {
      const field = `texts[${index}]`;
      const { ids, types } = this.#encodeWhole(text, undefined, field, ['', '']);
      const maskPlaces = [...ids.keys()].filter((place) => ids[place] === maskToken);
      if (maskPlaces.length === 0) throw fieldError(field, `has no mask. Put "${mask}" where a token is to be filled in.`);
      if (maskedPlaces(text, mask).length !== maskPlaces.length) throw fieldError(field, `write each mask as "${mask}".`);
      return { ids, types, maskPlaces };
    });
    const vectors = await this.#run(rows, context);
    return vectors.map((masks, index) => {
      const places = maskedPlaces(at(texts, index), mask);
      return { masks: masks.map((logits, which) => this.#candidates(logits, topK, at(places, which))) };
    });
  }

  /** Ends what is under way with `unavailable` and frees everything. Safe to call twice. */
  unload(): Promise<void> {
    this.#unloaded ??= this.#batcher
      .close(new AppError('unavailable', `model "${this.name}": is being unloaded. Load it again.`))
      .then(() => this.#runner.dispose());
    return this.#unloaded;
  }

  #task<Kind extends 'classify' | 'embed' | 'masked'>(kind: Kind): Extract<ModelTask, { kind: Kind }> {
    requireTask(this.name, this.config, kind === 'masked' ? 'fillMask' : kind);
    return taskOf(this.config) as Extract<ModelTask, { kind: Kind }>;
  }

  #encodeWhole(
    first: string,
    second: string | undefined,
    place: string,
    parts: readonly [string, string],
  ): Pick<EncoderRow, 'ids' | 'types'> {
    const { ids, types, cutTokens } = this.#encoder.encode(first, second);
    const [cutFirst, cutSecond] = cutTokens;
    const cut = cutFirst + cutSecond;
    if (cut === 0) return { ids, types };
    const field = place + (cutSecond > cutFirst ? parts[1] : parts[0]);
    throw new AppError(
      'context_too_long',
      `${field}: with special tokens the input has ${ids.length + cut} tokens, and "${this.name}" reads ${this.#encoder.maxTokens}. Shorten it.`,
      { details: { field, tokens: ids.length + cut, limit: this.#encoder.maxTokens } },
    );
  }

  #candidates(logits: Float32Array, topK: number, place: { readonly before: string; readonly after: string }): MaskCandidate[] {
    return likeliest(logits, topK).map(({ tokenId, probability }) => ({
      tokenId,
      probability,
      ...filled(place, tokenId, this.#tokenizer),
    }));
  }

  #run(rows: readonly EncoderRow[], { signal }: OperationContext): Promise<readonly EncoderVectors[]> {
    return this.#batcher.submit(rows, { signal });
  }
}

function fieldError(field: string, problem: string): AppError {
  return new AppError('invalid_argument', `${field}: ${problem}`, { details: { field } });
}

function requireSome(list: readonly unknown[], field: string): void {
  if (list.length === 0) throw fieldError(field, 'must hold at least one.');
}

function requireText(text: string, field: string): void {
  if (text.trim() === '') throw fieldError(field, 'is empty. Give a text.');
}

/** With turns for the event loop. */
async function encodeAll<Input>(
  inputs: readonly Input[],
  { signal }: OperationContext,
  encode: (input: Input, index: number) => EncoderRow,
): Promise<EncoderRow[]> {
  const rows: EncoderRow[] = [];
  for (const [index, input] of inputs.entries()) {
    rows.push(encode(input, index));
    if (index % rowsPerTurn !== rowsPerTurn - 1) continue;
    await yieldToEventLoop();
    throwIfCancelled(signal);
  }
  return rows;
}

function classification(logits: Float32Array, labels: readonly string[]): Classification {
  const largest = logits.reduce((most, value) => Math.max(most, value));
  const exponents = Array.from(logits, (value) => Math.exp(value - largest));
  const total = exponents.reduce((sum, value) => sum + value, 0);
  return {
    label: at(labels, logits.indexOf(largest)),
    probabilities: exponents.map((value) => value / total),
    logits: Array.from(logits),
  };
}

function atLengthOne(vector: Float32Array): Float32Array {
  const length = Math.max(Math.hypot(...vector), 1e-12);
  return vector.map((value) => value / length);
}

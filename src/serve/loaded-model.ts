// A model that is ready to generate: its program and caches on one engine, and the requests that it serves.
import { AppError, type Clock, type Meter, systemClock } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { type CacheFormat, type Model, type ModelConfig, promptIds, textPositions } from '#models';
import type { Tokenizer } from '#text';
import { Batcher, type BatcherOptions } from './batcher.ts';
import { BehindPrompt } from './behind-prompt.ts';
import { blocksOf, blockTokens } from './cache-grid.ts';
import { checkRequest } from './check-request.ts';
import type { TokenChooser } from './choice.ts';
import { chooserFor } from './choice-thread.ts';
import type { ComputeMode } from './compute-forms.ts';
import { continuations } from './continuations.ts';
import { deviceTurns } from './device-turns.ts';
import { proposeTokens } from './draft-sequence.ts';
import { type Drafter, Generation } from './generation.ts';
import { ModelRunner } from './model-runner.ts';
import type { SchedulerGauges } from './plan.ts';
import type { GenerationEvent, GenerationRequest } from './request.ts';
import type { Sampler } from './sampler.ts';
import type { Sequence } from './sequence.ts';
import type { Proposal } from './speculative.ts';

export interface LoadOptions {
  readonly tokenizer: Tokenizer;
  /** For messages. @default 'model' */
  readonly name?: string;
  /** Sequences that are decoded at the same time; more requests wait. @default 32 */
  readonly slots?: number;
  /** Positions that a prompt and its answer share; cut to those of the model. @default 2048 */
  readonly contextTokens?: number;
  /** Most tokens of prompts that run in one step, beside those who are decoded. @default 256 */
  readonly prefillTokens?: number;
  /** Memory for keys and values; requests wait for it as they wait for slots. @default what `slots` whole contexts need */
  readonly cacheBytes?: number;
  /** Most requests that wait; more are refused. @default 1024 */
  readonly maxWaiting?: number;
  /** How long a request waits for a slot unless it says so itself, milliseconds. @default 60,000 */
  readonly queueTimeoutMs?: number;
  /** How long the cache is kept when nobody is served, for those who begin like one before, milliseconds. @default 60,000 */
  readonly keepCacheMs?: number;
  /**
   * The model's parameters where they are on the device already (`borrowModel`), for a model that others use too; they stay the
   * caller's. Absent: the parameters are packed for the fastest kernels, which is faster and costs memory of their own.
   */
  readonly weights?: Readonly<Record<string, DeviceBuffer>>;
  /** In which numbers it multiplies. @default 'auto' */
  readonly compute?: ComputeMode;
  /**
   * What keys and values are kept as. `int8`: a quarter of the memory, and faster for many sequences; answers change a little. Loading measures the
   * scales by running arbitrary tokens. A model that repeats one block keeps float32. @default 'float32'
   */
  readonly cache?: CacheFormat;
  readonly clock?: Clock;
  readonly meter?: Meter;
}

/** Device memory of a loaded model and what its slots do. */
export interface LoadedModelMemory extends SchedulerGauges {
  /** Weights as graphs use them: about what the engine packs for its kernels, beside the tensors of the loaded model. */
  readonly weightBytes: number;
  /** Key-value caches; 0 when nobody is served. */
  readonly cacheBytes: number;
}

const defaults = { slots: 32, prefillTokens: 256 };

/** Positions that a prompt and its answer share where nobody says otherwise, unless the model has fewer. */
export const defaultContextTokens = 2048;

/** States: loaded → unloading (new requests are refused, those under way end) → unloaded. */
export class LoadedModel implements Drafter {
  readonly name: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Positions that a prompt and its answer share. */
  readonly contextTokens: number;
  readonly #runner: ModelRunner;
  readonly #batcher: Batcher;
  readonly #clock: Clock;
  readonly #chooser: TokenChooser;
  #unloaded: Promise<void> | undefined;

  private constructor(model: Pick<Model, 'config'>, options: LoadOptions, contextTokens: number, runner: ModelRunner, batcher: Batcher) {
    this.name = options.name ?? 'model';
    this.config = model.config;
    this.tokenizer = options.tokenizer;
    this.contextTokens = contextTokens;
    this.#runner = runner;
    this.#batcher = batcher;
    this.#clock = options.clock ?? systemClock;
    this.#chooser = chooserFor(model.config.vocabularySize);
  }

  /**
   * Compiles a model for generation. Keeps no reference to `model`.
   *
   * @throws AppError `tokenizer_mismatch` | `invalid_argument` | `engine_failure` | `out_of_memory`
   */
  static async load(engine: Engine, model: Model, options: LoadOptions): Promise<LoadedModel> {
    const { tokenizer, name = 'model', weights } = options;
    const wanted = options.contextTokens ?? defaultContextTokens;
    if (!Number.isInteger(wanted) || wanted < 2)
      throw new AppError('invalid_argument', `contextTokens: must be a whole number of at least 2, got ${wanted}.`, {
        details: { field: 'contextTokens' },
      });
    if (tokenizer.vocabularySize > model.config.vocabularySize)
      throw new AppError(
        'tokenizer_mismatch',
        `model "${name}": the tokenizer has ids up to ${tokenizer.vocabularySize - 1}, the embedding has ${model.config.vocabularySize} rows. Use the tokenizer that the model was trained with.`,
      );
    const promptRows = promptIds(model.config).length;
    const contextTokens = Math.min(wanted, textPositions(model.config));
    // Weights of our own may take more bytes to run faster; shared ones stay as they are.
    const runner = await ModelRunner.create(engine, model, {
      name: `${name} step`,
      contextTokens: contextTokens + promptRows,
      compute: options.compute ?? 'auto',
      ...(options.cache === undefined ? {} : { cache: options.cache }),
      ...(options.meter === undefined ? {} : { meter: options.meter }),
      ...(weights === undefined ? {} : { weights }),
    });
    try {
      return new LoadedModel(
        model,
        options,
        contextTokens,
        runner,
        new Batcher(runner, batcherOptions(engine, runner.blockBytes, options, contextTokens + promptRows)),
      );
    } catch (thrown) {
      await runner.dispose();
      throw thrown;
    }
  }

  /**
   * Continues a prompt. The request is checked and takes its place at the call; any number of calls run side by side.
   *
   * The events are one for each token, then `finished`; those of several continuations come as they are made. Aborting the signal (a
   * deadline is `AbortSignal.timeout`) ends with reason `cancelled`; leaving the loop does so unheard. Either frees the slot at once.
   * A reader that lets events wait makes its generation pause.
   *
   * @param draft - proposes tokens that this model checks several at a time; smaller than this one, with its tokenizer. The distribution of the
   * answer stays this model's, whatever the draft; one that fails is left out.
   * @throws AppError at the call: `invalid_argument` | `tokenizer_mismatch` | `context_too_long` | `insufficient_memory` | `overloaded` | `unavailable`; while
   * iterating: `overloaded` (waited too long) | `unavailable` (unloaded) | `bad_weights` | `out_of_memory` | `engine_failure`
   */
  generate(request: GenerationRequest, signal?: AbortSignal, draft?: LoadedModel): AsyncIterableIterator<GenerationEvent> {
    if (draft !== undefined) this.#checkDraft(draft);
    const checked = checkRequest(request, this.config, this.tokenizer, this.contextTokens);
    const { n, bestOf, logprobs } = checked;
    // The best are found by their log probabilities.
    const needed = bestOf > n ? { ...checked, logprobs: logprobs ?? 0 } : checked;
    const start = (index: number): AsyncIterableIterator<GenerationEvent> =>
      this.#submit(
        new Generation(needed, this.tokenizer, this.#clock, {
          index,
          chooser: this.#chooser,
          ...(draft === undefined ? {} : { drafter: draft }),
        }),
        signal,
      );
    return bestOf === 1 ? start(0) : continuations({ n, bestOf, showsLogprobs: logprobs !== undefined }, start);
  }

  /**
   * Tokens that this model takes to come next, for one that checks them.
   *
   * @returns fewer than `count` where its context ends; none where that is full
   * @throws AppError as `generate` while iterating
   */
  propose(tokens: readonly number[], count: number, sampler: Sampler, signal: AbortSignal): Promise<readonly Proposal[]> {
    const fitting = Math.min(count, this.contextTokens - tokens.length);
    if (fitting < 1) return Promise.resolve([]);
    return proposeTokens((sequence) => this.#submit(sequence, signal), { tokens, count: fitting, sampler, chooser: this.#chooser });
  }

  #submit<Event>(sequence: Sequence<Event>, signal: AbortSignal | undefined): AsyncIterableIterator<Event> {
    const ids = promptIds(this.config);
    return this.#batcher.submit(ids.length === 0 ? sequence : new BehindPrompt(sequence, ids), signal);
  }

  memory(): LoadedModelMemory {
    return { weightBytes: this.#runner.weightBytes, cacheBytes: this.#runner.cacheBytes, ...this.#batcher.gauges };
  }

  /** Ends what is under way with `unavailable` and frees everything. Safe to call twice. */
  unload(): Promise<void> {
    this.#unloaded ??= this.#close();
    return this.#unloaded;
  }

  /** Smaller, and not only faster: whoever waits for a draft has a place here, and in a ring of drafts everybody would wait for ever. */
  #checkDraft(draft: LoadedModel): void {
    const [own, other] = [this.tokenizer, draft.tokenizer];
    if (own.hash !== other.hash || this.config.vocabularySize !== draft.config.vocabularySize)
      throw new AppError(
        'tokenizer_mismatch',
        `draftModel: "${draft.name}" has another tokenizer or vocabulary (${draft.config.vocabularySize}) than "${this.name}" (${this.config.vocabularySize}). Draft with a model that was made from this one.`,
        { details: { field: 'draftModel' } },
      );
    const [size, draftSize] = [this.#runner.weightBytes, draft.#runner.weightBytes];
    if (draftSize >= size)
      throw new AppError(
        'invalid_argument',
        `draftModel: "${draft.name}" has ${draftSize} bytes of weights, "${this.name}" has ${size}. Draft with a smaller model.`,
        { details: { field: 'draftModel' } },
      );
  }

  async #close(): Promise<void> {
    await this.#batcher.close(new AppError('unavailable', `model "${this.name}": is being unloaded. Load it again.`));
    await this.#runner.dispose();
  }
}

function batcherOptions(engine: Engine, blockBytes: number, options: LoadOptions, contextTokens: number): BatcherOptions {
  const {
    slots = defaults.slots,
    prefillTokens = defaults.prefillTokens,
    cacheBytes,
    maxWaiting,
    queueTimeoutMs,
    keepCacheMs,
    name,
    clock,
  } = options;
  // What whole contexts need is there to be used; less makes requests wait.
  const blocks = Math.min(slots * blocksOf(contextTokens), Math.floor((cacheBytes ?? Number.POSITIVE_INFINITY) / blockBytes));
  if (cacheBytes !== undefined && cacheBytes < blockBytes)
    throw new AppError(
      'insufficient_memory',
      `cacheBytes: ${cacheBytes} hold not even ${blockTokens} tokens. Allow ${blockBytes} at least.`,
    );
  return {
    slots,
    prefillTokens,
    blocks,
    turns: deviceTurns(engine),
    ...(maxWaiting === undefined ? {} : { maxWaiting }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    ...(keepCacheMs === undefined ? {} : { keepCacheMs }),
    ...(name === undefined ? {} : { name }),
    ...(clock === undefined ? {} : { clock }),
  };
}

// Using the models of the hub: generating, scoring, classifying, embedding, filling in masks, tokenizing.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { ContinuationScorer, type ScoreRequest, type ScoreResult } from '#evaluate';
import {
  type Classifications,
  type ClassifierInput,
  type ComputeMode,
  type Embedding,
  type EmbedOptions,
  type FilledMasks,
  type FillMaskOptions,
  type GenerationEvent,
  type GenerationRequest,
  LoadedEncoder,
  LoadedModel,
  requireTask,
  type TaskCall,
} from '#serve';
import { weightBytes } from './memory-plan.ts';
import { describeModel, type ModelDescription } from './model-description.ts';
import type { ModelHub, ModelLease, ModelResource } from './model-hub.ts';

export type { FinishReason, GenerationEvent, GenerationRequest, LikelyToken, TokenLogprobs, Usage } from '#serve';

/** What the edge needs of models that answer at once. Every method refuses a model of another task with `wrong_task`. */
export interface InferenceBackend {
  /** One event a token, then `finished`; leaving the loop frees the model's slot. @throws AppError as `LoadedModel.generate` */
  generate(model: string, request: GenerationRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
  /** @throws AppError as `ContinuationScorer.score` */
  score(model: string, requests: readonly ScoreRequest[], context: OperationContext): Promise<readonly ScoreResult[]>;
  /** @throws AppError as `LoadedEncoder.classify` */
  classify(model: string, inputs: readonly ClassifierInput[], context: OperationContext): Promise<Classifications>;
  /** @throws AppError as `LoadedEncoder.embed` */
  embed(model: string, texts: readonly string[], options: EmbedOptions, context: OperationContext): Promise<readonly Embedding[]>;
  /** @throws AppError as `LoadedEncoder.fillMask` */
  fillMask(model: string, texts: readonly string[], options: FillMaskOptions, context: OperationContext): Promise<readonly FilledMasks[]>;
  tokenize(model: string, text: string): Promise<Int32Array>;
  detokenize(model: string, ids: ArrayLike<number>): Promise<string>;
  /** @throws AppError `bad_name` | `model_not_found` | `bad_artefact` */
  describe(model: string): Promise<ModelDescription>;
}

export interface HubInferenceOptions {
  /** Memory for keys and values of each model. @default as `LoadedModel` */
  readonly cacheBytes?: number;
  /** In which numbers generating models multiply. @default as `LoadedModel` */
  readonly compute?: ComputeMode;
}

/** Loads what is asked for and keeps programs with the model until it is unloaded. */
export class HubInference implements InferenceBackend {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #options: HubInferenceOptions;

  constructor(hub: ModelHub, engine: Engine, options: HubInferenceOptions = {}) {
    this.#hub = hub;
    this.#engine = engine;
    this.#options = options;
  }

  async *generate(model: string, request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    const lease = await this.#hub.acquire(model);
    try {
      requireTask(lease.reference, lease.model.config, 'generate');
      const generator = await this.#generator(lease);
      yield* generator.generate(request, signal);
    } finally {
      lease.release();
    }
  }

  score(model: string, requests: readonly ScoreRequest[], context: OperationContext): Promise<readonly ScoreResult[]> {
    return this.#hub.using(model, async (lease) => {
      requireTask(lease.reference, lease.model.config, 'score');
      return (await this.#scorer(lease)).score(requests, context);
    });
  }

  classify(model: string, inputs: readonly ClassifierInput[], context: OperationContext): Promise<Classifications> {
    return this.#encoding(model, 'classify', (encoder) => encoder.classify(inputs, context));
  }

  embed(model: string, texts: readonly string[], options: EmbedOptions, context: OperationContext): Promise<readonly Embedding[]> {
    return this.#encoding(model, 'embed', (encoder) => encoder.embed(texts, options, context));
  }

  fillMask(model: string, texts: readonly string[], options: FillMaskOptions, context: OperationContext): Promise<readonly FilledMasks[]> {
    return this.#encoding(model, 'fillMask', (encoder) => encoder.fillMask(texts, options, context));
  }

  tokenize(model: string, text: string): Promise<Int32Array> {
    return this.#hub.using(model, async ({ tokenizer }) => tokenizer.encode(text, { addSpecialTokens: true }));
  }

  detokenize(model: string, ids: ArrayLike<number>): Promise<string> {
    return this.#hub.using(model, async ({ tokenizer, model: { config } }) => {
      const unknown = Array.from(ids).find((id) => id >= config.vocabularySize);
      if (unknown !== undefined)
        throw new AppError('invalid_argument', `ids: ${unknown} is not one of the ${config.vocabularySize} tokens of "${model}".`, {
          details: { field: 'ids' },
        });
      return tokenizer.decode(ids, { skipSpecialTokens: false });
    });
  }

  describe(model: string): Promise<ModelDescription> {
    return this.#hub.using(model, async ({ reference, model: { config }, tokenizer }) => describeModel(reference, config, tokenizer));
  }

  #generator(lease: ModelLease): Promise<LoadedModel> {
    const make = async (): Promise<ModelResource<LoadedModel>> => {
      const { model, tokenizer, reference } = lease;
      const value = await LoadedModel.load(this.#engine, model, { tokenizer, name: reference, ...this.#options });
      return {
        value,
        get residentBytes() {
          const { weightBytes, cacheBytes } = value.memory();
          return weightBytes + cacheBytes;
        },
        release: () => value.unload(),
      };
    };
    return lease.resource('generator', make, weightBytes(lease.model));
  }

  #encoding<Result>(model: string, call: TaskCall, work: (encoder: LoadedEncoder) => Promise<Result>): Promise<Result> {
    return this.#hub.using(model, async (lease) => {
      // Before the weights are on the device.
      requireTask(lease.reference, lease.model.config, call);
      return work(await this.#encoder(lease));
    });
  }

  #encoder(lease: ModelLease): Promise<LoadedEncoder> {
    return lease.resource('encoder', async () => {
      const value = await LoadedEncoder.load(this.#engine, lease.model, { tokenizer: lease.tokenizer, name: lease.reference });
      return { value, residentBytes: value.weightBytes, release: () => value.unload() };
    });
  }

  #scorer(lease: ModelLease): Promise<ContinuationScorer> {
    return lease.resource('scorer', async () => {
      const value = await ContinuationScorer.create(lease.model, lease.tokenizer, this.#engine, await lease.weights());
      return { value, residentBytes: 0, release: () => value.release() };
    });
  }
}

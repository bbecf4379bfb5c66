// Using the models of the hub: generating, scoring, classifying, embedding, filling in masks, tokenizing.
import { AppError, type OperationContext } from '#base';
import { type AnswerForm, type TeacherAnswers, TeacherProgram } from '#distill';
import type { Engine } from '#engine';
import { ContinuationScorer, type ScoreRequest, type ScoreResult } from '#evaluate';
import { isEncoderDecoder } from '#models';
import {
  type Classifications,
  type ClassifierInput,
  type Embedding,
  type EmbedOptions,
  type FilledMasks,
  type FillMaskOptions,
  type GenerationEvent,
  type GenerationRequest,
  LoadedEncoder,
  LoadedModel,
  type LoadedModelMemory,
  LoadedSequences,
  type LoadOptions,
  requireTask,
  type TargetDefaults,
  type TaskCall,
} from '#serve';
import type { GenerationDefaults } from '#store';
import type { Tokenizer } from '#text';
import type { TrainingBatch } from '#train';
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
  /** @throws AppError `tokenizer_mismatch`, and as `TeacherProgram.answers` */
  distributions(model: string, question: TeacherQuestion, context: OperationContext): Promise<TeacherAnswers>;
  /** @param addSpecialTokens - put in what the tokenizer puts around a prompt */
  tokenize(model: string, text: string, addSpecialTokens: boolean): Promise<Int32Array>;
  detokenize(model: string, ids: ArrayLike<number>): Promise<string>;
  /** @throws AppError `bad_name` | `model_not_found` | `bad_artefact` */
  describe(model: string): Promise<ModelDescription>;
  /** Lives as long as its user wants, whatever becomes of the model. @throws as `describe` */
  tokenizer(model: string): Promise<Tokenizer>;
}

/** What a student that trains elsewhere asks of its teacher. */
export interface TeacherQuestion {
  /** As the model's task has it, labels left out where they are only looked up. */
  readonly batch: TrainingBatch;
  readonly form: AnswerForm;
  readonly temperature: number;
  /** Of the tokenizer that made the tokens. */
  readonly tokenizerHash: string;
}

/** How each model is loaded for generation; the defaults are those of `LoadedModel`. */
export type HubInferenceOptions = Pick<
  LoadOptions,
  | 'slots'
  | 'contextTokens'
  | 'prefillTokens'
  | 'cacheBytes'
  | 'maxWaiting'
  | 'queueTimeoutMs'
  | 'keepCacheMs'
  | 'meter'
  | 'compute'
  | 'cache'
>;

/** What a model that is loaded for generation does now. */
export interface ServedModel {
  /** `name@version` */
  readonly reference: string;
  readonly memory: LoadedModelMemory;
}

/** Loads what is asked for and keeps programs with the model until it is unloaded. */
export class HubInference implements InferenceBackend {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #options: HubInferenceOptions;
  readonly #generators = new Set<LoadedModel>();

  constructor(hub: ModelHub, engine: Engine, options: HubInferenceOptions = {}) {
    this.#hub = hub;
    this.#engine = engine;
    this.#options = options;
  }

  /** Models that are loaded for generation. */
  get served(): readonly ServedModel[] {
    return [...this.#generators].map((generator) => ({ reference: generator.name, memory: generator.memory() }));
  }

  async *generate(model: string, request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    const { draftModel } = request;
    const leases: ModelLease[] = [];
    const taken = async (name: string): Promise<ModelLease> => {
      const lease = await this.#hub.acquire(name);
      leases.push(lease);
      requireTask(lease.reference, lease.model.config, 'generate');
      return lease;
    };
    const language = async (name: string): Promise<LoadedModel> => {
      const lease = await taken(name);
      return this.#language(lease, request);
    };
    try {
      const lease = await taken(model);
      if (isEncoderDecoder(lease.model.config)) {
        yield* (await this.#sequences(lease)).generate(request, signal);
        return;
      }
      const generator = await this.#language(lease, request);
      const draft = draftModel === undefined ? undefined : await language(draftModel);
      yield* generator.generate(request, signal, draft);
    } finally {
      for (const lease of leases) lease.release();
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

  distributions(model: string, question: TeacherQuestion, { signal }: OperationContext): Promise<TeacherAnswers> {
    const { batch, form, temperature, tokenizerHash } = question;
    return this.#hub.using(model, async (lease) => {
      if (lease.tokenizer.hash !== tokenizerHash)
        throw new AppError(
          'tokenizer_mismatch',
          `"${lease.reference}" has another tokenizer than the one that made the tokens. Ask a model with the student's tokenizer.`,
          { details: { field: 'tokenizerHash' } },
        );
      return (await this.#teacher(lease)).answers(batch, form, temperature, signal);
    });
  }

  tokenize(model: string, text: string, addSpecialTokens: boolean): Promise<Int32Array> {
    return this.#hub.using(model, async ({ tokenizer }) => tokenizer.encode(text, { addSpecialTokens }));
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

  tokenizer(model: string): Promise<Tokenizer> {
    return this.#hub.using(model, async ({ tokenizer }) => tokenizer);
  }

  #sequences(lease: ModelLease): Promise<LoadedSequences> {
    const make = async (): Promise<ModelResource<LoadedSequences>> => {
      const { model, tokenizer, sourceTokenizer, reference: name, artefact } = lease;
      const defaults = targetDefaults(artefact.generation);
      const value = await LoadedSequences.load(this.#engine, model, { tokenizer, sourceTokenizer, name, defaults });
      return { value, residentBytes: value.weightBytes, release: () => value.unload() };
    };
    return lease.resource('sequences', make, weightBytes(lease.model));
  }

  #language(lease: ModelLease, { numBeams = 1 }: GenerationRequest): Promise<LoadedModel> {
    if (numBeams !== 1)
      throw new AppError('unsupported', `numBeams: beam search is for encoder-decoders, and "${lease.reference}" is none. Leave it out.`, {
        details: { field: 'numBeams' },
      });
    return this.#generator(lease);
  }

  #generator(lease: ModelLease): Promise<LoadedModel> {
    const make = async (): Promise<ModelResource<LoadedModel>> => {
      const { model, tokenizer, reference } = lease;
      const value = await LoadedModel.load(this.#engine, model, { tokenizer, name: reference, ...this.#options });
      this.#generators.add(value);
      return {
        value,
        get residentBytes() {
          const { weightBytes, cacheBytes } = value.memory();
          return weightBytes + cacheBytes;
        },
        release: async () => {
          this.#generators.delete(value);
          await value.unload();
        },
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
    const make = async (): Promise<ModelResource<LoadedEncoder>> => {
      const { model, tokenizer, reference: name } = lease;
      const { meter } = this.#options;
      const value = await LoadedEncoder.load(this.#engine, model, { tokenizer, name, ...(meter === undefined ? {} : { meter }) });
      return { value, residentBytes: value.weightBytes, release: () => value.unload() };
    };
    return lease.resource('encoder', make, weightBytes(lease.model));
  }

  #teacher(lease: ModelLease): Promise<TeacherProgram> {
    return lease.resource('teacher', async () => {
      const value = new TeacherProgram(this.#engine, lease.model, await lease.weights());
      return { value, residentBytes: 0, release: () => value.release() };
    });
  }

  #scorer(lease: ModelLease): Promise<ContinuationScorer> {
    return lease.resource('scorer', async () => {
      const value = await ContinuationScorer.create(lease.model, lease.tokenizer, this.#engine, await lease.weights());
      return { value, residentBytes: 0, release: () => value.release() };
    });
  }
}

/** What a checkpoint says of its targets; how many beams there are is the caller's choice. */
function targetDefaults({ startToken, firstToken, lastToken, earlyStopping, noRepeatNgram }: GenerationDefaults): TargetDefaults {
  return {
    ...(startToken === undefined ? {} : { startToken }),
    ...(firstToken === undefined ? {} : { firstToken }),
    ...(lastToken === undefined ? {} : { lastToken }),
    ...(earlyStopping === undefined ? {} : { earlyStopping }),
    ...(noRepeatNgram === undefined ? {} : { noRepeatNgram }),
  };
}

// Traces and metrics of models at work: a span a request, in it the time in the queue, of the prompt and of the answer.
import {
  AppError,
  attributes,
  type Clock,
  LabelSet,
  type Labels,
  metrics,
  type OperationContext,
  provider,
  type Span,
  spanNames,
  systemClock,
  type Telemetry,
} from '#base';
import type { TeacherAnswers } from '#distill';
import type { ScoreRequest, ScoreResult } from '#evaluate';
import type {
  Classifications,
  ClassifierInput,
  Embedding,
  EmbedOptions,
  FilledMasks,
  FillMaskOptions,
  GenerationEvent,
  GenerationRequest,
} from '#serve';
import type { Tokenizer } from '#text';
import type { InferenceBackend, TeacherQuestion } from './inference.ts';
import type { ModelDescription } from './model-description.ts';

/** As the conventions name them, and ours where they have no name. */
type Operation = 'text_completion' | 'embeddings' | 'score' | 'classify' | 'fill_mask' | 'distributions';

/** Models with a label of their own; each is a set of time series for as long as the process lives. */
const largestModelLabels = 64;

type Record = (value: number, labels: Labels) => void;

/** Does as `inner` does, and measures it. */
export class ObservedInference implements InferenceBackend {
  readonly #inner: InferenceBackend;
  readonly #telemetry: Telemetry;
  readonly #clock: Clock;
  readonly #models = new LabelSet(largestModelLabels);
  readonly #requestDuration: Record;
  readonly #firstToken: Record;
  readonly #tokenTime: Record;
  readonly #queueTime: Record;
  readonly #tokens: Record;
  readonly #cachedTokens: Record;

  constructor(inner: InferenceBackend, telemetry: Telemetry, clock: Clock = systemClock) {
    const { meter } = telemetry;
    this.#inner = inner;
    this.#telemetry = telemetry;
    this.#clock = clock;
    this.#requestDuration = meter.histogram(metrics.requestDuration);
    this.#firstToken = meter.histogram(metrics.firstToken);
    this.#tokenTime = meter.histogram(metrics.tokenTime);
    this.#queueTime = meter.histogram(metrics.queueTime);
    this.#tokens = meter.counter(metrics.tokens);
    this.#cachedTokens = meter.counter(metrics.cachedTokens);
  }

  async *generate(model: string, request: GenerationRequest, signal: AbortSignal): AsyncGenerator<GenerationEvent> {
    const { tracer } = this.#telemetry;
    const running = this.#begin('text_completion', model, {
      [attributes.maxTokens]: request.maxNewTokens,
      [attributes.temperature]: request.sampling?.temperature,
    });
    const finished: Finished[] = [];
    let failure: unknown = left;
    try {
      const events = tracer.within(running.span, () => this.#inner.generate(model, request, signal)[Symbol.asyncIterator]());
      try {
        for (;;) {
          const next = await tracer.within(running.span, () => events.next());
          if (next.done === true) break;
          if (next.value.kind === 'finished') {
            finished.push(next.value);
            running.firstEndMs ??= this.#clock.nowMs();
          }
          yield next.value;
        }
      } finally {
        await events.return?.();
      }
      failure = finished.some(({ reason }) => reason === 'cancelled') ? left : undefined;
    } catch (thrown) {
      failure = thrown;
      throw thrown;
    } finally {
      this.#generated(running, finished);
      // Who leaves after the last event has missed nothing.
      this.#end(
        running,
        failure === left && finished.length > 0 && finished.every(({ reason }) => reason !== 'cancelled') ? undefined : failure,
      );
    }
  }

  score(model: string, requests: readonly ScoreRequest[], context: OperationContext): Promise<readonly ScoreResult[]> {
    return this.#whole('score', model, () => this.#inner.score(model, requests, context), tokensOf);
  }

  classify(model: string, inputs: readonly ClassifierInput[], context: OperationContext): Promise<Classifications> {
    return this.#whole('classify', model, () => this.#inner.classify(model, inputs, context));
  }

  embed(model: string, texts: readonly string[], options: EmbedOptions, context: OperationContext): Promise<readonly Embedding[]> {
    return this.#whole('embeddings', model, () => this.#inner.embed(model, texts, options, context), tokensOf);
  }

  fillMask(model: string, texts: readonly string[], options: FillMaskOptions, context: OperationContext): Promise<readonly FilledMasks[]> {
    return this.#whole('fill_mask', model, () => this.#inner.fillMask(model, texts, options, context));
  }

  distributions(model: string, question: TeacherQuestion, context: OperationContext): Promise<TeacherAnswers> {
    return this.#whole('distributions', model, () => this.#inner.distributions(model, question, context));
  }

  tokenize(model: string, text: string, addSpecialTokens: boolean): Promise<Int32Array> {
    return this.#inner.tokenize(model, text, addSpecialTokens);
  }

  detokenize(model: string, ids: ArrayLike<number>): Promise<string> {
    return this.#inner.detokenize(model, ids);
  }

  describe(model: string): Promise<ModelDescription> {
    return this.#inner.describe(model);
  }

  tokenizer(model: string): Promise<Tokenizer> {
    return this.#inner.tokenizer(model);
  }

  async #whole<Result>(
    operation: Operation,
    model: string,
    work: () => Promise<Result>,
    countTokens?: (result: Result) => number,
  ): Promise<Result> {
    const running = this.#begin(operation, model, {});
    try {
      const result = await this.#telemetry.tracer.within(running.span, work);
      const inputTokens = countTokens?.(result);
      if (inputTokens !== undefined) {
        running.span.set({ [attributes.inputTokens]: inputTokens });
        this.#tokens(inputTokens, { ...this.#labels(running, true), [attributes.tokenType]: 'input' });
      }
      this.#end(running, undefined);
      return result;
    } catch (thrown) {
      this.#end(running, thrown);
      throw thrown;
    }
  }

  #begin(operation: Operation, model: string, more: Readonly<globalThis.Record<string, number | undefined>>): Running {
    const span = this.#telemetry.tracer.start(`${operation} ${model}`, {
      attributes: { [attributes.operation]: operation, [attributes.provider]: provider, [attributes.requestModel]: model, ...more },
    });
    return { operation, model: model.replace(/@\d+$/, ''), span, startMs: this.#clock.nowMs(), started: this.#clock.monotonicMs() };
  }

  #generated(running: Running, finished: readonly Finished[]): void {
    const [first] = finished;
    if (first === undefined) return;
    const labels = this.#labels(running, true);
    const { promptTokens, cachedPromptTokens, queueMs, firstTokenMs, totalMs } = first.usage;
    const outputTokens = finished.reduce((sum, { usage }) => sum + usage.generatedTokens, 0);
    running.span.set({
      [attributes.inputTokens]: promptTokens,
      [attributes.outputTokens]: outputTokens,
      [attributes.cachedTokens]: cachedPromptTokens,
      [attributes.finishReasons]: finished.map(({ reason }) => reason),
    });
    this.#tokens(promptTokens, { ...labels, [attributes.tokenType]: 'input' });
    this.#tokens(outputTokens, { ...labels, [attributes.tokenType]: 'output' });
    this.#cachedTokens(cachedPromptTokens, labels);
    // The times of `usage` begin when the model is loaded.
    const startMs = Math.max(running.startMs, (running.firstEndMs ?? this.#clock.nowMs()) - totalMs);
    const phase = (name: string, fromMs: number, toMs: number): void =>
      this.#telemetry.tracer.start(name, { parent: running.span, startMs: startMs + fromMs }).end(undefined, startMs + toMs);
    phase(spanNames.queue, 0, queueMs ?? totalMs);
    if (queueMs === undefined) return;
    this.#queueTime(queueMs / 1000, labels);
    phase(spanNames.prefill, queueMs, firstTokenMs ?? totalMs);
    if (firstTokenMs === undefined) return;
    this.#firstToken(firstTokenMs / 1000, labels);
    phase(spanNames.decode, firstTokenMs, totalMs);
    for (const { usage } of finished)
      if (usage.firstTokenMs !== undefined && usage.generatedTokens > 1)
        this.#tokenTime((usage.totalMs - usage.firstTokenMs) / (usage.generatedTokens - 1) / 1000, labels);
  }

  #end(running: Running, thrown: unknown): void {
    const failure = thrown === undefined ? undefined : failureOf(thrown);
    // A name that a caller made up must not become a time series.
    const labels = this.#labels(running, failure === undefined);
    const seconds = (this.#clock.monotonicMs() - running.started) / 1000;
    this.#requestDuration(seconds, failure === undefined ? labels : { ...labels, [attributes.errorType]: failure.type });
    running.span.end(failure);
  }

  #labels({ operation, model }: Running, exists: boolean): Labels {
    return {
      [attributes.operation]: operation,
      [attributes.provider]: provider,
      [attributes.requestModel]: exists ? this.#models.admit(model) : this.#models.of(model),
    };
  }
}

interface Running {
  readonly operation: Operation;
  /** Without its version. */
  readonly model: string;
  readonly span: Span;
  readonly startMs: number;
  readonly started: number;
  /** Since the epoch. */
  firstEndMs?: number;
}

type Finished = Extract<GenerationEvent, { kind: 'finished' }>;

/** Stands for a caller who left the loop. */
const left = new AppError('cancelled', 'the caller left.');

function failureOf(thrown: unknown): { readonly type: string; readonly message: string } {
  const { code, message } = AppError.from(thrown);
  return { type: code, message };
}

function tokensOf(results: readonly { readonly tokens: number }[]): number {
  return results.reduce((sum, { tokens }) => sum + tokens, 0);
}

// The evaluation of one model: quality on a text, distance to its teacher, sizes and latency.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { type Model, parameterCounts, textPositions } from '#models';
import { strideWindows, type TokenCorpus } from '#text';
import { type LatencyOptions, measureLatency } from './latency.ts';
import { measureQuality } from './quality.ts';
import type { EvaluationResult } from './result.ts';

export interface EvaluationRequest {
  readonly corpus: TokenCorpus;
  /** Compared on the same tokens; its vocabulary must be the student's. */
  readonly teacher?: Model;
  /** T; 256 or the model's positions, whichever is smaller, when absent. */
  readonly window?: number;
  /** The window when absent: windows that do not overlap. */
  readonly stride?: number;
  /** B, windows in one run; about 2,048 tokens when absent. */
  readonly batch?: number;
  /** Seen before the first token; the model's begin token, else its end token, when absent. */
  readonly firstToken?: number;
  /** Measure prefill and decoding too; false when absent. */
  readonly latency?: boolean | LatencyOptions;
}

/** Tokens of a window, and of all windows that run together, where nothing else is said. */
export const [defaultWindow, tokensPerRun] = [256, 2048];

/**
 * Evaluates a model on a corpus.
 *
 * Bits per byte counts every scored token against the bytes of the text and so compares models across tokenizers;
 * token perplexity holds only for this tokenizer and this protocol, which the result names.
 *
 * @throws AppError `invalid_argument` | `empty_data` | `context_too_long` | `tokenizer_mismatch` | `bad_weights` | `cancelled`
 */
export async function evaluateModel(
  model: Model,
  request: EvaluationRequest,
  engine: Engine,
  context: OperationContext,
): Promise<EvaluationResult> {
  const { corpus, teacher } = request;
  const { config } = model;
  checkTokens(corpus, config.vocabularySize);
  const positions = Math.min(textPositions(config), textPositions(teacher?.config ?? config));
  const window = request.window ?? Math.min(defaultWindow, positions);
  if (window > positions)
    throw new AppError(
      'context_too_long',
      `evaluation: window ${window} is more than the ${positions} positions of the model. Choose a smaller one.`,
    );
  const windows = strideWindows(
    corpus,
    { window, stride: request.stride ?? window },
    request.firstToken ?? config.beginToken ?? config.endTokens[0],
  );
  const batch = request.batch ?? Math.max(1, Math.min(windows.windows, Math.floor(tokensPerRun / window)));
  if (!(Number.isInteger(batch) && batch > 0))
    throw new AppError('invalid_argument', `evaluation: batch ${batch} must be a whole number above 0.`);

  const quality = await measureQuality(
    model,
    { windows, textBytes: corpus.bytes, batch, ...(teacher === undefined ? {} : { teacher }) },
    engine,
    context,
  );
  const latencyOptions = request.latency === true ? {} : request.latency;
  const latency = latencyOptions ? await measureLatency(model, engine, context, latencyOptions) : [];
  const counts = parameterCounts(model);
  return {
    ...quality.student,
    protocol: windows.description,
    window,
    stride: windows.stride,
    scoredTokens: windows.scoredTokens,
    textBytes: corpus.bytes,
    dataFingerprint: corpus.fingerprint,
    ...(quality.teacher === undefined ? {} : { teacher: quality.teacher }),
    logicalParameters: counts.logical,
    storedParameters: counts.stored,
    storedBytes: counts.storedBytes,
    residentBytes: quality.residentBytes,
    latency,
    engine: `${engine.name} on ${engine.device}`,
  };
}

/** A corpus made with another tokenizer shows by ids that the model does not have. */
function checkTokens(corpus: TokenCorpus, vocabularySize: number): void {
  const largest = corpus.tokens.reduce((max, id) => Math.max(max, id), 0);
  if (largest < vocabularySize) return;
  throw new AppError(
    'tokenizer_mismatch',
    `evaluation: the text holds token ${largest}, the model has ${vocabularySize} tokens. Use the tokenizer that the model was trained with.`,
  );
}

// From a request as it comes to one with everything decided and checked.
import { AppError, at } from '#base';
import type { ModelConfig } from '#models';
import type { Tokenizer } from '#text';
import type { GenerationRequest } from './request.ts';
import { checkSampling, invalidField, type SamplingOptions } from './sampling-options.ts';

const defaults = { maxNewTokens: 128, draftTokens: 4 };
const most = { continuations: 128, logprobs: 20, draftTokens: 32 };

/** A request with everything decided and checked. */
export interface CheckedRequest {
  readonly prompt: Int32Array;
  readonly maxNewTokens: number;
  readonly minNewTokens: number;
  readonly sampling: Required<SamplingOptions>;
  readonly stop: readonly string[];
  /** Those of the model, unless they are ignored, and those of the request. */
  readonly endTokens: ReadonlySet<number>;
  readonly n: number;
  readonly bestOf: number;
  /** Number of likeliest tokens to name; absent: no log probabilities. */
  readonly logprobs?: number;
  readonly promptLogprobs?: number;
  /** Smaller numbers are served first. */
  readonly priority: number;
  readonly queueTimeoutMs?: number;
  readonly draftTokens: number;
}

/**
 * Tokenizes and checks a request.
 *
 * An empty prompt becomes the begin token, or the end token where there is none.
 *
 * @param contextTokens - positions that prompt and answer share
 * @throws AppError `invalid_argument` naming the field | `context_too_long`
 */
export function checkRequest(request: GenerationRequest, config: ModelConfig, tokenizer: Tokenizer, contextTokens: number): CheckedRequest {
  const { stop = [], stopTokenIds = [], ignoreEnd = false } = request;
  const counts = checkCounts(request);
  const sampling = checkSampling(request.sampling ?? {});
  checkTokens('logitBias', [...sampling.logitBias.keys()], config);
  checkTokens('stopTokenIds', stopTokenIds, config);
  if (stop.includes(''))
    throw new AppError('invalid_argument', 'stop: an empty stop text matches everywhere. Remove it.', { details: { field: 'stop' } });
  const prompt = promptTokens(request.prompt, config, tokenizer);
  if (prompt.length >= contextTokens)
    throw new AppError(
      'context_too_long',
      `prompt: ${prompt.length} tokens leave no room for an answer in a context of ${contextTokens}. Shorten the prompt.`,
      { details: { promptTokens: prompt.length, contextTokens } },
    );
  return {
    ...counts,
    prompt,
    maxNewTokens: Math.min(counts.maxNewTokens, contextTokens - prompt.length),
    sampling,
    stop,
    endTokens: new Set([...(ignoreEnd ? [] : endTokensOf(config, tokenizer)), ...Array.from(stopTokenIds)]),
  };
}

type Counts = Omit<CheckedRequest, 'prompt' | 'sampling' | 'stop' | 'endTokens'>;

function checkCounts(request: GenerationRequest): Counts {
  const { maxNewTokens = defaults.maxNewTokens, minNewTokens = 0, n = 1, bestOf = n } = request;
  const { logprobs, promptLogprobs, priority = 0, queueTimeoutMs, draftTokens = defaults.draftTokens } = request;
  requireWhole('maxNewTokens', maxNewTokens, 1);
  requireWhole('minNewTokens', minNewTokens, 0, maxNewTokens);
  requireWhole('n', n, 1, most.continuations);
  requireWhole('bestOf', bestOf, n, most.continuations);
  if (logprobs !== undefined) requireWhole('logprobs', logprobs, 0, most.logprobs);
  if (promptLogprobs !== undefined) requireWhole('promptLogprobs', promptLogprobs, 0, most.logprobs);
  requireWhole('priority', priority, Number.MIN_SAFE_INTEGER);
  if (queueTimeoutMs !== undefined && !(queueTimeoutMs >= 0))
    throw invalidField('queueTimeoutMs', 'a number of at least 0', queueTimeoutMs);
  requireWhole('draftTokens', draftTokens, 1, most.draftTokens);
  return {
    maxNewTokens,
    minNewTokens,
    n,
    bestOf,
    ...(logprobs === undefined ? {} : { logprobs }),
    ...(promptLogprobs === undefined ? {} : { promptLogprobs }),
    priority,
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
    draftTokens,
  };
}

function requireWhole(field: string, value: number, least: number, largest = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= least && value <= largest) return;
  const range = largest < Number.MAX_SAFE_INTEGER ? ` in ${least}..${largest}` : least < 0 ? '' : ` of at least ${least}`;
  throw invalidField(field, `a whole number${range}`, value);
}

function endTokensOf(config: ModelConfig, tokenizer: Tokenizer): readonly number[] {
  return config.endTokens.length > 0 ? config.endTokens : tokenizer.endTokens;
}

function promptTokens(prompt: GenerationRequest['prompt'], config: ModelConfig, tokenizer: Tokenizer): Int32Array {
  const isText = typeof prompt === 'string';
  if (!isText) checkTokens('prompt', prompt, config);
  const tokens = isText ? tokenizer.encode(prompt, { addSpecialTokens: true }) : Int32Array.from(prompt);
  if (tokens.length > 0) return tokens;
  const first = config.beginToken ?? tokenizer.beginToken ?? endTokensOf(config, tokenizer)[0];
  if (first === undefined)
    throw new AppError('invalid_argument', 'prompt: is empty, and the model names no token to begin with. Give a prompt.', {
      details: { field: 'prompt' },
    });
  return Int32Array.of(first);
}

function checkTokens(field: string, ids: ArrayLike<number>, { vocabularySize }: ModelConfig): void {
  for (let index = 0; index < ids.length; index++) {
    const id = at(ids, index);
    if (!Number.isInteger(id) || id < 0 || id >= vocabularySize)
      throw new AppError('invalid_argument', `${field}: token ${id} at position ${index} is outside 0..${vocabularySize - 1}.`, {
        details: { field },
      });
  }
}

// What a caller asks for and what comes back.
import { AppError, at } from '#base';
import type { ModelConfig } from '#models';
import type { Tokenizer } from '#text';
import type { SampledToken, SamplingOptions } from './sampler.ts';

export interface GenerationRequest {
  /** Text, tokenized with what the tokenizer puts around a prompt; or ids, taken as they are. */
  readonly prompt: string | ArrayLike<number>;
  /** Cut to what the context still holds. @default 128 */
  readonly maxNewTokens?: number;
  /** @default greedy */
  readonly sampling?: SamplingOptions;
  /** Texts that end the generation; neither they nor what follows is sent. */
  readonly stop?: readonly string[];
  /** Go on past the model's end tokens. @default false */
  readonly ignoreEnd?: boolean;
}

/** `end` an end token, `stop` a stop text, `length` as many tokens as asked for or as the context holds, `cancelled` by its signal. */
export type FinishReason = 'end' | 'stop' | 'length' | 'cancelled';

export interface Usage {
  readonly promptTokens: number;
  /** All that were chosen, an end token included. */
  readonly generatedTokens: number;
  /** From the call to the first token; absent where there was none. */
  readonly firstTokenMs?: number;
  /** From the call to the end, waiting included. */
  readonly totalMs: number;
}

/** One event a token, and a last one. Texts joined are the whole text; text that was sent never changes. */
export type GenerationEvent =
  | {
      readonly kind: 'token';
      readonly token: SampledToken;
      /** What is final now; empty where a character or a possible stop text is not complete yet. */
      readonly text: string;
    }
  | {
      readonly kind: 'finished';
      /** What was held back until now. */
      readonly text: string;
      readonly reason: FinishReason;
      /** The stop text that was found. */
      readonly stop?: string;
      readonly usage: Usage;
    };

const defaultNewTokens = 128;

/** A request with everything decided and checked. */
export interface CheckedRequest {
  readonly prompt: Int32Array;
  readonly maxNewTokens: number;
  readonly sampling: SamplingOptions;
  readonly stop: readonly string[];
  readonly endTokens: ReadonlySet<number>;
}

/**
 * Tokenizes and checks a request.
 *
 * An empty prompt becomes the begin token, or the end token where there is none.
 *
 * @param contextTokens - positions that prompt and answer share
 * @throws AppError `invalid_argument` | `context_too_long`
 */
export function checkRequest(request: GenerationRequest, config: ModelConfig, tokenizer: Tokenizer, contextTokens: number): CheckedRequest {
  const { maxNewTokens = defaultNewTokens, sampling = {}, stop = [], ignoreEnd = false } = request;
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1)
    throw new AppError('invalid_argument', `maxNewTokens: must be a whole number of at least 1, got ${maxNewTokens}.`, {
      details: { field: 'maxNewTokens' },
    });
  const prompt = promptTokens(request.prompt, config, tokenizer);
  if (prompt.length >= contextTokens)
    throw new AppError(
      'context_too_long',
      `prompt: ${prompt.length} tokens leave no room for an answer in a context of ${contextTokens}. Shorten the prompt.`,
      { details: { promptTokens: prompt.length, contextTokens } },
    );
  return {
    prompt,
    maxNewTokens: Math.min(maxNewTokens, contextTokens - prompt.length),
    sampling,
    stop,
    endTokens: new Set(ignoreEnd ? [] : endTokensOf(config, tokenizer)),
  };
}

function endTokensOf(config: ModelConfig, tokenizer: Tokenizer): readonly number[] {
  return config.endTokens.length > 0 ? config.endTokens : tokenizer.endTokens;
}

function promptTokens(prompt: GenerationRequest['prompt'], config: ModelConfig, tokenizer: Tokenizer): Int32Array {
  const isText = typeof prompt === 'string';
  const tokens = isText ? tokenizer.encode(prompt, { addSpecialTokens: true }) : Int32Array.from(prompt);
  for (let index = 0; index < prompt.length && !isText; index++) {
    const id = at(prompt, index);
    if (!Number.isInteger(id) || id < 0 || id >= config.vocabularySize)
      throw new AppError('invalid_argument', `prompt: token ${id} at position ${index} is outside 0..${config.vocabularySize - 1}.`, {
        details: { field: 'prompt' },
      });
  }
  if (tokens.length > 0) return tokens;
  const first = config.beginToken ?? tokenizer.beginToken ?? endTokensOf(config, tokenizer)[0];
  if (first === undefined)
    throw new AppError('invalid_argument', 'prompt: is empty, and the model names no token to begin with. Give a prompt.', {
      details: { field: 'prompt' },
    });
  return Int32Array.of(first);
}

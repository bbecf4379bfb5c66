// What a caller asks for and what comes back.
import type { SamplingOptions } from './sampling-options.ts';

export interface GenerationRequest {
  /** Text, tokenized with what the tokenizer puts around a prompt; or ids, taken as they are. */
  readonly prompt: string | ArrayLike<number>;
  /** Cut to what the context still holds. @default 128 */
  readonly maxNewTokens?: number;
  /** The end token and the stop tokens cannot be drawn before so many tokens. @default 0 */
  readonly minNewTokens?: number;
  /** @default greedy */
  readonly sampling?: SamplingOptions;
  /** Texts that end the generation; neither they nor what follows is sent. */
  readonly stop?: readonly string[];
  /** Tokens that end the generation as the model's end token does, whatever `ignoreEnd` says. */
  readonly stopTokenIds?: ArrayLike<number>;
  /** Go on past the model's end tokens. @default false */
  readonly ignoreEnd?: boolean;
  /** Continuations to answer, 1 … 128; continuation i draws with the seed plus i. @default 1 */
  readonly n?: number;
  /**
   * Continuations to generate, n … 128. Where that is more than `n`, the `n` of the largest mean log probability are answered, once all are
   * complete. @default n
   */
  readonly bestOf?: number;
  /** Answer the log probability of every token, and of so many likeliest ones at its place, 0 … 20. @default none */
  readonly logprobs?: number;
  /** The same for the tokens of the prompt, in a `prompt` event. @default none */
  readonly promptLogprobs?: number;
  /** Smaller numbers are served first. @default 0 */
  readonly priority?: number;
  /** Refuse the request if it waited so long for a place. */
  readonly queueTimeoutMs?: number;
  /** Name of a smaller model with the same tokenizer that proposes tokens, which this one checks several at a time. */
  readonly draftModel?: string;
  /** Tokens that it proposes at a time, 1 … 32. @default 4 */
  readonly draftTokens?: number;
}

/**
 * `end` an end or stop token, `stop` a stop text, `length` as many tokens as asked for or as the context holds, `cancelled` by its signal.
 */
export type FinishReason = 'end' | 'stop' | 'length' | 'cancelled';

export interface Usage {
  readonly promptTokens: number;
  /** All that were chosen, an end token included. */
  readonly generatedTokens: number;
  /** From the call until its first tokens ran; absent where none did. Part of `firstTokenMs`. */
  readonly queueMs?: number;
  /** From the call to the first token; absent where there was none. */
  readonly firstTokenMs?: number;
  /** From the call to the end, waiting included. */
  readonly totalMs: number;
  /** Tokens of the prompt whose keys and values were there already. */
  readonly cachedPromptTokens: number;
  /** Tokens that a draft model proposed. */
  readonly draftedTokens: number;
  /** Proposed tokens that were taken. */
  readonly acceptedTokens: number;
}

/** A token and how likely the model itself takes it to be: before bias, penalties, temperature and filters. */
export interface LikelyToken {
  readonly id: number;
  /** Of the token by itself. */
  readonly text: string;
  /** ln p */
  readonly logProbability: number;
}

/** A token of the answer, or of the prompt, whose first token has no log probability. */
export interface TokenLogprobs extends Omit<LikelyToken, 'logProbability'> {
  readonly logProbability?: number;
  /** The likeliest tokens at its place, likeliest first. */
  readonly top: readonly LikelyToken[];
}

/**
 * Where asked for, an event with the prompt's log probabilities; then for each continuation one event a token, and a last one. The texts
 * of a continuation joined are its whole text; text that was sent never changes.
 */
export type GenerationEvent =
  | {
      readonly kind: 'prompt';
      readonly text: '';
      /** One for each token of the prompt. */
      readonly logprobs: readonly TokenLogprobs[];
    }
  | {
      readonly kind: 'token';
      /** Which of the continuations. */
      readonly index: number;
      readonly token: { readonly id: number };
      /** What is final now; empty where a character or a possible stop text is not complete yet. */
      readonly text: string;
      /** Where asked for. */
      readonly logprobs?: TokenLogprobs;
    }
  | {
      readonly kind: 'finished';
      readonly index: number;
      /** What was held back until now. */
      readonly text: string;
      readonly reason: FinishReason;
      /** The stop text that was found. */
      readonly stop?: string;
      readonly usage: Usage;
    };

// Log probabilities in the form of /v1/completions: four lists of one length.

import type { TokenLogprobs } from '#serve';
import { StreamDecoder, type Tokenizer } from '#text';
import { finiteLogprob, tokenText } from './token-text.ts';

export interface CompletionLogprobs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  /** Characters of the choice's text before each token. */
  readonly text_offset: number[];
}

/** Writes the lists of one choice, piece by piece. */
export class LogprobWriter {
  readonly #tokenizer: Tokenizer;
  readonly #decoder: StreamDecoder;
  #offset = 0;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: true });
  }

  /**
   * The lists of tokens that follow those before.
   *
   * Readers compare `token_logprobs` with the largest of `top_logprobs` to see whether a token is the likeliest one: the token is always
   * among them, with the same number. Texts that two tokens share keep the larger one.
   */
  write(tokens: readonly TokenLogprobs[]): CompletionLogprobs {
    const lists: CompletionLogprobs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const { id, logProbability, top } of tokens) {
      const text = tokenText(this.#tokenizer, id);
      lists.tokens.push(text);
      lists.text_offset.push(this.#offset);
      this.#offset += Array.from(this.#decoder.push(id)).length;
      if (logProbability === undefined) {
        lists.token_logprobs.push(null);
        lists.top_logprobs.push(null);
        continue;
      }
      lists.token_logprobs.push(finiteLogprob(logProbability));
      const likely = new Map<string, number>();
      for (const candidate of [{ id, logProbability }, ...top]) {
        const key = tokenText(this.#tokenizer, candidate.id);
        likely.set(key, Math.max(likely.get(key) ?? Number.NEGATIVE_INFINITY, finiteLogprob(candidate.logProbability)));
      }
      lists.top_logprobs.push(Object.fromEntries(likely));
    }
    return lists;
  }
}

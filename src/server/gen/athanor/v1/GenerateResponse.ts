// Original file: proto/athanor/v1/inference.proto

import type { FinishReason as _athanor_v1_FinishReason, FinishReason__Output as _athanor_v1_FinishReason__Output } from '../../athanor/v1/FinishReason.ts';
import type { Usage as _athanor_v1_Usage, Usage__Output as _athanor_v1_Usage__Output } from '../../athanor/v1/Usage.ts';
import type { TokenLogprob as _athanor_v1_TokenLogprob, TokenLogprob__Output as _athanor_v1_TokenLogprob__Output } from '../../athanor/v1/TokenLogprob.ts';

export interface GenerateResponse {
  /**
   * The next piece of text; may be empty where a character is not complete yet.
   */
  'text'?: (string);
  /**
   * Token ids generated since the last message.
   */
  'tokenIds'?: (number)[];
  /**
   * Set in the last message of a continuation only.
   */
  'finishReason'?: (_athanor_v1_FinishReason);
  /**
   * Set in the last message of a continuation only.
   */
  'usage'?: (_athanor_v1_Usage | null);
  /**
   * Which of the n continuations this belongs to.
   */
  'index'?: (number);
  /**
   * One for each of token_ids where the request asked for logprobs.
   */
  'logprobs'?: (_athanor_v1_TokenLogprob)[];
  /**
   * One for each token of the prompt where the request asked for prompt_logprobs; the first has no log probability. In the first
   * message only.
   */
  'promptLogprobs'?: (_athanor_v1_TokenLogprob)[];
  /**
   * The stop text that ended it, where one did.
   */
  'stop'?: (string);
}

export interface GenerateResponse__Output {
  /**
   * The next piece of text; may be empty where a character is not complete yet.
   */
  'text': (string);
  /**
   * Token ids generated since the last message.
   */
  'tokenIds': (number)[];
  /**
   * Set in the last message of a continuation only.
   */
  'finishReason': (_athanor_v1_FinishReason__Output);
  /**
   * Set in the last message of a continuation only.
   */
  'usage': (_athanor_v1_Usage__Output | null);
  /**
   * Which of the n continuations this belongs to.
   */
  'index': (number);
  /**
   * One for each of token_ids where the request asked for logprobs.
   */
  'logprobs': (_athanor_v1_TokenLogprob__Output)[];
  /**
   * One for each token of the prompt where the request asked for prompt_logprobs; the first has no log probability. In the first
   * message only.
   */
  'promptLogprobs': (_athanor_v1_TokenLogprob__Output)[];
  /**
   * The stop text that ended it, where one did.
   */
  'stop': (string);
}

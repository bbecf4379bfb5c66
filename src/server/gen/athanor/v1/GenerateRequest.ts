// Original file: proto/athanor/v1/inference.proto

import type { TokenIds as _athanor_v1_TokenIds, TokenIds__Output as _athanor_v1_TokenIds__Output } from '../../athanor/v1/TokenIds.ts';

export interface GenerateRequest {
  /**
   * Name of the model.
   */
  'model'?: (string);
  /**
   * Text; it is tokenized as the model's tokenizer does.
   */
  'text'?: (string);
  /**
   * Token ids, taken as they are.
   */
  'tokens'?: (_athanor_v1_TokenIds | null);
  /**
   * Most tokens to generate. Default 128.
   */
  'maxNewTokens'?: (number);
  /**
   * 0 (default) always takes the likeliest token.
   */
  'temperature'?: (number | string);
  /**
   * Draw among this many likeliest tokens. Default 0: all.
   */
  'topK'?: (number);
  /**
   * Draw among the likeliest tokens that hold this much probability, 0..1. Default 1.
   */
  'topP'?: (number | string);
  /**
   * Seed of the draws. Default 0.
   */
  'seed'?: (number);
  /**
   * Texts that end the generation; they are not sent.
   */
  'stop'?: (string)[];
  /**
   * Go on past the model's end token. Default false.
   */
  'ignoreEnd'?: (boolean);
  /**
   * Draw among tokens at least this share as likely as the likeliest, 0..1. Default 0.
   */
  'minP'?: (number | string);
  /**
   * Divides the positive logits of tokens that occurred before and multiplies the negative ones. Default 1: off.
   */
  'repetitionPenalty'?: (number | string);
  /**
   * Taken from a token's logit for each time that it was generated, -2..2. Default 0.
   */
  'frequencyPenalty'?: (number | string);
  /**
   * Taken from a token's logit once it was generated, -2..2. Default 0.
   */
  'presencePenalty'?: (number | string);
  /**
   * Added to the logits of these tokens, by token id, -100..100.
   */
  'logitBias'?: ({[key: number]: number | string});
  /**
   * Tokens that end the generation as the model's end token does.
   */
  'stopTokenIds'?: (number)[];
  /**
   * The end token and the stop tokens cannot be drawn before so many tokens. Default 0.
   */
  'minNewTokens'?: (number);
  /**
   * Continuations to send, told apart by their index. Default 1.
   */
  'n'?: (number);
  /**
   * Continuations to generate, of which the n likeliest by mean log probability are sent, each once it is complete. Default n.
   */
  'bestOf'?: (number);
  /**
   * Send the log probability of every token, and of so many likeliest tokens beside it, 0..20. Absent: none.
   */
  'logprobs'?: (number);
  /**
   * The same for the tokens of the prompt, in the first message. Absent: none.
   */
  'promptLogprobs'?: (number);
  /**
   * Smaller numbers are served first. Default 0.
   */
  'priority'?: (number);
  /**
   * Refuse the request if it waited so long for a place, milliseconds. Default: the server's.
   */
  'queueTimeoutMs'?: (number);
  /**
   * Beams of a beam search; more than 1 excludes sampling. Default 1. The text is sent once it is complete.
   */
  'numBeams'?: (number);
  /**
   * Exponent of the length by which a beam's log probability is divided. Default 1.
   */
  'lengthPenalty'?: (number | string);
  /**
   * Name of a smaller model with the same tokenizer that drafts tokens, which this one checks several at a time. The distribution of
   * the answer stays this model's.
   */
  'draftModel'?: (string);
  /**
   * Tokens that the draft model proposes at a time. Default 4.
   */
  'draftTokens'?: (number);
  /**
   * What to continue.
   */
  'prompt'?: "text"|"tokens";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_topK'?: "topK";
  '_topP'?: "topP";
  '_seed'?: "seed";
  '_minP'?: "minP";
  '_repetitionPenalty'?: "repetitionPenalty";
  '_frequencyPenalty'?: "frequencyPenalty";
  '_presencePenalty'?: "presencePenalty";
  '_minNewTokens'?: "minNewTokens";
  '_n'?: "n";
  '_bestOf'?: "bestOf";
  '_logprobs'?: "logprobs";
  '_promptLogprobs'?: "promptLogprobs";
  '_priority'?: "priority";
  '_queueTimeoutMs'?: "queueTimeoutMs";
  '_numBeams'?: "numBeams";
  '_lengthPenalty'?: "lengthPenalty";
  '_draftTokens'?: "draftTokens";
}

export interface GenerateRequest__Output {
  /**
   * Name of the model.
   */
  'model': (string);
  /**
   * Text; it is tokenized as the model's tokenizer does.
   */
  'text'?: (string);
  /**
   * Token ids, taken as they are.
   */
  'tokens'?: (_athanor_v1_TokenIds__Output | null);
  /**
   * Most tokens to generate. Default 128.
   */
  'maxNewTokens'?: (number);
  /**
   * 0 (default) always takes the likeliest token.
   */
  'temperature'?: (number);
  /**
   * Draw among this many likeliest tokens. Default 0: all.
   */
  'topK'?: (number);
  /**
   * Draw among the likeliest tokens that hold this much probability, 0..1. Default 1.
   */
  'topP'?: (number);
  /**
   * Seed of the draws. Default 0.
   */
  'seed'?: (number);
  /**
   * Texts that end the generation; they are not sent.
   */
  'stop': (string)[];
  /**
   * Go on past the model's end token. Default false.
   */
  'ignoreEnd': (boolean);
  /**
   * Draw among tokens at least this share as likely as the likeliest, 0..1. Default 0.
   */
  'minP'?: (number);
  /**
   * Divides the positive logits of tokens that occurred before and multiplies the negative ones. Default 1: off.
   */
  'repetitionPenalty'?: (number);
  /**
   * Taken from a token's logit for each time that it was generated, -2..2. Default 0.
   */
  'frequencyPenalty'?: (number);
  /**
   * Taken from a token's logit once it was generated, -2..2. Default 0.
   */
  'presencePenalty'?: (number);
  /**
   * Added to the logits of these tokens, by token id, -100..100.
   */
  'logitBias': ({[key: number]: number});
  /**
   * Tokens that end the generation as the model's end token does.
   */
  'stopTokenIds': (number)[];
  /**
   * The end token and the stop tokens cannot be drawn before so many tokens. Default 0.
   */
  'minNewTokens'?: (number);
  /**
   * Continuations to send, told apart by their index. Default 1.
   */
  'n'?: (number);
  /**
   * Continuations to generate, of which the n likeliest by mean log probability are sent, each once it is complete. Default n.
   */
  'bestOf'?: (number);
  /**
   * Send the log probability of every token, and of so many likeliest tokens beside it, 0..20. Absent: none.
   */
  'logprobs'?: (number);
  /**
   * The same for the tokens of the prompt, in the first message. Absent: none.
   */
  'promptLogprobs'?: (number);
  /**
   * Smaller numbers are served first. Default 0.
   */
  'priority'?: (number);
  /**
   * Refuse the request if it waited so long for a place, milliseconds. Default: the server's.
   */
  'queueTimeoutMs'?: (number);
  /**
   * Beams of a beam search; more than 1 excludes sampling. Default 1. The text is sent once it is complete.
   */
  'numBeams'?: (number);
  /**
   * Exponent of the length by which a beam's log probability is divided. Default 1.
   */
  'lengthPenalty'?: (number);
  /**
   * Name of a smaller model with the same tokenizer that drafts tokens, which this one checks several at a time. The distribution of
   * the answer stays this model's.
   */
  'draftModel': (string);
  /**
   * Tokens that the draft model proposes at a time. Default 4.
   */
  'draftTokens'?: (number);
  /**
   * What to continue.
   */
  'prompt'?: "text"|"tokens";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_topK'?: "topK";
  '_topP'?: "topP";
  '_seed'?: "seed";
  '_minP'?: "minP";
  '_repetitionPenalty'?: "repetitionPenalty";
  '_frequencyPenalty'?: "frequencyPenalty";
  '_presencePenalty'?: "presencePenalty";
  '_minNewTokens'?: "minNewTokens";
  '_n'?: "n";
  '_bestOf'?: "bestOf";
  '_logprobs'?: "logprobs";
  '_promptLogprobs'?: "promptLogprobs";
  '_priority'?: "priority";
  '_queueTimeoutMs'?: "queueTimeoutMs";
  '_numBeams'?: "numBeams";
  '_lengthPenalty'?: "lengthPenalty";
  '_draftTokens'?: "draftTokens";
}

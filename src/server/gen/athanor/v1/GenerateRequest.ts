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
   * What to continue.
   */
  'prompt'?: "text"|"tokens";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_topK'?: "topK";
  '_topP'?: "topP";
  '_seed'?: "seed";
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
   * What to continue.
   */
  'prompt'?: "text"|"tokens";
  '_maxNewTokens'?: "maxNewTokens";
  '_temperature'?: "temperature";
  '_topK'?: "topK";
  '_topP'?: "topP";
  '_seed'?: "seed";
}

// Original file: proto/athanor/v1/inference.proto

import type { TokenLogprob as _athanor_v1_TokenLogprob, TokenLogprob__Output as _athanor_v1_TokenLogprob__Output } from '../../athanor/v1/TokenLogprob.ts';

/**
 * A token and how likely the model took it to be.
 */
export interface TokenLogprob {
  /**
   * Token id.
   */
  'id'?: (number);
  /**
   * Its text by itself.
   */
  'text'?: (string);
  /**
   * Natural logarithm of its probability before any penalty, temperature or filter. Absent for the first token of a prompt.
   */
  'logprob'?: (number | string);
  /**
   * The likeliest tokens at its place, likeliest first.
   */
  'top'?: (_athanor_v1_TokenLogprob)[];
  '_logprob'?: "logprob";
}

/**
 * A token and how likely the model took it to be.
 */
export interface TokenLogprob__Output {
  /**
   * Token id.
   */
  'id': (number);
  /**
   * Its text by itself.
   */
  'text': (string);
  /**
   * Natural logarithm of its probability before any penalty, temperature or filter. Absent for the first token of a prompt.
   */
  'logprob'?: (number);
  /**
   * The likeliest tokens at its place, likeliest first.
   */
  'top': (_athanor_v1_TokenLogprob__Output)[];
  '_logprob'?: "logprob";
}

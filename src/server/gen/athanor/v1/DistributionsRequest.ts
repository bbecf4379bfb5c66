// Original file: proto/athanor/v1/inference.proto

import type { TokenIds as _athanor_v1_TokenIds, TokenIds__Output as _athanor_v1_TokenIds__Output } from '../../athanor/v1/TokenIds.ts';

/**
 * A batch as the model's task has it. Rows are the next tokens of every place of every sequence, the label of every sequence (classifiers), or the
 * tokens at `rows` (models of hidden tokens).
 */
export interface DistributionsRequest {
  /**
   * Name of the model.
   */
  'model'?: (string);
  /**
   * What the model reads; of an encoder-decoder the targets.
   */
  'sequences'?: (_athanor_v1_TokenIds)[];
  /**
   * Sequences are padded to so many tokens.
   */
  'length'?: (number);
  /**
   * Of an encoder-decoder, one for each sequence.
   */
  'sources'?: (_athanor_v1_TokenIds)[];
  /**
   * Sources are padded to so many tokens.
   */
  'sourceLength'?: (number);
  /**
   * Which text of a pair each token belongs to, for models that tell them apart; one for each sequence. Empty: all the first.
   */
  'tokenTypes'?: (_athanor_v1_TokenIds)[];
  /**
   * Places among the sequences times the length, of the tokens that are asked about.
   */
  'rows'?: (number)[];
  /**
   * Divides the logits. Default 1.
   */
  'temperature'?: (number | string);
  /**
   * Send so many of the likeliest answers and the probability of all others together. Absent: every answer.
   */
  'topK'?: (number);
  /**
   * SHA-256 of the tokenizer that made the ids, as `ModelInfo` has it: another one is the error tokenizer_mismatch.
   */
  'tokenizerHash'?: (string);
  '_temperature'?: "temperature";
  '_topK'?: "topK";
}

/**
 * A batch as the model's task has it. Rows are the next tokens of every place of every sequence, the label of every sequence (classifiers), or the
 * tokens at `rows` (models of hidden tokens).
 */
export interface DistributionsRequest__Output {
  /**
   * Name of the model.
   */
  'model': (string);
  /**
   * What the model reads; of an encoder-decoder the targets.
   */
  'sequences': (_athanor_v1_TokenIds__Output)[];
  /**
   * Sequences are padded to so many tokens.
   */
  'length': (number);
  /**
   * Of an encoder-decoder, one for each sequence.
   */
  'sources': (_athanor_v1_TokenIds__Output)[];
  /**
   * Sources are padded to so many tokens.
   */
  'sourceLength': (number);
  /**
   * Which text of a pair each token belongs to, for models that tell them apart; one for each sequence. Empty: all the first.
   */
  'tokenTypes': (_athanor_v1_TokenIds__Output)[];
  /**
   * Places among the sequences times the length, of the tokens that are asked about.
   */
  'rows': (number)[];
  /**
   * Divides the logits. Default 1.
   */
  'temperature'?: (number);
  /**
   * Send so many of the likeliest answers and the probability of all others together. Absent: every answer.
   */
  'topK'?: (number);
  /**
   * SHA-256 of the tokenizer that made the ids, as `ModelInfo` has it: another one is the error tokenizer_mismatch.
   */
  'tokenizerHash': (string);
  '_temperature'?: "temperature";
  '_topK'?: "topK";
}

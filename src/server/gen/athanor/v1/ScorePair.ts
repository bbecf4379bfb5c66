// Original file: proto/athanor/v1/inference.proto

import type { TokenIds as _athanor_v1_TokenIds, TokenIds__Output as _athanor_v1_TokenIds__Output } from '../../athanor/v1/TokenIds.ts';

/**
 * A context and a continuation. Spaces at the end of the context belong to the continuation.
 */
export interface ScorePair {
  /**
   * May be empty: then the model's begin or end token stands in for it.
   */
  'context'?: (string);
  /**
   * Not empty, unless continuation_tokens is given.
   */
  'continuation'?: (string);
  /**
   * In place of context: token ids, taken as they are.
   */
  'contextTokens'?: (_athanor_v1_TokenIds | null);
  /**
   * In place of continuation: token ids, taken as they are.
   */
  'continuationTokens'?: (_athanor_v1_TokenIds | null);
}

/**
 * A context and a continuation. Spaces at the end of the context belong to the continuation.
 */
export interface ScorePair__Output {
  /**
   * May be empty: then the model's begin or end token stands in for it.
   */
  'context': (string);
  /**
   * Not empty, unless continuation_tokens is given.
   */
  'continuation': (string);
  /**
   * In place of context: token ids, taken as they are.
   */
  'contextTokens': (_athanor_v1_TokenIds__Output | null);
  /**
   * In place of continuation: token ids, taken as they are.
   */
  'continuationTokens': (_athanor_v1_TokenIds__Output | null);
}

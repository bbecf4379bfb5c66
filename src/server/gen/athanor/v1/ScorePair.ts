// Original file: proto/athanor/v1/inference.proto


/**
 * A context and a continuation. Spaces at the end of the context belong to the continuation.
 */
export interface ScorePair {
  /**
   * May be empty: then the model's begin or end token stands in for it.
   */
  'context'?: (string);
  /**
   * Not empty.
   */
  'continuation'?: (string);
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
   * Not empty.
   */
  'continuation': (string);
}

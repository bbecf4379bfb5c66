// Original file: proto/athanor/v1/inference.proto


/**
 * Score of one continuation.
 */
export interface Score {
  /**
   * Sum of the natural logarithms of its tokens' probabilities.
   */
  'logLikelihood'?: (number | string);
  /**
   * Every token of it is the likeliest one at its place.
   */
  'isGreedy'?: (boolean);
  /**
   * Tokens of the continuation.
   */
  'tokens'?: (number);
}

/**
 * Score of one continuation.
 */
export interface Score__Output {
  /**
   * Sum of the natural logarithms of its tokens' probabilities.
   */
  'logLikelihood': (number);
  /**
   * Every token of it is the likeliest one at its place.
   */
  'isGreedy': (boolean);
  /**
   * Tokens of the continuation.
   */
  'tokens': (number);
}

// Original file: proto/inference/model_config.proto


/**
 * How answers belong to requests.
 */
export interface ModelTransactionPolicy {
  /**
   * A request may have several answers.
   */
  'decoupled'?: (boolean);
}

/**
 * How answers belong to requests.
 */
export interface ModelTransactionPolicy__Output {
  /**
   * A request may have several answers.
   */
  'decoupled': (boolean);
}

// Original file: proto/inference/model_config.proto


/**
 * One value of a model.
 */
export interface ModelParameter {
  /**
   * The value.
   */
  'stringValue'?: (string);
}

/**
 * One value of a model.
 */
export interface ModelParameter__Output {
  /**
   * The value.
   */
  'stringValue': (string);
}

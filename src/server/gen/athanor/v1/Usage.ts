// Original file: proto/athanor/v1/inference.proto


/**
 * What a generation took.
 */
export interface Usage {
  /**
   * Tokens of the prompt.
   */
  'promptTokens'?: (number);
  /**
   * Tokens generated.
   */
  'generatedTokens'?: (number);
  /**
   * Time until the first token, milliseconds.
   */
  'firstTokenMs'?: (number | string);
  /**
   * Time of the whole generation, milliseconds.
   */
  'totalMs'?: (number | string);
}

/**
 * What a generation took.
 */
export interface Usage__Output {
  /**
   * Tokens of the prompt.
   */
  'promptTokens': (number);
  /**
   * Tokens generated.
   */
  'generatedTokens': (number);
  /**
   * Time until the first token, milliseconds.
   */
  'firstTokenMs': (number);
  /**
   * Time of the whole generation, milliseconds.
   */
  'totalMs': (number);
}

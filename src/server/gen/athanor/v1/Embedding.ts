// Original file: proto/athanor/v1/inference.proto


/**
 * One text's vector.
 */
export interface Embedding {
  /**
   * As long as the model is wide.
   */
  'values'?: (number | string)[];
  /**
   * Tokens of the text that the model saw.
   */
  'tokens'?: (number);
  /**
   * The text was longer than the model reads and was cut.
   */
  'truncated'?: (boolean);
}

/**
 * One text's vector.
 */
export interface Embedding__Output {
  /**
   * As long as the model is wide.
   */
  'values': (number)[];
  /**
   * Tokens of the text that the model saw.
   */
  'tokens': (number);
  /**
   * The text was longer than the model reads and was cut.
   */
  'truncated': (boolean);
}

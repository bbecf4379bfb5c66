// Original file: proto/athanor/v1/inference.proto


/**
 * A text, or two that belong together.
 */
export interface TextPair {
  /**
   * Text.
   */
  'first'?: (string);
  /**
   * Second text of a pair, for example a hypothesis. Absent: one text.
   */
  'second'?: (string);
  '_second'?: "second";
}

/**
 * A text, or two that belong together.
 */
export interface TextPair__Output {
  /**
   * Text.
   */
  'first': (string);
  /**
   * Second text of a pair, for example a hypothesis. Absent: one text.
   */
  'second'?: (string);
  '_second'?: "second";
}

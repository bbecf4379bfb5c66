// Original file: proto/athanor/v1/teacher.proto


/**
 * Sequence-level distillation.
 */
export interface SequenceLevel {
  /**
   * Beams of the search for the teacher's targets. Default 5.
   */
  'beams'?: (number);
  /**
   * Tokens of a target at most. Default: the sequence length.
   */
  'maxNewTokens'?: (number);
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
}

/**
 * Sequence-level distillation.
 */
export interface SequenceLevel__Output {
  /**
   * Beams of the search for the teacher's targets. Default 5.
   */
  'beams'?: (number);
  /**
   * Tokens of a target at most. Default: the sequence length.
   */
  'maxNewTokens'?: (number);
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
}

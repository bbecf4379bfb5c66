// Original file: proto/athanor/v1/teacher.proto


/**
 * Sequence-level distillation: the teacher writes a target for the source of each pair, or goes on with beginnings of running text, once; then the
 * student learns that by cross-entropy. Fields that are absent take the default in the comment.
 */
export interface SequenceLevel {
  /**
   * Beams of the search for what the teacher writes. Default 5 for pairs; of running text 1, the likeliest token each time.
   */
  'beams'?: (number);
  /**
   * Tokens of a target, or behind a beginning, at most. Default: the sequence length, of running text what the beginning leaves of it.
   */
  'maxNewTokens'?: (number);
  /**
   * Of running text: tokens of a beginning, below the sequence length. Default 32, at most half of it.
   */
  'promptTokens'?: (number);
  /**
   * Of running text: draws at this temperature in place of searching. Default: it searches.
   */
  'temperature'?: (number | string);
  /**
   * Of running text: beginnings, evenly spread over it. Default: as many as the training reads, at most one for each sequence length of text.
   */
  'prompts'?: (number);
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
  '_promptTokens'?: "promptTokens";
  '_temperature'?: "temperature";
  '_prompts'?: "prompts";
}

/**
 * Sequence-level distillation: the teacher writes a target for the source of each pair, or goes on with beginnings of running text, once; then the
 * student learns that by cross-entropy. Fields that are absent take the default in the comment.
 */
export interface SequenceLevel__Output {
  /**
   * Beams of the search for what the teacher writes. Default 5 for pairs; of running text 1, the likeliest token each time.
   */
  'beams'?: (number);
  /**
   * Tokens of a target, or behind a beginning, at most. Default: the sequence length, of running text what the beginning leaves of it.
   */
  'maxNewTokens'?: (number);
  /**
   * Of running text: tokens of a beginning, below the sequence length. Default 32, at most half of it.
   */
  'promptTokens'?: (number);
  /**
   * Of running text: draws at this temperature in place of searching. Default: it searches.
   */
  'temperature'?: (number);
  /**
   * Of running text: beginnings, evenly spread over it. Default: as many as the training reads, at most one for each sequence length of text.
   */
  'prompts'?: (number);
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
  '_promptTokens'?: "promptTokens";
  '_temperature'?: "temperature";
  '_prompts'?: "prompts";
}

// Original file: proto/athanor/v1/evaluation_report.proto


/**
 * Time of one kind of step at one batch size.
 */
export interface Latency {
  /**
   * "prefill" (all prompt tokens at once) or "decode" (one token for every sequence).
   */
  'phase'?: (string);
  /**
   * Sequences run together.
   */
  'batchSize'?: (number);
  /**
   * Prompt tokens of a sequence before or in the step.
   */
  'contextTokens'?: (number);
  /**
   * Median of the step, milliseconds.
   */
  'medianMs'?: (number | string);
  /**
   * Tokens of all sequences a second.
   */
  'tokensPerSecond'?: (number | string);
}

/**
 * Time of one kind of step at one batch size.
 */
export interface Latency__Output {
  /**
   * "prefill" (all prompt tokens at once) or "decode" (one token for every sequence).
   */
  'phase': (string);
  /**
   * Sequences run together.
   */
  'batchSize': (number);
  /**
   * Prompt tokens of a sequence before or in the step.
   */
  'contextTokens': (number);
  /**
   * Median of the step, milliseconds.
   */
  'medianMs': (number);
  /**
   * Tokens of all sequences a second.
   */
  'tokensPerSecond': (number);
}

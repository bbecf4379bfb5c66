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
  /**
   * Time until the first token was begun, milliseconds; part of first_token_ms.
   */
  'queueMs'?: (number | string);
  /**
   * Tokens of the prompt whose keys and values were there already.
   */
  'cachedPromptTokens'?: (number);
  /**
   * Tokens that the draft model proposed.
   */
  'draftedTokens'?: (number);
  /**
   * Proposed tokens that were taken.
   */
  'acceptedTokens'?: (number);
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
  /**
   * Time until the first token was begun, milliseconds; part of first_token_ms.
   */
  'queueMs': (number);
  /**
   * Tokens of the prompt whose keys and values were there already.
   */
  'cachedPromptTokens': (number);
  /**
   * Tokens that the draft model proposed.
   */
  'draftedTokens': (number);
  /**
   * Proposed tokens that were taken.
   */
  'acceptedTokens': (number);
}

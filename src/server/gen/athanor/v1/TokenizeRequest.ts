// Original file: proto/athanor/v1/inference.proto


export interface TokenizeRequest {
  /**
   * Name of the model.
   */
  'model'?: (string);
  /**
   * Text.
   */
  'text'?: (string);
  /**
   * Put in what the tokenizer puts around a prompt, for example a begin token. Default true.
   */
  'specialTokens'?: (boolean);
  '_specialTokens'?: "specialTokens";
}

export interface TokenizeRequest__Output {
  /**
   * Name of the model.
   */
  'model': (string);
  /**
   * Text.
   */
  'text': (string);
  /**
   * Put in what the tokenizer puts around a prompt, for example a begin token. Default true.
   */
  'specialTokens'?: (boolean);
  '_specialTokens'?: "specialTokens";
}

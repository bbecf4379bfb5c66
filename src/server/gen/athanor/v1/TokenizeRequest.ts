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
}

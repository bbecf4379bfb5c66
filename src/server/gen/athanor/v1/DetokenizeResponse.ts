// Original file: proto/athanor/v1/inference.proto


export interface DetokenizeResponse {
  /**
   * Text.
   */
  'text'?: (string);
}

export interface DetokenizeResponse__Output {
  /**
   * Text.
   */
  'text': (string);
}

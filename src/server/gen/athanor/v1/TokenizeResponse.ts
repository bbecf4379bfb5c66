// Original file: proto/athanor/v1/inference.proto


export interface TokenizeResponse {
  /**
   * Token ids.
   */
  'ids'?: (number)[];
}

export interface TokenizeResponse__Output {
  /**
   * Token ids.
   */
  'ids': (number)[];
}

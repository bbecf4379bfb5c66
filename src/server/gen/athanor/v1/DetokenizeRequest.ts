// Original file: proto/athanor/v1/inference.proto


export interface DetokenizeRequest {
  /**
   * Name of the model.
   */
  'model'?: (string);
  /**
   * Token ids.
   */
  'ids'?: (number)[];
}

export interface DetokenizeRequest__Output {
  /**
   * Name of the model.
   */
  'model': (string);
  /**
   * Token ids.
   */
  'ids': (number)[];
}

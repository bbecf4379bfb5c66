// Original file: proto/athanor/v1/model.proto


export interface ModelServiceLoadRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
}

export interface ModelServiceLoadRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
}

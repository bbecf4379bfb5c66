// Original file: proto/athanor/v1/model.proto


export interface ModelServiceUnloadRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
}

export interface ModelServiceUnloadRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
}

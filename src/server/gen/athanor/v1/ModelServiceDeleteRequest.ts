// Original file: proto/athanor/v1/model.proto


export interface ModelServiceDeleteRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
}

export interface ModelServiceDeleteRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
}

// Original file: proto/inference/grpc_service.proto


export interface ModelReadyRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version'?: (string);
}

export interface ModelReadyRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version': (string);
}

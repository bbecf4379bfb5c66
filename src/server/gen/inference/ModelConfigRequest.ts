// Original file: proto/inference/grpc_service.proto


export interface ModelConfigRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version'?: (string);
}

export interface ModelConfigRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version': (string);
}

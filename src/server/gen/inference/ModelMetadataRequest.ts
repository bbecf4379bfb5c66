// Original file: proto/inference/grpc_service.proto


export interface ModelMetadataRequest {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version'?: (string);
}

export interface ModelMetadataRequest__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Number of the version; empty is the newest.
   */
  'version': (string);
}

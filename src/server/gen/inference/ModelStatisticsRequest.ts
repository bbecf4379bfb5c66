// Original file: proto/inference/grpc_service.proto


export interface ModelStatisticsRequest {
  /**
   * Name of the model; empty is every model that was asked for something.
   */
  'name'?: (string);
  /**
   * Number of the version; empty is every version.
   */
  'version'?: (string);
}

export interface ModelStatisticsRequest__Output {
  /**
   * Name of the model; empty is every model that was asked for something.
   */
  'name': (string);
  /**
   * Number of the version; empty is every version.
   */
  'version': (string);
}

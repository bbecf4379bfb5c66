// Original file: proto/inference/grpc_service.proto


export interface ModelReadyResponse {
  /**
   * The model is in memory.
   */
  'ready'?: (boolean);
}

export interface ModelReadyResponse__Output {
  /**
   * The model is in memory.
   */
  'ready': (boolean);
}

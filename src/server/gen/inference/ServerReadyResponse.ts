// Original file: proto/inference/grpc_service.proto


export interface ServerReadyResponse {
  /**
   * It takes work.
   */
  'ready'?: (boolean);
}

export interface ServerReadyResponse__Output {
  /**
   * It takes work.
   */
  'ready': (boolean);
}

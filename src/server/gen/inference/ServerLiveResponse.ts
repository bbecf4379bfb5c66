// Original file: proto/inference/grpc_service.proto


export interface ServerLiveResponse {
  /**
   * It answers.
   */
  'live'?: (boolean);
}

export interface ServerLiveResponse__Output {
  /**
   * It answers.
   */
  'live': (boolean);
}

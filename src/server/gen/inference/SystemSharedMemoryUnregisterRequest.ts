// Original file: proto/inference/grpc_service.proto


export interface SystemSharedMemoryUnregisterRequest {
  /**
   * Name of the region; empty is all.
   */
  'name'?: (string);
}

export interface SystemSharedMemoryUnregisterRequest__Output {
  /**
   * Name of the region; empty is all.
   */
  'name': (string);
}

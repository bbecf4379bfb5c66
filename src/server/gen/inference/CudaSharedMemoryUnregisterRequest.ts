// Original file: proto/inference/grpc_service.proto


export interface CudaSharedMemoryUnregisterRequest {
  /**
   * Name of the region; empty is all.
   */
  'name'?: (string);
}

export interface CudaSharedMemoryUnregisterRequest__Output {
  /**
   * Name of the region; empty is all.
   */
  'name': (string);
}

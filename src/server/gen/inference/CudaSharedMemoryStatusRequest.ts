// Original file: proto/inference/grpc_service.proto


export interface CudaSharedMemoryStatusRequest {
  /**
   * Name of a region.
   */
  'name'?: (string);
}

export interface CudaSharedMemoryStatusRequest__Output {
  /**
   * Name of a region.
   */
  'name': (string);
}

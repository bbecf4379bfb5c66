// Original file: proto/inference/grpc_service.proto


export interface SystemSharedMemoryStatusRequest {
  /**
   * Name of a region.
   */
  'name'?: (string);
}

export interface SystemSharedMemoryStatusRequest__Output {
  /**
   * Name of a region.
   */
  'name': (string);
}

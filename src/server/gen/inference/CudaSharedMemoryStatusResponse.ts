// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One region.
 */
export interface _inference_CudaSharedMemoryStatusResponse_RegionStatus {
  /**
   * Its name.
   */
  'name'?: (string);
  /**
   * Number of the device.
   */
  'deviceId'?: (number | string | Long);
  /**
   * Its size, bytes.
   */
  'byteSize'?: (number | string | Long);
}

/**
 * One region.
 */
export interface _inference_CudaSharedMemoryStatusResponse_RegionStatus__Output {
  /**
   * Its name.
   */
  'name': (string);
  /**
   * Number of the device.
   */
  'deviceId': (number);
  /**
   * Its size, bytes.
   */
  'byteSize': (number);
}

export interface CudaSharedMemoryStatusResponse {
  /**
   * By name.
   */
  'regions'?: ({[key: string]: _inference_CudaSharedMemoryStatusResponse_RegionStatus});
}

export interface CudaSharedMemoryStatusResponse__Output {
  /**
   * By name.
   */
  'regions': ({[key: string]: _inference_CudaSharedMemoryStatusResponse_RegionStatus__Output});
}

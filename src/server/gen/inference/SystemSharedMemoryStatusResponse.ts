// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One region.
 */
export interface _inference_SystemSharedMemoryStatusResponse_RegionStatus {
  /**
   * Its name.
   */
  'name'?: (string);
  /**
   * Its key.
   */
  'key'?: (string);
  /**
   * Where it begins, bytes.
   */
  'offset'?: (number | string | Long);
  /**
   * Its size, bytes.
   */
  'byteSize'?: (number | string | Long);
}

/**
 * One region.
 */
export interface _inference_SystemSharedMemoryStatusResponse_RegionStatus__Output {
  /**
   * Its name.
   */
  'name': (string);
  /**
   * Its key.
   */
  'key': (string);
  /**
   * Where it begins, bytes.
   */
  'offset': (number);
  /**
   * Its size, bytes.
   */
  'byteSize': (number);
}

export interface SystemSharedMemoryStatusResponse {
  /**
   * By name.
   */
  'regions'?: ({[key: string]: _inference_SystemSharedMemoryStatusResponse_RegionStatus});
}

export interface SystemSharedMemoryStatusResponse__Output {
  /**
   * By name.
   */
  'regions': ({[key: string]: _inference_SystemSharedMemoryStatusResponse_RegionStatus__Output});
}

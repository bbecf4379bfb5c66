// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

export interface SystemSharedMemoryRegisterRequest {
  /**
   * Name of the region.
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

export interface SystemSharedMemoryRegisterRequest__Output {
  /**
   * Name of the region.
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

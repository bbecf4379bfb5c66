// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Memory that a model holds.
 */
export interface MemoryUsage {
  /**
   * CPU, CPU_PINNED or GPU.
   */
  'type'?: (string);
  /**
   * Number of the device.
   */
  'id'?: (number | string | Long);
  /**
   * Bytes.
   */
  'byteSize'?: (number | string | Long);
}

/**
 * Memory that a model holds.
 */
export interface MemoryUsage__Output {
  /**
   * CPU, CPU_PINNED or GPU.
   */
  'type': (string);
  /**
   * Number of the device.
   */
  'id': (number);
  /**
   * Bytes.
   */
  'byteSize': (number);
}

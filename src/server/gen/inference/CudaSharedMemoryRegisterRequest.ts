// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

export interface CudaSharedMemoryRegisterRequest {
  /**
   * Name of the region.
   */
  'name'?: (string);
  /**
   * Its handle.
   */
  'rawHandle'?: (Buffer | Uint8Array | string);
  /**
   * Number of the device.
   */
  'deviceId'?: (number | string | Long);
  /**
   * Its size, bytes.
   */
  'byteSize'?: (number | string | Long);
}

export interface CudaSharedMemoryRegisterRequest__Output {
  /**
   * Name of the region.
   */
  'name': (string);
  /**
   * Its handle.
   */
  'rawHandle': (Buffer);
  /**
   * Number of the device.
   */
  'deviceId': (number);
  /**
   * Its size, bytes.
   */
  'byteSize': (number);
}

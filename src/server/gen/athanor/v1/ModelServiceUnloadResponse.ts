// Original file: proto/athanor/v1/model.proto

import type { Long } from '@grpc/proto-loader';

export interface ModelServiceUnloadResponse {
  /**
   * Bytes that were given back; 0 when it was not loaded.
   */
  'freedBytes'?: (number | string | Long);
}

export interface ModelServiceUnloadResponse__Output {
  /**
   * Bytes that were given back; 0 when it was not loaded.
   */
  'freedBytes': (number);
}

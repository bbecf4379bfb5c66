// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One value of a repository call.
 */
export interface ModelRepositoryParameter {
  /**
   * True or false.
   */
  'boolParam'?: (boolean);
  /**
   * A whole number.
   */
  'int64Param'?: (number | string | Long);
  /**
   * A text.
   */
  'stringParam'?: (string);
  /**
   * Bytes.
   */
  'bytesParam'?: (Buffer | Uint8Array | string);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"int64Param"|"stringParam"|"bytesParam";
}

/**
 * One value of a repository call.
 */
export interface ModelRepositoryParameter__Output {
  /**
   * True or false.
   */
  'boolParam'?: (boolean);
  /**
   * A whole number.
   */
  'int64Param'?: (number);
  /**
   * A text.
   */
  'stringParam'?: (string);
  /**
   * Bytes.
   */
  'bytesParam'?: (Buffer);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"int64Param"|"stringParam"|"bytesParam";
}

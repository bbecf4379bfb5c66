// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * One value beside the tensors.
 */
export interface InferParameter {
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
   * A number.
   */
  'doubleParam'?: (number | string);
  /**
   * A whole number of at least 0.
   */
  'uint64Param'?: (number | string | Long);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"int64Param"|"stringParam"|"doubleParam"|"uint64Param";
}

/**
 * One value beside the tensors.
 */
export interface InferParameter__Output {
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
   * A number.
   */
  'doubleParam'?: (number);
  /**
   * A whole number of at least 0.
   */
  'uint64Param'?: (number);
  /**
   * The value.
   */
  'parameterChoice'?: "boolParam"|"int64Param"|"stringParam"|"doubleParam"|"uint64Param";
}

// Original file: proto/inference/grpc_service.proto

import type { Long } from '@grpc/proto-loader';

/**
 * Elements of one tensor, in row-major order, in the member of its type. Half precision has none: it travels as raw bytes.
 */
export interface InferTensorContents {
  /**
   * BOOL.
   */
  'boolContents'?: (boolean)[];
  /**
   * INT8, INT16, INT32.
   */
  'intContents'?: (number)[];
  /**
   * INT64.
   */
  'int64Contents'?: (number | string | Long)[];
  /**
   * UINT8, UINT16, UINT32.
   */
  'uintContents'?: (number)[];
  /**
   * UINT64.
   */
  'uint64Contents'?: (number | string | Long)[];
  /**
   * FP32.
   */
  'fp32Contents'?: (number | string)[];
  /**
   * FP64.
   */
  'fp64Contents'?: (number | string)[];
  /**
   * BYTES.
   */
  'bytesContents'?: (Buffer | Uint8Array | string)[];
}

/**
 * Elements of one tensor, in row-major order, in the member of its type. Half precision has none: it travels as raw bytes.
 */
export interface InferTensorContents__Output {
  /**
   * BOOL.
   */
  'boolContents': (boolean)[];
  /**
   * INT8, INT16, INT32.
   */
  'intContents': (number)[];
  /**
   * INT64.
   */
  'int64Contents': (number)[];
  /**
   * UINT8, UINT16, UINT32.
   */
  'uintContents': (number)[];
  /**
   * UINT64.
   */
  'uint64Contents': (number)[];
  /**
   * FP32.
   */
  'fp32Contents': (number)[];
  /**
   * FP64.
   */
  'fp64Contents': (number)[];
  /**
   * BYTES.
   */
  'bytesContents': (Buffer)[];
}

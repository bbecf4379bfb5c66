// Original file: proto/inference/model_config.proto

/**
 * Type of a tensor's elements.
 */
export const DataType = {
  /**
   * None.
   */
  TYPE_INVALID: 'TYPE_INVALID',
  /**
   * True or false, one byte.
   */
  TYPE_BOOL: 'TYPE_BOOL',
  /**
   * Whole number, 8 bits, at least 0.
   */
  TYPE_UINT8: 'TYPE_UINT8',
  /**
   * Whole number, 16 bits, at least 0.
   */
  TYPE_UINT16: 'TYPE_UINT16',
  /**
   * Whole number, 32 bits, at least 0.
   */
  TYPE_UINT32: 'TYPE_UINT32',
  /**
   * Whole number, 64 bits, at least 0.
   */
  TYPE_UINT64: 'TYPE_UINT64',
  /**
   * Whole number, 8 bits.
   */
  TYPE_INT8: 'TYPE_INT8',
  /**
   * Whole number, 16 bits.
   */
  TYPE_INT16: 'TYPE_INT16',
  /**
   * Whole number, 32 bits.
   */
  TYPE_INT32: 'TYPE_INT32',
  /**
   * Whole number, 64 bits.
   */
  TYPE_INT64: 'TYPE_INT64',
  /**
   * Half precision.
   */
  TYPE_FP16: 'TYPE_FP16',
  /**
   * Single precision.
   */
  TYPE_FP32: 'TYPE_FP32',
  /**
   * Double precision.
   */
  TYPE_FP64: 'TYPE_FP64',
  /**
   * Bytes of any length; BYTES where types are named in text.
   */
  TYPE_STRING: 'TYPE_STRING',
  /**
   * Half precision with the exponent of single precision.
   */
  TYPE_BF16: 'TYPE_BF16',
} as const;

/**
 * Type of a tensor's elements.
 */
export type DataType =
  /**
   * None.
   */
  | 'TYPE_INVALID'
  | 0
  /**
   * True or false, one byte.
   */
  | 'TYPE_BOOL'
  | 1
  /**
   * Whole number, 8 bits, at least 0.
   */
  | 'TYPE_UINT8'
  | 2
  /**
   * Whole number, 16 bits, at least 0.
   */
  | 'TYPE_UINT16'
  | 3
  /**
   * Whole number, 32 bits, at least 0.
   */
  | 'TYPE_UINT32'
  | 4
  /**
   * Whole number, 64 bits, at least 0.
   */
  | 'TYPE_UINT64'
  | 5
  /**
   * Whole number, 8 bits.
   */
  | 'TYPE_INT8'
  | 6
  /**
   * Whole number, 16 bits.
   */
  | 'TYPE_INT16'
  | 7
  /**
   * Whole number, 32 bits.
   */
  | 'TYPE_INT32'
  | 8
  /**
   * Whole number, 64 bits.
   */
  | 'TYPE_INT64'
  | 9
  /**
   * Half precision.
   */
  | 'TYPE_FP16'
  | 10
  /**
   * Single precision.
   */
  | 'TYPE_FP32'
  | 11
  /**
   * Double precision.
   */
  | 'TYPE_FP64'
  | 12
  /**
   * Bytes of any length; BYTES where types are named in text.
   */
  | 'TYPE_STRING'
  | 13
  /**
   * Half precision with the exponent of single precision.
   */
  | 'TYPE_BF16'
  | 14

/**
 * Type of a tensor's elements.
 */
export type DataType__Output = typeof DataType[keyof typeof DataType]

// Numbers of TensorFlow's own protocol: element types, and kinds of attributes. Both are fixed for ever by its C API.
import type { DType } from '#tensor';

/** TF_DataType */
export const elementType: Readonly<Record<DType, number>> = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  int8: 6,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  float16: 19,
};

/** TF_AttrType */
export const attributeKind = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5 } as const;

/** TF_Code of an allocation that failed. */
export const resourceExhausted = 8;

/** Sizes above it need int64, which fewer kernels take. */
export const largestInt32 = 2 ** 31 - 1;

// The element types of the Open Inference Protocol: their sizes, and where each travels when it is not raw.
import type { DataType } from '../gen/inference/DataType.ts';
import type { InferTensorContents__Output } from '../gen/inference/InferTensorContents.ts';

/** A member of `InferTensorContents`. */
export type ContentsMember = keyof InferTensorContents__Output;

interface DatatypeFacts {
  /** Bytes of one element; 0 where elements have a length of their own. */
  readonly bytes: number;
  /** Undefined where elements travel raw only. */
  readonly member: ContentsMember | undefined;
  /** Its name in a model's configuration. */
  readonly configName: DataType;
}

const facts = (bytes: number, member: ContentsMember | undefined, configName: DataType): DatatypeFacts => ({ bytes, member, configName });

export const datatypes = {
  BOOL: facts(1, 'boolContents', 'TYPE_BOOL'),
  INT8: facts(1, 'intContents', 'TYPE_INT8'),
  INT16: facts(2, 'intContents', 'TYPE_INT16'),
  INT32: facts(4, 'intContents', 'TYPE_INT32'),
  INT64: facts(8, 'int64Contents', 'TYPE_INT64'),
  UINT8: facts(1, 'uintContents', 'TYPE_UINT8'),
  UINT16: facts(2, 'uintContents', 'TYPE_UINT16'),
  UINT32: facts(4, 'uintContents', 'TYPE_UINT32'),
  UINT64: facts(8, 'uint64Contents', 'TYPE_UINT64'),
  FP16: facts(2, undefined, 'TYPE_FP16'),
  BF16: facts(2, undefined, 'TYPE_BF16'),
  FP32: facts(4, 'fp32Contents', 'TYPE_FP32'),
  FP64: facts(8, 'fp64Contents', 'TYPE_FP64'),
  BYTES: facts(0, 'bytesContents', 'TYPE_STRING'),
} as const satisfies Readonly<Record<string, DatatypeFacts>>;

export type Datatype = keyof typeof datatypes;

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(datatypes, name);
}

// Element types, the typed arrays that hold them on the host, and their sizes.

/** The host array of each element type; 16-bit floats are kept as their bit patterns, booleans as 0 or 1. */
export interface DTypeArray {
  readonly float64: Float64Array;
  readonly float32: Float32Array;
  readonly float16: Uint16Array;
  readonly bfloat16: Uint16Array;
  readonly int64: BigInt64Array;
  readonly int32: Int32Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly bool: Uint8Array;
}

export type DType = keyof DTypeArray;

export const dtypeBytes: Readonly<Record<DType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

type ArrayConstructor<D extends DType> = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => DTypeArray[D];

const constructors: { readonly [D in DType]: ArrayConstructor<D> } = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

/** A typed view of `length` elements over `buffer`; `byteOffset` must be a multiple of the element size. */
export function arrayView<D extends DType>(dtype: D, buffer: ArrayBufferLike, byteOffset: number, length: number): DTypeArray[D] {
  return new constructors[dtype](buffer, byteOffset, length);
}

/** A zeroed host array. */
export function zeros<D extends DType>(dtype: D, length: number): DTypeArray[D] {
  return arrayView(dtype, new ArrayBuffer(length * dtypeBytes[dtype]), 0, length);
}

export function isFloat(dtype: DType): boolean {
  return dtype === 'float64' || dtype === 'float32' || dtype === 'float16' || dtype === 'bfloat16';
}

/** The floats of 16 bits, which products may be computed in. */
export const narrowFloats = ['float16', 'bfloat16'] as const satisfies readonly DType[];
export type NarrowFloat = (typeof narrowFloats)[number];

export function isNarrowFloat(dtype: DType): dtype is NarrowFloat {
  return dtype === 'float16' || dtype === 'bfloat16';
}

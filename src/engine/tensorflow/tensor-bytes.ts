// Tensors into TensorFlow's memory and out of it, for every element type, though the binding knows only some.
import { at } from '#base';
import { type DType, dtypeBytes, type HostTensor, int32, int64, rawBytes, sizeOf } from '#tensor';
import type { Binding, TensorId } from './binding.ts';
import { attributeKind, elementType, largestInt32 } from './tensorflow-proto.ts';

/**
 * Where a tensor's bytes begin in the buffer that carries them.
 *
 * TensorFlow would read memory of JavaScript in place if it lay on a multiple of 64, and would give it back from a thread of its own; so it
 * never does.
 */
const carriedFrom = 4;

export interface CarriedTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The bytes from `carriedFrom` on. */
  readonly carrier: ArrayBuffer;
}

/** A copy that can be sent. */
export function carry(tensor: HostTensor): CarriedTensor {
  const bytes = rawBytes(tensor);
  const carrier = new ArrayBuffer(carriedFrom + bytes.length);
  new Uint8Array(carrier, carriedFrom).set(bytes);
  return { dtype: tensor.dtype, shape: [...tensor.shape], carrier };
}

/** Calls one op with one result. */
export function apply(
  binding: Binding,
  op: string,
  operands: readonly TensorId[],
  attributes: Readonly<Record<string, DType>> = {},
): TensorId {
  const types = Object.entries(attributes).map(([name, dtype]) => ({ name, type: attributeKind.type, value: elementType[dtype] }));
  return at(binding.executeOp(op, types, operands, 1), 0).id;
}

/** Frees `id` after the work, which is given it. */
export function using<Result>(binding: Binding, id: TensorId, work: (id: TensorId) => Result): Result {
  try {
    return work(id);
  } finally {
    binding.deleteTensor(id);
  }
}

/** [n] each, all int32 where that holds every number, and all int64 otherwise: ops want one type for their places and sizes. */
export function integerRows(binding: Binding, rows: readonly (readonly number[])[]): readonly TensorId[] {
  const isWide = rows.flat().some((value) => value > largestInt32);
  return rows.map((values) => createTensor(binding, carry((isWide ? int64 : int32)([values.length], values))));
}

function integers(binding: Binding, values: readonly number[]): TensorId {
  return at(integerRows(binding, [values]), 0);
}

export function reshape(binding: Binding, id: TensorId, shape: readonly number[]): TensorId {
  return using(binding, integers(binding, shape), (target) => apply(binding, 'Reshape', [id, target]));
}

function bitcast(binding: Binding, id: TensorId, dtype: DType): TensorId {
  return apply(binding, 'Bitcast', [id], { type: dtype });
}

/** A tensor with the carried bytes. */
export function createTensor(binding: Binding, { dtype, shape, carrier }: CarriedTensor): TensorId {
  const count = sizeOf(shape);
  const [words, bytes] = [
    (length: number) => new Int32Array(carrier, carriedFrom, length),
    (length: number) => new Uint8Array(carrier, carriedFrom, length),
  ];
  switch (dtype) {
    case 'float32':
      return binding.createTensor(shape, elementType.float32, new Float32Array(carrier, carriedFrom, count));
    case 'int32':
      return binding.createTensor(shape, elementType.int32, words(count));
    case 'int64':
      return binding.createTensor(shape, elementType.int64, words(2 * count));
    case 'bool':
    case 'uint8':
      return binding.createTensor(shape, elementType[dtype], bytes(count));
    // The same bits in a type that the binding takes.
    case 'float64':
      return using(binding, binding.createTensor(shape, elementType.int64, words(2 * count)), (id) => bitcast(binding, id, dtype));
    case 'int8':
      return using(binding, binding.createTensor(shape, elementType.uint8, bytes(count)), (id) => bitcast(binding, id, dtype));
    case 'float16':
    case 'bfloat16':
      return using(binding, binding.createTensor([...shape, 2], elementType.uint8, bytes(2 * count)), (id) => bitcast(binding, id, dtype));
  }
}

/** A tensor of zeros that is made on the device. */
export function createZeros(binding: Binding, dtype: DType, shape: readonly number[]): TensorId {
  const carrier = new ArrayBuffer(carriedFrom + dtypeBytes[dtype]);
  return using(binding, createTensor(binding, { dtype, shape: [], carrier }), (zero) =>
    using(binding, integers(binding, shape), (dims) => apply(binding, 'Fill', [dims, zero])),
  );
}

/** The tensor's bytes from the start of the buffer; a few more may follow. */
export function readBytes(binding: Binding, id: TensorId, dtype: DType, shape: readonly number[]): ArrayBuffer {
  const data = (readable: TensorId): ArrayBuffer => binding.tensorDataSync(readable).buffer as ArrayBuffer;
  switch (dtype) {
    case 'float32':
    case 'int32':
    case 'int64':
    case 'bool':
      return data(id);
    case 'float64':
      return using(binding, bitcast(binding, id, 'int64'), data);
    case 'float16':
    case 'bfloat16':
    case 'int8':
    case 'uint8':
      return readSmall(binding, id, dtype, sizeOf(shape), data);
  }
}

/** Elements of one or two bytes, some at a time as int32. */
function readSmall(binding: Binding, id: TensorId, dtype: DType, count: number, data: (id: TensorId) => ArrayBuffer): ArrayBuffer {
  const perWord = 4 / dtypeBytes[dtype];
  const padding = (perWord - (count % perWord)) % perWord;
  const flat = reshape(binding, id, [count]);
  const padded = using(binding, flat, () =>
    using(
      binding,
      using(binding, integers(binding, [0, padding]), (pair) => reshape(binding, pair, [1, 2])),
      (paddings) => apply(binding, 'Pad', [flat, paddings]),
    ),
  );
  const inWords = using(binding, padded, () => reshape(binding, padded, [(count + padding) / perWord, perWord]));
  return using(
    binding,
    using(binding, inWords, () => bitcast(binding, inWords, 'int32')),
    data,
  );
}

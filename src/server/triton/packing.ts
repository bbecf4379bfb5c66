// Elements to bytes and back, as the Open Inference Protocol packs them: little-endian, row-major, without gaps.
import { AppError, at } from '#base';
import type { InferTensorContents__Output } from '../gen/inference/InferTensorContents.ts';
import { type ContentsMember, type Datatype, datatypes } from './datatypes.ts';

/** Each element of BYTES has its length before it. */
const lengthBytes = 4;

/** @param place - the tensor, for the message */
export function refusal(place: string, fault: string): AppError {
  return new AppError('invalid_argument', `${place}: ${fault}`, { details: { field: place } });
}

/**
 * Elements of a tensor of this shape.
 *
 * @throws AppError `invalid_argument` for a negative or broken size, or for a product that no message could hold
 */
export function elementCount(shape: readonly number[], place: string): number {
  let count = 1;
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0) throw refusal(place, `shape [${shape.join(',')}] has a size that is no count.`);
    count *= size;
  }
  if (!Number.isSafeInteger(count)) throw refusal(place, `shape [${shape.join(',')}] has too many elements.`);
  return count;
}

/**
 * Checks that raw bytes hold so many elements, before anything is made of them.
 *
 * @throws AppError `invalid_argument`
 */
export function checkRaw(bytes: Uint8Array, datatype: Datatype, count: number, place: string): void {
  const size = datatypes[datatype].bytes;
  if (datatype === 'BYTES') countPacked(bytes, count, place);
  else if (bytes.length !== count * size)
    throw refusal(place, `${count} elements of ${datatype} are ${count * size} bytes, got ${bytes.length}.`);
}

/** Walks the lengths without keeping anything: a shape may promise more elements than there are bytes. */
function countPacked(bytes: Uint8Array, count: number, place: string): void {
  const view = viewOf(bytes);
  let offset = 0;
  let found = 0;
  while (offset < bytes.length && found < count) {
    if (offset + lengthBytes > bytes.length) throw refusal(place, `element ${found} ends inside its length.`);
    offset += lengthBytes + view.getUint32(offset, true);
    if (offset > bytes.length) throw refusal(place, `element ${found} is longer than what was sent.`);
    found++;
  }
  if (found !== count) throw refusal(place, `${count} elements of BYTES were promised, got ${found}.`);
  if (offset !== bytes.length) throw refusal(place, `${bytes.length - offset} bytes are left over behind ${count} elements of BYTES.`);
}

/** The elements of packed BYTES that `checkRaw` has passed; they share its memory. */
export function unpackBytes(bytes: Uint8Array): Uint8Array[] {
  const view = viewOf(bytes);
  const elements: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const start = offset + lengthBytes;
    offset = start + view.getUint32(offset, true);
    elements.push(bytes.subarray(start, offset));
  }
  return elements;
}

export function packBytes(elements: readonly Uint8Array[]): Buffer {
  const packed = Buffer.allocUnsafe(elements.reduce((sum, { length }) => sum + lengthBytes + length, 0));
  let offset = 0;
  for (const element of elements) {
    offset = packed.writeUInt32LE(element.length, offset);
    packed.set(element, offset);
    offset += element.length;
  }
  return packed;
}

/** UTF-8 texts as BYTES. */
export function packTexts(texts: readonly string[]): Buffer {
  return packBytes(texts.map((text) => Buffer.from(text)));
}

export function packFloats(values: ArrayLike<number>): Buffer {
  const packed = Buffer.allocUnsafe(values.length * 4);
  for (let index = 0; index < values.length; index++) packed.writeFloatLE(at(values, index), index * 4);
  return packed;
}

/** @throws AppError `invalid_argument` when a text is not UTF-8 */
export function unpackTexts(bytes: Uint8Array, place: string): string[] {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return unpackBytes(bytes).map((element, index) => {
    try {
      return decoder.decode(element);
    } catch (cause) {
      throw new AppError('bad_encoding', `${place}: element ${index} is not UTF-8.`, { cause, details: { field: place } });
    }
  });
}

/** The members that hold something. */
export function filledMembers(contents: InferTensorContents__Output): ContentsMember[] {
  return (Object.keys(contents) as ContentsMember[]).filter((member) => contents[member].length > 0);
}

/**
 * Typed contents as raw bytes.
 *
 * @throws AppError `invalid_argument` for contents of another type, another count, or an element out of its type's range
 */
export function packTyped(contents: InferTensorContents__Output, datatype: Datatype, count: number, place: string): Buffer {
  const { member, bytes } = datatypes[datatype];
  if (member === undefined) throw refusal(place, `${datatype} has no typed contents. Send it in raw_input_contents.`);
  const other = filledMembers(contents).find((filled) => filled !== member);
  if (other !== undefined) throw refusal(place, `contents of another type than ${datatype} are set.`);
  const found = contents[member].length;
  if (found !== count) throw refusal(place, `the shape promises ${count} elements, got ${found}.`);
  if (member === 'bytesContents') return packBytes(contents.bytesContents);
  const packed = Buffer.allocUnsafe(count * bytes);
  const write = writers[datatype as keyof typeof writers];
  const view = viewOf(packed);
  for (let index = 0; index < count; index++) {
    const value = Number(at<number | boolean | Uint8Array>(contents[member], index));
    if (!(write.fits?.(value) ?? true)) throw refusal(place, `element ${index} is out of the range of ${datatype}.`);
    write.put(view, index * bytes, value);
  }
  return packed;
}

interface Writer {
  put(view: DataView, offset: number, value: number): void;
  /** Absent where every value that can arrive fits. */
  readonly fits?: (value: number) => boolean;
}

const within =
  (least: number, most: number) =>
  (value: number): boolean =>
    value >= least && value <= most;

const writers: { readonly [D in Exclude<Datatype, 'BYTES' | 'FP16' | 'BF16'>]: Writer } = {
  BOOL: { put: (view, offset, value) => view.setUint8(offset, value) },
  INT8: { put: (view, offset, value) => view.setInt8(offset, value), fits: within(-(2 ** 7), 2 ** 7 - 1) },
  INT16: { put: (view, offset, value) => view.setInt16(offset, value, true), fits: within(-(2 ** 15), 2 ** 15 - 1) },
  INT32: { put: (view, offset, value) => view.setInt32(offset, value, true) },
  UINT8: { put: (view, offset, value) => view.setUint8(offset, value), fits: within(0, 2 ** 8 - 1) },
  UINT16: { put: (view, offset, value) => view.setUint16(offset, value, true), fits: within(0, 2 ** 16 - 1) },
  UINT32: { put: (view, offset, value) => view.setUint32(offset, value, true) },
  // Larger ones have lost their last digits before they come here: raw contents carry them.
  INT64: { put: (view, offset, value) => view.setBigInt64(offset, BigInt(value), true), fits: Number.isSafeInteger },
  UINT64: { put: (view, offset, value) => view.setBigUint64(offset, BigInt(value), true), fits: Number.isSafeInteger },
  FP32: { put: (view, offset, value) => view.setFloat32(offset, value, true) },
  FP64: { put: (view, offset, value) => view.setFloat64(offset, value, true) },
};

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

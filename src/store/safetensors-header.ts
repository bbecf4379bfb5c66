// The header of a safetensors file: what it must say, checked against the size of the file before anything is allocated.

import { z } from 'zod';
import { AppError } from '#base';
import { type DType, dtypeBytes, printShape } from '#tensor';
import { parseJson } from './json.ts';

/** Headers above this are refused, as the format's own library does. */
const maxHeaderBytes = 100 * 2 ** 20;

/** Our name of each element type of the format that we read. */
const dtypesByCode: Readonly<Record<string, DType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

const codesByDType = new Map(Object.entries(dtypesByCode).map(([code, dtype]) => [dtype, code]));

/** Where one tensor lies in its file. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** From the start of the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface SafetensorsHeader {
  /** By name, in the order of the file. */
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

export function badSafetensors(place: string, problem: string): AppError {
  return new AppError('bad_safetensors', `${place}: ${problem}. Download or write the checkpoint again.`);
}

/** The header's length from the first 8 bytes. @throws AppError `bad_safetensors` */
export function headerLength(prefix: Uint8Array, fileBytes: number, place: string): number {
  if (fileBytes < 8 || prefix.byteLength < 8)
    throw badSafetensors(place, `has ${fileBytes} bytes, fewer than the 8 of the header's length`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    throw badSafetensors(
      place,
      `says that its header has ${length} bytes, more than the ${maxHeaderBytes} allowed; it is no safetensors file`,
    );
  if (Number(length) + 8 > fileBytes)
    throw badSafetensors(place, `says that its header has ${length} bytes, but the whole file has only ${fileBytes}; it is cut short`);
  return Number(length);
}

/** Of a tensor; no checkpoint has more. */
const mostDimensions = 64;

const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.number().int().nonnegative()).max(mostDimensions),
  data_offsets: z.tuple([z.number().int().nonnegative(), z.number().int().nonnegative()]),
});

/**
 * Reads and checks a header. Tensors must lie one behind the other without gap or overlap and end with the file.
 *
 * @param bytes - the header alone, without its length
 * @throws AppError `bad_safetensors` naming the file, the tensor and the values
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number, place: string): SafetensorsHeader {
  if (bytes[0] !== 0x7b) throw badSafetensors(place, 'its header does not begin with "{"');
  const json = parseJson(bytes, 'bad_safetensors', `${place}: header`);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw badSafetensors(place, 'its header is not a JSON object');
  const dataStart = 8 + bytes.byteLength;
  const entries: SafetensorsEntry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(value, place);
    else entries.push(parseEntry(name, value, dataStart, place));
  }
  entries.sort((left, right) => left.offsetBytes - right.offsetBytes || left.sizeBytes - right.sizeBytes);
  checkLayout(entries, dataStart, fileBytes, place);
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

function parseMetadata(value: unknown, place: string): Readonly<Record<string, string>> {
  const result = z.record(z.string(), z.string()).safeParse(value);
  if (!result.success) throw badSafetensors(place, '"__metadata__" is not a map from text to text');
  return result.data;
}

function parseEntry(name: string, value: unknown, dataStart: number, place: string): SafetensorsEntry {
  const where = `${place}: tensor "${name}"`;
  const result = entrySchema.safeParse(value);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw badSafetensors(where, `its header entry is wrong at ${issue?.path.join('.') || 'the top'} (${issue?.message ?? 'invalid'})`);
  }
  const { dtype: code, shape, data_offsets: offsets } = result.data;
  const dtype = Object.hasOwn(dtypesByCode, code) ? dtypesByCode[code] : undefined;
  if (dtype === undefined)
    throw badSafetensors(where, `its element type is ${JSON.stringify(code)}; readable are ${Object.keys(dtypesByCode).join(', ')}`);
  const [begin, end] = offsets;
  const sizeBytes = shape.reduce((product, size) => product * size, dtypeBytes[dtype]);
  if (!Number.isSafeInteger(sizeBytes)) throw badSafetensors(where, `its shape ${printShape(shape)} overflows`);
  if (end - begin !== sizeBytes)
    throw badSafetensors(
      where,
      `${code} ${printShape(shape)} takes ${sizeBytes} bytes, but its offsets [${begin}, ${end}] span ${end - begin}`,
    );
  return { name, dtype, shape, offsetBytes: dataStart + begin, sizeBytes };
}

function checkLayout(entries: readonly SafetensorsEntry[], dataStart: number, fileBytes: number, place: string): void {
  let end = dataStart;
  let previous = 'the header';
  for (const { name, offsetBytes, sizeBytes } of entries) {
    const [from, to] = [offsetBytes - dataStart, end - dataStart];
    if (offsetBytes < end) throw badSafetensors(place, `tensor "${name}" begins at ${from} and overlaps ${previous}, which ends at ${to}`);
    if (offsetBytes > end) throw badSafetensors(place, `${offsetBytes - end} bytes between ${previous} and "${name}" belong to no tensor`);
    end = offsetBytes + sizeBytes;
    previous = `"${name}"`;
  }
  if (end > fileBytes)
    throw badSafetensors(place, `its header describes ${end} bytes, but the file has ${fileBytes}; it is cut short by ${end - fileBytes}`);
  if (end < fileBytes) throw badSafetensors(place, `${fileBytes - end} bytes after ${previous} belong to no tensor`);
}

/**
 * The header with its length, padded with spaces so that the data begins at a multiple of 8.
 *
 * `tensors` must be in file order, larger element types first, so that every tensor is aligned to its element size.
 */
export function encodeHeader(
  tensors: Iterable<readonly [name: string, tensor: { readonly dtype: DType; readonly shape: readonly number[] }]>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // A list of pairs and not an object: integer-like names would change places, and `__proto__` is a name like any other.
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let offset = 0;
  for (const [name, { dtype, shape }] of tensors) {
    const end = offset + shape.reduce((product, size) => product * size, dtypeBytes[dtype]);
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: codesByDType.get(dtype), shape, data_offsets: [offset, end] })}`);
    offset = end;
  }
  const text = Buffer.from(`{${fields.join(',')}}`);
  const length = Math.ceil(text.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(text, 8);
  return bytes;
}

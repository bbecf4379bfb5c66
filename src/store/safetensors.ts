// Reads and writes safetensors files, one tensor at a time, so that a checkpoint never takes twice its size in memory.
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { invariant, throwIfCancelled } from '#base';
import { arrayView, type DType, dtypeBytes, type HostTensor, hostTensor, rawBytes, sizeOf } from '#tensor';
import type { FolderWriter } from './folder-writer.ts';
import { readFailure } from './json.ts';
import {
  badSafetensors,
  encodeHeader,
  headerLength,
  parseHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from './safetensors-header.ts';

/** One system call reads at most this much; also how often a cancellation is noticed. */
const chunkBytes = 2 ** 26;

/** Bytes of an open file (its descriptor, offset and size) as memory that processes share; undefined where the system cannot do that. */
export type MapBytes = (file: number, offsetBytes: number, sizeBytes: number) => Uint8Array<ArrayBuffer> | undefined;

/** Smaller tensors are read: a mapping takes whole pages. */
const leastMappedBytes = 65_536;

/**
 * An open safetensors file whose header has been checked. Close it.
 *
 * Tensors are read on demand into their own, aligned memory, or lie in the file where it is mapped.
 */
export class SafetensorsReader {
  readonly header: SafetensorsHeader;
  /** Name of the file, without its folder. */
  readonly place: string;
  readonly #handle: FileHandle;
  readonly #map: MapBytes | undefined;

  private constructor(handle: FileHandle, header: SafetensorsHeader, place: string, map: MapBytes | undefined) {
    this.#handle = handle;
    this.#map = map;
    this.header = header;
    this.place = place;
  }

  /**
   * @param map - for files that nobody changes while their tensors are used
   * @throws AppError `file_not_found` | `file_not_allowed` | `bad_safetensors` naming the file, the tensor and the values
   */
  static async open(path: string, map?: MapBytes): Promise<SafetensorsReader> {
    const place = basename(path);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'r');
      const status = await handle.stat();
      if (!status.isFile()) throw badSafetensors(place, 'is not a file');
      const prefix = await readFully(handle, new Uint8Array(Math.min(8, status.size)), 0, place);
      const length = headerLength(prefix, status.size, place);
      const header = parseHeader(await readFully(handle, new Uint8Array(length), 8, place), status.size, place);
      return new SafetensorsReader(handle, header, place, map);
    } catch (thrown) {
      await handle?.close();
      throw readFailure(path, thrown);
    }
  }

  /**
   * Reads one tensor of the header.
   *
   * @throws AppError `bad_safetensors` when the file was cut short meanwhile, `cancelled`
   */
  async read(entry: SafetensorsEntry, signal?: AbortSignal): Promise<HostTensor> {
    const mapped = this.#mapped(entry);
    if (mapped !== undefined) return mapped;
    const bytes = new Uint8Array(new ArrayBuffer(entry.sizeBytes));
    await readFully(this.#handle, bytes, entry.offsetBytes, this.place, signal);
    return tensorOver(entry.dtype, entry.shape, bytes.buffer);
  }

  /**
   * Reads `count` rows of the first axis of a tensor, from row `first` on.
   *
   * @throws as `read`
   */
  async readRows(entry: SafetensorsEntry, first: number, count: number, signal?: AbortSignal): Promise<HostTensor> {
    const [numRows = 0, ...rest] = entry.shape;
    invariant(first >= 0 && count >= 0 && first + count <= numRows, `rows ${first} to ${first + count} are among the ${numRows}`);
    const rowBytes = dtypeBytes[entry.dtype] * sizeOf(rest);
    const bytes = new Uint8Array(new ArrayBuffer(count * rowBytes));
    await readFully(this.#handle, bytes, entry.offsetBytes + first * rowBytes, this.place, signal);
    return tensorOver(entry.dtype, [count, ...rest], bytes.buffer);
  }

  #mapped({ dtype, shape, offsetBytes, sizeBytes }: SafetensorsEntry): HostTensor | undefined {
    if (sizeBytes < leastMappedBytes || offsetBytes % dtypeBytes[dtype] !== 0) return undefined;
    const bytes = this.#map?.(this.#handle.fd, offsetBytes, sizeBytes);
    return bytes === undefined ? undefined : tensorOver(dtype, shape, bytes.buffer, bytes.byteOffset);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

function tensorOver<D extends DType>(dtype: D, shape: readonly number[], buffer: ArrayBuffer, offsetBytes = 0): HostTensor<D> {
  return hostTensor(dtype, shape, arrayView(dtype, buffer, offsetBytes, sizeOf(shape)));
}

async function readFully(
  handle: FileHandle,
  target: Uint8Array<ArrayBuffer>,
  position: number,
  place: string,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  for (let done = 0; done < target.byteLength; ) {
    if (signal !== undefined) throwIfCancelled(signal);
    const length = Math.min(chunkBytes, target.byteLength - done);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0)
      throw badSafetensors(place, `ends at byte ${position + done}, before the ${target.byteLength - done} bytes still to come`);
    done += bytesRead;
  }
  return target;
}

/** The tensors of a file by name, in the order of the file, and its metadata. */
export interface SafetensorsContent {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads a whole file.
 *
 * @throws AppError `file_not_found` | `file_not_allowed` | `bad_safetensors` | `cancelled`
 */
export async function readSafetensors(path: string, signal?: AbortSignal, map?: MapBytes): Promise<SafetensorsContent> {
  const reader = await SafetensorsReader.open(path, map);
  try {
    const tensors = new Map<string, HostTensor>();
    for (const entry of reader.header.entries.values()) tensors.set(entry.name, await reader.read(entry, signal));
    return { tensors, metadata: reader.header.metadata };
  } finally {
    await reader.close();
  }
}

/** A tensor that is made when it is written, so that converted copies need not be in memory together. */
export interface TensorSource {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The tensor itself, of exactly this type and shape. */
  make(): HostTensor;
}

/** A tensor that is there already. */
export function tensorSource(tensor: HostTensor): TensorSource {
  return { dtype: tensor.dtype, shape: tensor.shape, make: () => tensor };
}

/**
 * Writes a file: larger element types first, then by name, so that every tensor is aligned and equal content gives equal bytes.
 *
 * @throws what the file system throws
 */
export async function writeSafetensors(
  writer: FolderWriter,
  name: string,
  sources: ReadonlyMap<string, TensorSource>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  invariant(!sources.has('__metadata__'), 'no tensor is called __metadata__');
  const sorted = [...sources].sort(
    ([leftName, left], [rightName, right]) => dtypeBytes[right.dtype] - dtypeBytes[left.dtype] || (leftName < rightName ? -1 : 1),
  );
  await writer.write(name, fileParts(sorted, metadata));
}

function* fileParts(
  sorted: readonly (readonly [string, TensorSource])[],
  metadata: Readonly<Record<string, string>>,
): Generator<Uint8Array> {
  yield encodeHeader(sorted, metadata);
  for (const [name, source] of sorted) {
    const tensor = source.make();
    invariant(tensor.dtype === source.dtype && sizeOf(tensor.shape) === sizeOf(source.shape), `${name} is not what was declared`);
    yield rawBytes(tensor);
  }
}

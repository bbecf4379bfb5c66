// Parts of files as memory: read when they are touched, and one copy of them for all processes that map the same file.
import koffi from 'koffi';
import type { Pointer } from './c-api.ts';
import { systemLibrary } from './library.ts';

interface MappingLibrary {
  readonly map: (address: null, sizeBytes: number, protection: number, flags: number, file: number, offsetBytes: number) => Pointer;
  readonly unmap: (pointer: Pointer, sizeBytes: number) => number;
}

// Of Linux and macOS alike.
const [readable, writable, isPrivate] = [1, 2, 2];
const failed = 2n ** 64n - 1n;
/** Mappings begin at multiples of this, which any page size divides. */
const granularity = 65_536;

let library: MappingLibrary | undefined;

function mappingLibrary(): MappingLibrary {
  if (library === undefined) {
    const handle = systemLibrary();
    library = {
      map: handle.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64']) as MappingLibrary['map'],
      unmap: handle.func('munmap', 'int', ['void *', 'size_t']) as MappingLibrary['unmap'],
    };
  }
  return library;
}

interface Mapping {
  readonly pointer: Pointer;
  readonly sizeBytes: number;
}

/** Nobody says when the last view of a mapping goes: the collector does. */
const forgotten = new FinalizationRegistry<Mapping>(({ pointer, sizeBytes }) => mappingLibrary().unmap(pointer, sizeBytes));

/**
 * Bytes of an open file, as memory. Closing or deleting the file leaves them; the file must not be cut short meanwhile. What is written to them stays in this
 * process.
 *
 * @returns undefined where the system cannot do that: read the bytes instead
 */
export function mapFile(file: number, offsetBytes: number, sizeBytes: number): Uint8Array<ArrayBuffer> | undefined {
  if (process.platform === 'win32' || sizeBytes === 0) return undefined;
  const skipped = offsetBytes % granularity;
  const wholeBytes = skipped + sizeBytes;
  const pointer = mappingLibrary().map(null, wholeBytes, readable | writable, isPrivate, file, offsetBytes - skipped);
  if (pointer === null || BigInt.asUintN(64, pointer) === failed) return undefined;
  const memory = koffi.view(pointer, wholeBytes);
  forgotten.register(memory, { pointer, sizeBytes: wholeBytes });
  return new Uint8Array(memory, skipped, sizeBytes);
}

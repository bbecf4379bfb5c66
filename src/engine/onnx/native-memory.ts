// Memory that native code may keep: off-heap tables of pointers, C strings, zeroed blocks, and views of foreign memory.
import koffi from 'koffi';
import { AppError, at } from '#base';
import { type HostTensor, rawBytes } from '#tensor';
import type { Pointer, PointerArgument } from './c-api.ts';
import { systemLibrary } from './library.ts';

// Small typed arrays may live on the JavaScript heap, where the collector moves them; whole pages never do.
const pageBytes = 4096;

/** Off-heap memory of at least `sizeBytes`, zeroed. It must stay referenced for as long as native code may use it. */
export function offHeap(sizeBytes: number): ArrayBuffer {
  return new ArrayBuffer(Math.max(pageBytes, Math.ceil(sizeBytes / pageBytes) * pageBytes));
}

export const cacheLineBytes = 64;

/** Zeroed bytes that begin on a cache line. */
export function onCacheLine(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const memory = offHeap(sizeBytes + cacheLineBytes);
  const past = Number(addressOf(memory) % BigInt(cacheLineBytes));
  return new Uint8Array(memory, past === 0 ? 0 : cacheLineBytes - past, sizeBytes);
}

export function addressOf(memory: ArrayBufferLike): Pointer {
  return BigInt(koffi.address(memory));
}

// Arrays of more than this are never on the JavaScript heap, so they keep their address.
const heapBytes = 1024;

/** Where a tensor's numbers are, for as long as somebody references the tensor; undefined for small ones, which may be moved. */
export function hostAddress(tensor: HostTensor): Pointer | undefined {
  const bytes = rawBytes(tensor);
  return bytes.length > heapBytes ? addressOf(bytes.buffer) + BigInt(bytes.byteOffset) : undefined;
}

/** A table of pointers for arguments such as `OrtValue **`. */
export function pointerTable(pointers: readonly Pointer[]): BigUint64Array {
  const table = new BigUint64Array(offHeap(pointers.length * 8));
  table.set(pointers);
  return table;
}

export function int64Table(values: readonly number[]): BigInt64Array {
  const table = new BigInt64Array(offHeap(values.length * 8));
  for (const [index, value] of values.entries()) table[index] = BigInt(value);
  return table;
}

/** A `char **` whose texts and table stay at their addresses while the object is referenced. */
export class StringTable {
  readonly table: BigUint64Array;
  readonly address: Pointer;
  readonly #text: ArrayBuffer;

  constructor(texts: readonly string[]) {
    const encoded = texts.map((text) => Buffer.from(`${text}\0`, 'utf8'));
    this.#text = offHeap(encoded.reduce((total, bytes) => total + bytes.length, 0));
    const bytes = new Uint8Array(this.#text);
    const start = addressOf(this.#text);
    let offset = 0;
    this.table = pointerTable(
      encoded.map((text) => {
        bytes.set(text, offset);
        offset += text.length;
        return start + BigInt(offset - text.length);
      }),
    );
    this.address = addressOf(this.table.buffer);
  }
}

/** One pointer that a native call fills. */
export class OutPointer {
  readonly slot: BigUint64Array = new BigUint64Array(offHeap(8));

  get value(): Pointer {
    return at(this.slot, 0);
  }
}

const sharedOut = new OutPointer();

/** Calls a synchronous constructor of the C API and returns the pointer that it made. */
export function made(call: (out: PointerArgument) => void): Pointer {
  sharedOut.slot[0] = 0n;
  call(sharedOut.slot);
  return sharedOut.value;
}

/** The bytes at an address, as a view. Invariant: nobody keeps the view after the memory is given back. */
export function viewMemory(pointer: Pointer, sizeBytes: number): Uint8Array {
  return new Uint8Array(koffi.view(pointer, sizeBytes));
}

interface CLibrary {
  readonly calloc: (count: number, size: number) => Pointer | null;
  readonly free: (pointer: Pointer) => void;
}

let cLibrary: CLibrary | undefined;

function standardLibrary(): CLibrary {
  if (cLibrary === undefined) {
    const handle = systemLibrary();
    cLibrary = {
      calloc: handle.func('calloc', 'void *', ['size_t', 'size_t']) as CLibrary['calloc'],
      free: handle.func('free', 'void', ['void *']) as CLibrary['free'],
    };
  }
  return cLibrary;
}

/** A block of memory of the host or of a device. `free` may be called once. */
export interface NativeBlock {
  readonly pointer: Pointer;
  free(): void;
}

const alignment = 64n; // a cache line, which the runtime's kernels like best

/**
 * Zeroed memory from the C library.
 *
 * Large blocks are mapped lazily by the system: pages that are never touched cost nothing, and `free` gives them back.
 * @throws AppError `out_of_memory`
 */
export function zeroedBlock(sizeBytes: number): NativeBlock {
  const library = standardLibrary();
  const start = library.calloc(sizeBytes + Number(alignment), 1);
  if (start === null)
    throw new AppError(
      'out_of_memory',
      `onnx engine: no memory for a buffer of ${sizeBytes} bytes. Unload a model or use smaller batches.`,
    );
  return { pointer: ((start + alignment - 1n) / alignment) * alignment, free: () => library.free(start) };
}

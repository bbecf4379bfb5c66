// Memory that holds machine code: written first, then executable and never written again.
import { AppError } from '#base';
import type { Pointer } from '../c-api.ts';
import { systemLibrary } from '../library.ts';

const pageBytes = 4096;
const protection = { readWrite: 3, readExecute: 5 } as const;
/** MAP_PRIVATE | MAP_ANONYMOUS of Linux. */
const privateMemory = 0x22;
const failed = 2n ** 64n - 1n;

/**
 * Puts code where it can be called. It stays there for the life of the process.
 *
 * @throws AppError `engine_failure` where the system does not let a process make code
 */
export function makeExecutable(code: Uint8Array): Pointer {
  const library = systemLibrary();
  const map = library.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t']);
  const protect = library.func('mprotect', 'int', ['void *', 'size_t', 'int']);
  const copy = library.func('memcpy', 'void *', ['void *', 'void *', 'size_t']);
  const sizeBytes = Math.ceil(code.length / pageBytes) * pageBytes;
  const start = map(null, sizeBytes, protection.readWrite, privateMemory, -1, 0) as Pointer | null;
  if (start === null || BigInt.asUintN(64, start) === failed) throw new AppError('engine_failure', 'onnx engine: no memory for kernels.');
  copy(start, code, code.length);
  if (protect(start, sizeBytes, protection.readExecute) !== 0)
    throw new AppError('engine_failure', 'onnx engine: the system does not let this process make code executable.');
  return start;
}

// Finds and loads the ONNX Runtime library that ships in the onnxruntime-node package.
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';
import { AppError, at } from '#base';

const namePatterns: Readonly<Record<string, RegExp>> = {
  linux: /^libonnxruntime\.so\.1$/,
  darwin: /^libonnxruntime\.1\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

/** The folder that holds the runtime, where its provider libraries (CUDA) are looked for too. */
export function runtimeFolder(): string {
  const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
  return join(dirname(packageFile), 'bin', 'napi-v6', process.platform, process.arch);
}

/** Path of the runtime's own library. @throws AppError `provider_missing` on a platform the package does not carry */
function runtimeLibraryPath(): string {
  const folder = runtimeFolder();
  const pattern = namePatterns[process.platform];
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => pattern?.test(name)) : [];
  if (names.length === 0)
    throw new AppError(
      'provider_missing',
      `onnx engine: no ONNX Runtime library for ${process.platform}-${process.arch} in ${folder}. Install onnxruntime-node for this platform.`,
    );
  return join(folder, at(names, 0));
}

// Runs execute on the stack that koffi provides, and the runtime keeps tiles of matrix products there.
const asyncStackBytes = 4 * 1024 * 1024;

/** Invariant: a handle stays referenced for ever, because koffi unloads a collected library and the next call would jump into unmapped memory. */
const loaded = new Map<'runtime' | 'system', LibraryHandle>();

/** Loads the runtime once. */
export function loadRuntime(): LibraryHandle {
  return load('runtime', runtimeLibraryPath);
}

/** The C library of the system. */
export function systemLibrary(): LibraryHandle {
  return load('system', () => (process.platform === 'win32' ? 'ucrtbase.dll' : null));
}

function load(name: 'runtime' | 'system', path: () => string | null): LibraryHandle {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  // Once a library is loaded, nothing can be set any more.
  if (loaded.size === 0) koffi.config({ ...koffi.config(), async_stack_size: asyncStackBytes });
  const handle = koffi.load(path());
  loaded.set(name, handle);
  return handle;
}

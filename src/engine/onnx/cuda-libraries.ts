// CUDA's own libraries where they were fetched beside the provider: the system's loader would not look there.
import { closeSync, existsSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import koffi, { type LibraryHandle } from 'koffi';

/** Invariant: they stay referenced for ever, because koffi unloads a collected library. */
const loaded = new Map<string, LibraryHandle>();

/**
 * Loads what lies in `lib` beside the provider's file (a link is followed), so that the provider finds it by name.
 *
 * @returns the names that could not be loaded; the provider's own error says whether it needs them
 */
export function preloadCudaLibraries(providerPath: string): readonly string[] {
  const folder = join(dirname(realpathSync(providerPath)), 'lib');
  if (!existsSync(folder)) return [];
  let waiting = readdirSync(folder)
    .filter((name) => /\.so(\.\d+)*$/.test(name))
    .map((name) => join(folder, name))
    .filter((path) => !loaded.has(path));
  // They need each other: whatever finds its own by now loads, until nothing more does.
  for (;;) {
    const left = waiting.filter((path) => !load(path));
    if (left.length === 0 || left.length === waiting.length) return left;
    waiting = left;
  }
}

function load(path: string): boolean {
  try {
    loaded.set(path, koffi.load(path, { lazy: true }));
    return true;
  } catch {
    return false;
  }
}

const isOfVersion = new Map<string, boolean>();
const pieceBytes = 1 << 24;

/** Whether a provider's file names the version of the runtime: one of another version would crash the process that loads it. */
export function namesVersion(path: string, version: string): boolean {
  const key = `${version} ${path}`;
  const known = isOfVersion.get(key);
  if (known !== undefined) return known;
  const found = contains(path, Buffer.from(version));
  isOfVersion.set(key, found);
  return found;
}

function contains(path: string, wanted: Buffer): boolean {
  const file = openSync(path, 'r');
  try {
    const piece = Buffer.alloc(pieceBytes);
    // What stands across the border of two pieces is read with the second.
    for (let position = 0; ; position += pieceBytes - wanted.length) {
      const length = readSync(file, piece, 0, pieceBytes, position);
      if (piece.subarray(0, length).includes(wanted)) return true;
      if (length < pieceBytes) return false;
    }
  } finally {
    closeSync(file);
  }
}

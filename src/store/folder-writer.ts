// Writes the files of a new folder: each synced, measured and hashed on the way.
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { AppError } from '#base';
import type { FileSystem } from './file-system.ts';

/** What was written under one name. */
export interface FileDigest {
  readonly sizeBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Written and hashed at a time: hashing holds up the event loop. */
const pieceBytes = 2 ** 24;

/** Writes files into one folder and remembers their digests. */
export class FolderWriter {
  readonly folder: string;
  readonly fileSystem: FileSystem;
  readonly #digests = new Map<string, FileDigest>();
  #totalBytes = 0;

  constructor(fileSystem: FileSystem, folder: string) {
    this.fileSystem = fileSystem;
    this.folder = folder;
  }

  /** By file name. */
  get digests(): ReadonlyMap<string, FileDigest> {
    return this.#digests;
  }

  /** Bytes written so far, over all files. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Writes one file from its parts, in order, without joining them. */
  async write(name: string, parts: Iterable<Uint8Array>): Promise<void> {
    const file = await this.fileSystem.createFile(join(this.folder, name));
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      for (const part of parts) {
        for (let offset = 0; offset < part.byteLength; offset += pieceBytes) {
          const piece = part.subarray(offset, offset + pieceBytes);
          await file.write(piece);
          hash.update(piece);
        }
        sizeBytes += part.byteLength;
        this.#totalBytes += part.byteLength;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    this.#digests.set(name, { sizeBytes, sha256: hash.digest('hex') });
  }

  writeText(name: string, text: string): Promise<void> {
    return this.write(name, [Buffer.from(text)]);
  }

  /** Two spaces of indentation and a newline at the end, as people and diff tools like it. */
  writeJson(name: string, value: unknown): Promise<void> {
    return this.writeText(name, `${JSON.stringify(value, null, 2)}\n`);
  }
}

/** Names the place and the bytes in an error of the operating system; a full disk says that nothing was kept. */
export function writeFailure(place: string, writtenBytes: number, thrown: unknown): AppError {
  const error = AppError.from(thrown);
  if (error.code === 'disk_full')
    return new AppError(
      'disk_full',
      `${place}: the disk was full after ${writtenBytes} bytes; nothing was kept. Free space and try again.`,
      {
        details: { writtenBytes },
        cause: thrown,
      },
    );
  if (error.code === 'file_not_allowed' || error.code === 'file_not_found')
    return new AppError(
      error.code,
      `${place}: ${thrown instanceof Error ? thrown.message : String(thrown)}. Check the path and its permissions.`,
      {
        cause: thrown,
      },
    );
  return error;
}

/**
 * Writes a folder under a temporary name, syncs it and gives it to `commit`, which renames it into place.
 *
 * Whatever fails, the temporary folder is removed: nothing half-written stays.
 *
 * @throws AppError `disk_full` | `file_not_allowed` naming `place`, or what `fill` throws
 */
export async function writeFolder<Result>(
  fileSystem: FileSystem,
  temporary: string,
  place: string,
  fill: (writer: FolderWriter) => Promise<void>,
  commit: (writer: FolderWriter) => Promise<Result>,
): Promise<Result> {
  const writer = new FolderWriter(fileSystem, temporary);
  try {
    await fileSystem.makeFolder(temporary);
    await fill(writer);
    await fileSystem.syncFolder(temporary);
    return await commit(writer);
  } catch (thrown) {
    const failure = writeFailure(place, writer.totalBytes, thrown);
    // The first failure is the one to tell; a folder that cannot be removed either is cleaned up at the next start.
    await fileSystem.remove(temporary).catch(() => {});
    throw failure;
  }
}

/** Renames into place and syncs the parent, so that the new name survives a power cut. */
export async function renameDurably(fileSystem: FileSystem, from: string, to: string): Promise<void> {
  await fileSystem.rename(from, to);
  await fileSystem.syncFolder(dirname(to));
}

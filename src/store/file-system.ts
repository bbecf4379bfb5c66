// The few operations that change the disk, as an interface, so that a full or failing disk can be tested.
import { mkdir, open, rename, rm } from 'node:fs/promises';

/** A file that is being written from its start. */
export interface WritableFile {
  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Returns when the content has reached the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Everything the store does to a disk. Failures are the operating system's (`ENOSPC` and so on). */
export interface FileSystem {
  /** Creates a file; fails if the path exists. */
  createFile(path: string): Promise<WritableFile>;
  /** Creates a folder and its parents; does nothing if it exists. */
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with its content; does nothing if it does not exist. */
  remove(path: string): Promise<void>;
  /** Returns when the entries of the folder (names, renames) have reached the disk. */
  syncFolder(path: string): Promise<void>;
}

/** One call writes at most this much, below the 2 GiB limit of the system call. */
const chunkBytes = 2 ** 28;

/** The real disk. */
export const localFileSystem: FileSystem = {
  async createFile(path) {
    const handle = await open(path, 'wx');
    return {
      async write(bytes) {
        for (let offset = 0; offset < bytes.byteLength; ) {
          const length = Math.min(chunkBytes, bytes.byteLength - offset);
          const { bytesWritten } = await handle.write(bytes, offset, length, null);
          offset += bytesWritten;
        }
      },
      sync: () => handle.sync(),
      close: () => handle.close(),
    };
  },
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  rename,
  remove: (path) => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  async syncFolder(path) {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

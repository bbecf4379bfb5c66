// Answers of a frozen model in the work folder of a job: one file that only grows, read back by key after a restart.
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, invariant } from '#base';
import type { ActivationStore, ActivationStoreOptions } from '#compress';

const fileName = 'answers.bin';
/** In front of the file: SHA-256 of the fingerprint. */
const headBytes = 32;
/** In front of a record: its key [32], its length [8], and the beginning of the SHA-256 of its content [8]. */
const recordHeadBytes = 48;
const keyBytes = 32;

interface KeptAnswer {
  /** Of the content. */
  readonly offset: number;
  readonly length: number;
  readonly checksum: string;
}

/** The folder of one step. */
export class ActivationFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws AppError `file_not_allowed` and the like, as the disk says */
  async open(options: ActivationStoreOptions): Promise<ActivationStore> {
    await mkdir(this.#folder, { recursive: true });
    return await ActivationFile.open(join(this.#folder, fileName), options);
  }

  async clear(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Records one after the other. What a killed process left half-written at the end is cut off, and a record whose content does not have its checksum
 * counts as absent.
 *
 * Nothing is flushed to the disk: after a loss of power the answers are made again.
 */
class ActivationFile implements ActivationStore {
  readonly #file: FileHandle;
  readonly #records: Map<string, KeptAnswer>;
  readonly #limitBytes: number;
  #end: number;
  #isFull = false;

  private constructor(file: FileHandle, records: Map<string, KeptAnswer>, size: number, limitBytes: number) {
    this.#file = file;
    this.#records = records;
    this.#end = size;
    this.#limitBytes = limitBytes;
  }

  static async open(path: string, { fingerprint, limitBytes }: ActivationStoreOptions): Promise<ActivationFile> {
    const file = await open(path, 'a+').then(async (created) => {
      await created.close();
      return await open(path, 'r+');
    });
    const head = createHash('sha256').update(fingerprint).digest();
    const known = Buffer.alloc(headBytes);
    await file.read(known, 0, headBytes, 0);
    if (!known.equals(head)) {
      await file.truncate(0);
      await file.write(head, 0, headBytes, 0);
    }
    const { size } = await file.stat();
    const records = new Map<string, KeptAnswer>();
    let end = headBytes;
    const recordHead = Buffer.alloc(recordHeadBytes);
    while (end + recordHeadBytes <= size) {
      await file.read(recordHead, 0, recordHeadBytes, end);
      const length = Number(recordHead.readBigUInt64LE(keyBytes));
      if (end + recordHeadBytes + length > size) break;
      const checksum = recordHead.subarray(keyBytes + 8).toString('hex');
      records.set(recordHead.subarray(0, keyBytes).toString('hex'), { offset: end + recordHeadBytes, length, checksum });
      end += recordHeadBytes + length;
    }
    await file.truncate(end);
    return new ActivationFile(file, records, end, limitBytes);
  }

  get size(): number {
    return this.#records.size;
  }

  async read(key: string): Promise<Uint8Array | undefined> {
    const record = this.#records.get(key);
    if (record === undefined) return undefined;
    const bytes = new Uint8Array(record.length);
    const { bytesRead } = await this.#file.read(bytes, 0, record.length, record.offset);
    if (bytesRead === record.length && checksumOf(bytes) === record.checksum) return bytes;
    this.#records.delete(key);
    return undefined;
  }

  async write(key: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#records.has(key)) return true;
    const head = Buffer.alloc(recordHeadBytes);
    invariant(head.write(key, 'hex') === keyBytes, 'keys are SHA-256 in hexadecimal');
    const checksum = checksumOf(bytes);
    head.writeBigUInt64LE(BigInt(bytes.length), keyBytes);
    head.write(checksum, keyBytes + 8, 'hex');
    if (this.#isFull || this.#end + head.length + bytes.length > this.#limitBytes) {
      this.#isFull = true;
      return false;
    }
    try {
      await this.#file.write(head, 0, head.length, this.#end);
      await this.#file.write(bytes, 0, bytes.length, this.#end + head.length);
    } catch (thrown) {
      // A full disk is a cache without room, and no reason to stop.
      if (AppError.from(thrown).code !== 'disk_full') throw thrown;
      await this.#file.truncate(this.#end);
      this.#isFull = true;
      return false;
    }
    this.#records.set(key, { offset: this.#end + head.length, length: bytes.length, checksum });
    this.#end += head.length + bytes.length;
    return true;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

function checksumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

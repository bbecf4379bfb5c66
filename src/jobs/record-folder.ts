// Plain JSON that the steps of a compress job noted, in its work folder: one file a record, replaced by a rename.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '#base';
import type { RecordMemory } from '#compress';
import { otherWork } from './work-fingerprint.ts';

interface StoredRecord {
  readonly fingerprint: string;
  readonly key: string;
  readonly record: unknown;
}

export class RecordFolder implements RecordMemory {
  readonly #folder: string;
  readonly #fingerprint: string;
  readonly #prefix: string;

  /**
   * @param fingerprint - of everything that decides the records; one of another run is refused
   * @param prefix - of all keys, so that several memories share a folder
   */
  constructor(folder: string, fingerprint: string, prefix = '') {
    this.#folder = folder;
    this.#fingerprint = fingerprint;
    this.#prefix = prefix;
  }

  /** @throws AppError `resume_mismatch` for a record of another model, recipe or data */
  async recall(key: string): Promise<unknown> {
    const text = await readFile(this.#path(key), 'utf8').catch(() => undefined);
    const stored = text === undefined ? undefined : readRecord(text);
    // One that is missing or damaged costs its work, which is done again.
    if (stored === undefined || stored.key !== this.#prefix + key) return undefined;
    if (stored.fingerprint !== this.#fingerprint) throw new AppError('resume_mismatch', `${key}: was noted ${otherWork}. Start a new job.`);
    return stored.record;
  }

  async remember(key: string, record: unknown): Promise<void> {
    const path = this.#path(key);
    const stored: StoredRecord = { fingerprint: this.#fingerprint, key: this.#prefix + key, record };
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(`${path}.new`, JSON.stringify(stored), { flush: true });
      await rename(`${path}.new`, path);
    } catch (error) {
      throw AppError.from(error);
    }
  }

  #path(key: string): string {
    return join(
      this.#folder,
      `${createHash('sha256')
        .update(this.#prefix + key)
        .digest('hex')
        .slice(0, 32)}.json`,
    );
  }
}

function readRecord(text: string): StoredRecord | undefined {
  try {
    return JSON.parse(text) as StoredRecord;
  } catch {
    return undefined;
  }
}

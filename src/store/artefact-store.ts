// A store of models in a local folder: content-addressed, atomic, with immutable versions under names.
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type Clock, faultPoint, invariant, type OperationContext, quietContext, systemClock } from '#base';
import { parameterCounts } from '#models';
import { type ArtefactContent, type ArtefactMeta, readArtefact, readArtefactMeta, writeArtefact } from './artefact.ts';
import { type FileSystem, localFileSystem } from './file-system.ts';
import { type FolderWriter, renameDurably, writeFailure, writeFolder } from './folder-writer.ts';
import { readBytes } from './json.ts';
import { type FileLock, isAlive, tryLock } from './lock.ts';
import { type Manifest, manifestBytes, manifestFile, manifestHash, readManifest, verifyFiles } from './manifest.ts';
import {
  type ArtefactVersion,
  checkName,
  type NameRecord,
  parseNameRecord,
  parseReference,
  type Reference,
  selectVersion,
} from './names.ts';
import type { MapBytes } from './safetensors.ts';

/** An artefact as it was loaded. */
export interface StoredArtefact extends ArtefactContent {
  readonly version: ArtefactVersion;
}

/** The right to write a name, held until released: at most one in all processes. */
export interface Reservation {
  readonly name: string;
  release(): Promise<void>;
}

export interface StoreListing {
  /** Every version of every name, by name, oldest first. */
  readonly versions: readonly ArtefactVersion[];
  /** Names whose record cannot be read, with the reason. */
  readonly damaged: readonly { readonly name: string; readonly problem: string }[];
}

export interface LocalStoreOptions {
  readonly fileSystem?: FileSystem;
  readonly clock?: Clock;
  /** Maps large weights, which then share their memory with other processes. Default: they are read. */
  readonly map?: MapBytes;
}

export interface SaveOptions extends Partial<OperationContext> {
  /** Of this name, when the caller holds it already; else the name is reserved for the call. */
  readonly reservation?: Reservation;
  /** Looks at the finished files before they get their name; what it throws ends the saving and nothing is kept. */
  readonly verify?: (folder: string, hash: string) => Promise<void>;
}

/** How long a change of names waits for another to finish: milliseconds, or as long as hashing content that was there already. */
const storeLockTimeoutMs = 60_000;
const storeLockPollMs = 10;

/** Temporary folders that this process is writing, in all stores; others under its process id are of an earlier process. */
const activeTemporaries = new Set<string>();

/**
 * Layout below the root:
 *
 *     objects/<hash>/    one artefact, never changed; the hash is over its manifest
 *     names/<name>.json  the versions of a name, replaced by a rename
 *     locks/<name>.lock  a reservation
 *     temp/<pid>-<id>/   an artefact that is being written
 *
 * Invariant: a version is listed only after its object is whole and on the disk. Objects that no version names are removed.
 */
export class LocalStore {
  readonly root: string;
  readonly #fileSystem: FileSystem;
  readonly #clock: Clock;
  readonly #map: MapBytes | undefined;

  private constructor(root: string, fileSystem: FileSystem, clock: Clock, map: MapBytes | undefined) {
    this.#map = map;
    this.root = root;
    this.#fileSystem = fileSystem;
    this.#clock = clock;
  }

  /**
   * Opens or creates a store, and removes what killed processes left half-written.
   *
   * @throws AppError `file_not_allowed` | `disk_full` | `unavailable`
   */
  static async open(root: string, { fileSystem = localFileSystem, clock = systemClock, map }: LocalStoreOptions = {}): Promise<LocalStore> {
    const store = new LocalStore(root, fileSystem, clock, map);
    try {
      for (const folder of ['objects', 'names', 'locks', 'temp']) await fileSystem.makeFolder(join(root, folder));
      await store.#exclusively(async () => {
        await store.#removeStaleTemporaries();
        await store.#removeUnreferenced();
      });
      return store;
    } catch (thrown) {
      throw writeFailure('opening the store', 0, thrown);
    }
  }

  /**
   * Reserves a name, so that two jobs never write it at once.
   *
   * @throws AppError `bad_name` | `name_taken`
   */
  async reserve(name: string): Promise<Reservation> {
    checkName(name);
    const lock = await tryLock(join(this.root, 'locks', `${name}.lock`)).catch((thrown: unknown) => {
      throw writeFailure(`reserving "${name}"`, 0, thrown);
    });
    if (lock === undefined)
      throw new AppError('name_taken', `"${name}": another job is writing this name. Wait for it or choose another name.`, {
        details: { name },
      });
    return { name, release: () => lock.release() };
  }

  /**
   * Saves a model as a new version of a name; the same content again is the version that is there.
   *
   * @throws AppError `bad_name` | `name_taken` | `disk_full` | `file_not_allowed` | `cancelled`; nothing is kept then
   */
  async saveArtefact(name: string, content: ArtefactContent, options: SaveOptions = {}): Promise<ArtefactVersion> {
    const { reservation } = options;
    invariant(reservation === undefined || reservation.name === name, `the reservation is for ${reservation?.name}, not for ${name}`);
    const held = reservation ?? (await this.reserve(name));
    const temporaryName = `${process.pid}-${randomUUID()}`;
    activeTemporaries.add(temporaryName);
    try {
      const temporary = join(this.root, 'temp', temporaryName);
      return await writeFolder(
        this.#fileSystem,
        temporary,
        `saving "${name}"`,
        async (writer) => {
          await writeArtefact(writer, content, { ...quietContext, ...options });
          const manifest = manifestFile(writer.digests);
          await writer.writeJson(manifest.name, manifest.json);
        },
        async (writer) => {
          await options.verify?.(writer.folder, manifestHash(filesOf(writer)));
          return await this.#exclusively(() => this.#publish(name, content, writer));
        },
      );
    } finally {
      activeTemporaries.delete(temporaryName);
      if (reservation === undefined) await held.release();
    }
  }

  /**
   * Loads `name` (its latest version) or `name@version` after checking every byte against its digest.
   *
   * @throws AppError `bad_name` | `model_not_found` | `bad_artefact` | `config_mismatch` | `cancelled`
   */
  async loadArtefact(reference: string, { signal }: Pick<OperationContext, 'signal'> = quietContext): Promise<StoredArtefact> {
    const version = await this.resolve(reference);
    return { version, ...(await readArtefactFolder(this.folderOf(version.hash), version.hash, signal, this.#map)) };
  }

  /** The version that a reference means. @throws AppError `bad_name` | `model_not_found` | `bad_artefact` */
  async resolve(reference: string): Promise<ArtefactVersion> {
    const parsed = parseReference(reference);
    return selectVersion(parsed, await this.#readName(parsed.name));
  }

  /** What is recorded about a model, without reading its weights. @throws as `resolve` */
  async readMeta(reference: string): Promise<ArtefactMeta> {
    const { hash } = await this.resolve(reference);
    await readManifest(this.folderOf(hash), hash);
    return readArtefactMeta(this.folderOf(hash));
  }

  /** All versions of all names. A damaged record is reported and does not hide the others. */
  async list(): Promise<StoreListing> {
    const versions: ArtefactVersion[] = [];
    const damaged: { name: string; problem: string }[] = [];
    for (const name of await this.#names()) {
      try {
        versions.push(...((await this.#readName(name))?.versions ?? []));
      } catch (thrown) {
        damaged.push({ name, problem: AppError.from(thrown).message });
      }
    }
    return { versions, damaged };
  }

  /**
   * Deletes a version, or a name with all its versions. Content that another version has too stays.
   *
   * @throws AppError `bad_name` | `model_not_found` | `name_taken` while a job writes the name
   */
  async deleteArtefact(reference: string): Promise<void> {
    const parsed = parseReference(reference);
    const reservation = await this.reserve(parsed.name);
    try {
      await this.#exclusively(async () => {
        const remaining = await this.#recordWithout(parsed);
        if (remaining === undefined) await this.#removeName(parsed.name);
        else await this.#writeName(remaining);
        await this.#removeUnreferenced();
      });
    } catch (thrown) {
      throw writeFailure(`deleting "${reference}"`, 0, thrown);
    } finally {
      await reservation.release();
    }
  }

  /** The folder of an artefact's files. */
  folderOf(hash: string): string {
    return join(this.root, 'objects', hash);
  }

  /** Gives a finished folder its address and its name. Runs exclusively. */
  async #publish(name: string, { model }: ArtefactContent, writer: FolderWriter): Promise<ArtefactVersion> {
    const files = filesOf(writer);
    const hash = manifestHash(files);
    const record = await this.#readName(name);
    const isNew = await this.#placeObject(writer.folder, hash);
    const latest = record?.versions.at(-1);
    if (latest?.hash === hash) return latest;
    const version: ArtefactVersion = {
      name,
      version: record?.nextVersion ?? 1,
      hash,
      created: new Date(this.#clock.nowMs()).toISOString(),
      architecture: model.config.architecture,
      storedBytes: parameterCounts(model).storedBytes,
      artefactBytes: manifestBytes(files),
    };
    try {
      await faultPoint('publish');
      await this.#writeName({ name, nextVersion: version.version + 1, versions: [...(record?.versions ?? []), version] });
    } catch (thrown) {
      if (isNew) await this.#fileSystem.remove(this.folderOf(hash));
      throw thrown;
    }
    return version;
  }

  /** Moves a folder to its address. Equal content that is there and whole is kept instead; answers whether the folder is new. */
  async #placeObject(temporary: string, hash: string): Promise<boolean> {
    const target = this.folderOf(hash);
    const exists = (await readdir(join(this.root, 'objects'))).includes(hash);
    if (exists) {
      const isWhole = await verifyFiles(target, hash, quietContext.signal).then(
        () => true,
        () => false,
      );
      await this.#fileSystem.remove(isWhole ? temporary : target);
      if (isWhole) return false;
    }
    await renameDurably(this.#fileSystem, temporary, target);
    return !exists;
  }

  async #names(): Promise<string[]> {
    const files = await readdir(join(this.root, 'names'));
    return files
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort();
  }

  #namePath(name: string): string {
    return join(this.root, 'names', `${name}.json`);
  }

  async #readName(name: string): Promise<NameRecord | undefined> {
    try {
      return parseNameRecord(await readBytes(this.#namePath(name)), name);
    } catch (thrown) {
      if (thrown instanceof AppError && thrown.code === 'file_not_found') return undefined;
      throw thrown;
    }
  }

  async #writeName(record: NameRecord): Promise<void> {
    const temporary = join(this.root, 'temp', `${process.pid}-${randomUUID()}`);
    try {
      const file = await this.#fileSystem.createFile(temporary);
      try {
        await file.write(Buffer.from(`${JSON.stringify(record, null, 2)}\n`));
        await file.sync();
      } finally {
        await file.close();
      }
      await renameDurably(this.#fileSystem, temporary, this.#namePath(record.name));
    } catch (thrown) {
      await this.#fileSystem.remove(temporary).catch(() => {});
      throw thrown;
    }
  }

  /** What is left of a name's record without the version, or undefined when nothing is. */
  async #recordWithout(reference: Reference): Promise<NameRecord | undefined> {
    if (reference.version === undefined) {
      // Not read first: a damaged record can be deleted too.
      if (!(await this.#names()).includes(reference.name)) selectVersion(reference, undefined);
      return undefined;
    }
    const record = await this.#readName(reference.name);
    const selected = selectVersion(reference, record);
    const versions = record?.versions.filter(({ version }) => version !== selected.version) ?? [];
    return record === undefined || versions.length === 0 ? undefined : { ...record, versions };
  }

  async #removeName(name: string): Promise<void> {
    await this.#fileSystem.remove(this.#namePath(name));
    await this.#fileSystem.syncFolder(join(this.root, 'names'));
  }

  /** Removes the objects that no version names. Runs exclusively. */
  async #removeUnreferenced(): Promise<void> {
    const { versions, damaged } = await this.list();
    // A record that cannot be read may name any of them.
    if (damaged.length > 0) return;
    const named = new Set(versions.map(({ hash }) => hash));
    for (const hash of await readdir(join(this.root, 'objects'))) if (!named.has(hash)) await this.#fileSystem.remove(this.folderOf(hash));
  }

  async #removeStaleTemporaries(): Promise<void> {
    for (const temporary of await readdir(join(this.root, 'temp'))) {
      const processId = Number.parseInt(temporary, 10);
      const isActive = processId === process.pid ? activeTemporaries.has(temporary) : processId > 0 && isAlive(processId);
      if (!isActive) await this.#fileSystem.remove(join(this.root, 'temp', temporary));
    }
  }

  /** Runs a change of names and objects while no other runs, in this process or another. */
  async #exclusively<Result>(change: () => Promise<Result>): Promise<Result> {
    const lock = await this.#waitForLock();
    try {
      return await change();
    } finally {
      await lock.release();
    }
  }

  async #waitForLock(): Promise<FileLock> {
    const path = join(this.root, 'store.lock');
    const startMs = performance.now();
    for (;;) {
      const lock = await tryLock(path);
      if (lock !== undefined) return lock;
      if (performance.now() - startMs > storeLockTimeoutMs)
        throw new AppError('unavailable', `the store has been locked by another process for ${storeLockTimeoutMs} ms. Try again later.`);
      await new Promise((resolve) => setTimeout(resolve, storeLockPollMs));
    }
  }
}

/** What the manifest lists. */
function filesOf({ digests }: FolderWriter): Manifest {
  return new Map([...digests].filter(([file]) => file !== manifestFile(new Map()).name));
}

/**
 * Reads an artefact from its folder after checking every byte against the address.
 *
 * @param map - maps large weights in place of reading them
 * @throws AppError `bad_artefact` | `config_mismatch` | `cancelled`
 */
export async function readArtefactFolder(folder: string, hash: string, signal: AbortSignal, map?: MapBytes): Promise<ArtefactContent> {
  const manifest = await verifyFiles(folder, hash, signal);
  return await readArtefact(folder, manifest.keys(), signal, map);
}

// Checkpoints of a training job in its work folder: the newest two, each with checksums and put there by a rename.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, faultPoint } from '#base';
import {
  digestOf,
  type FileSystem,
  localFileSystem,
  readSafetensors,
  renameDurably,
  tensorSource,
  writeFolder,
  writeSafetensors,
} from '#store';
import type { Checkpoint, CheckpointKeeper, TrainingProgress } from '#train';
import { otherWork } from './work-fingerprint.ts';

const tensorsFile = 'state.safetensors';
const progressFile = 'progress.json';

/** Checkpoints that are kept: where the newest is damaged, the one before it serves. */
const numKept = 2;

interface SavedProgress {
  readonly fingerprint: string;
  readonly progress: TrainingProgress;
  /** SHA-256 of the tensors' file. */
  readonly tensors: string;
}

/** Keeps checkpoints as folders `step-<n>`; older ones go when newer ones are whole. */
export class FolderCheckpoints implements CheckpointKeeper {
  readonly #folder: string;
  /** What the run must have been started with; a checkpoint of another run is refused. */
  readonly #fingerprint: string;
  readonly #fileSystem: FileSystem;

  constructor(folder: string, fingerprint: string, fileSystem: FileSystem = localFileSystem) {
    this.#folder = folder;
    this.#fingerprint = fingerprint;
    this.#fileSystem = fileSystem;
  }

  /** Where they are; it may not be there yet. */
  get folder(): string {
    return this.#folder;
  }

  async save({ progress, tensors }: Checkpoint): Promise<void> {
    const target = join(this.#folder, `step-${progress.step}`);
    const older = (await this.#steps()).filter((step) => step !== progress.step).sort((a, b) => b - a);
    const temporary = join(this.#folder, `writing-${progress.step}`);
    // A process that was killed while it saved this step left it half-written.
    await this.#fileSystem.remove(temporary);
    await writeFolder(
      this.#fileSystem,
      temporary,
      'saving a checkpoint',
      async (writer) => {
        await writeSafetensors(writer, tensorsFile, new Map([...tensors].map(([name, tensor]) => [name, tensorSource(tensor)])));
        const saved: SavedProgress = { fingerprint: this.#fingerprint, progress, tensors: writer.digests.get(tensorsFile)?.sha256 ?? '' };
        await writer.writeJson(progressFile, { ...saved, check: checkOf(saved) });
      },
      async (writer) => {
        // A step that is saved twice, at its turn and on being stopped, has the same content.
        await this.#fileSystem.remove(target);
        await faultPoint('checkpoint');
        await renameDurably(this.#fileSystem, writer.folder, target);
      },
    );
    for (const step of older.slice(numKept - 1)) await this.#fileSystem.remove(join(this.#folder, `step-${step}`));
  }

  /**
   * The newest checkpoint that is whole.
   *
   * @throws AppError `resume_mismatch` for a checkpoint of other models, data or settings; `bad_artefact` when all are damaged
   */
  async load(): Promise<Checkpoint | undefined> {
    const steps = (await this.#steps()).sort((a, b) => b - a);
    let damage: unknown;
    for (const step of steps) {
      try {
        return await this.#read(step);
      } catch (error) {
        if (error instanceof AppError && error.code === 'resume_mismatch') throw error;
        damage ??= error;
      }
    }
    if (damage === undefined) return undefined;
    const which = steps.length === 1 ? `checkpoint of step ${steps[0]}` : `checkpoints of steps ${steps.join(' and ')}`;
    throw new AppError('bad_artefact', `${which}: cannot be read. Start a new job.`, { cause: damage });
  }

  async #read(step: number): Promise<Checkpoint> {
    const folder = join(this.#folder, `step-${step}`);
    const { check, ...saved } = JSON.parse(await readFile(join(folder, progressFile), 'utf8')) as SavedProgress & {
      readonly check: string;
    };
    if (check !== checkOf(saved)) throw new AppError('bad_artefact', `checkpoint of step ${step}: ${progressFile} was changed.`);
    if (saved.fingerprint !== this.#fingerprint)
      throw new AppError('resume_mismatch', `checkpoint of step ${step}: was made ${otherWork}. Start a new job.`);
    const path = join(folder, tensorsFile);
    if ((await digestOf(path))?.sha256 !== saved.tensors)
      throw new AppError('bad_artefact', `checkpoint of step ${step}: ${tensorsFile} was changed.`);
    return { progress: saved.progress, tensors: (await readSafetensors(path)).tensors };
  }

  /** Removes all checkpoints. */
  async clear(): Promise<void> {
    await this.#fileSystem.remove(this.#folder);
  }

  async #steps(): Promise<number[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.flatMap((name) => {
      const step = /^step-(\d+)$/.exec(name)?.[1];
      return step === undefined ? [] : [Number(step)];
    });
  }
}

function checkOf({ fingerprint, progress, tensors }: SavedProgress): string {
  return createHash('sha256')
    .update(JSON.stringify([fingerprint, progress, tensors]))
    .digest('hex');
}

// Checkpoints of a training job in its work folder: the newest complete one, replaced by a rename.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '#base';
import { type FileSystem, localFileSystem, readSafetensors, renameDurably, tensorSource, writeFolder, writeSafetensors } from '#store';
import type { Checkpoint, CheckpointKeeper, TrainingProgress } from '#train';

const tensorsFile = 'state.safetensors';
const progressFile = 'progress.json';

/** Keeps checkpoints as folders `step-<n>`; older ones go when a newer one is whole. */
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

  async save({ progress, tensors }: Checkpoint): Promise<void> {
    const target = join(this.#folder, `step-${progress.step}`);
    const older = (await this.#steps()).filter((step) => step !== progress.step);
    const temporary = join(this.#folder, `writing-${progress.step}`);
    // A process that was killed while it saved this step left it half-written.
    await this.#fileSystem.remove(temporary);
    await writeFolder(
      this.#fileSystem,
      temporary,
      'saving a checkpoint',
      async (writer) => {
        await writer.writeJson(progressFile, { fingerprint: this.#fingerprint, progress });
        await writeSafetensors(writer, tensorsFile, new Map([...tensors].map(([name, tensor]) => [name, tensorSource(tensor)])));
      },
      async (writer) => {
        // A step that is saved twice, at its turn and on being stopped, has the same content.
        await this.#fileSystem.remove(target);
        await renameDurably(this.#fileSystem, writer.folder, target);
      },
    );
    for (const step of older) await this.#fileSystem.remove(join(this.#folder, `step-${step}`));
  }

  /** @throws AppError `resume_mismatch` for a checkpoint of other models, data or settings; `bad_artefact` for a damaged one */
  async load(): Promise<Checkpoint | undefined> {
    const newest = Math.max(-1, ...(await this.#steps()));
    if (newest < 0) return undefined;
    const folder = join(this.#folder, `step-${newest}`);
    try {
      const saved = JSON.parse(await readFile(join(folder, progressFile), 'utf8')) as { fingerprint: string; progress: TrainingProgress };
      if (saved.fingerprint !== this.#fingerprint)
        throw new AppError(
          'resume_mismatch',
          `checkpoint of step ${newest}: was made with other models, data or settings. Start a new job.`,
        );
      const { tensors } = await readSafetensors(join(folder, tensorsFile));
      return { progress: saved.progress, tensors };
    } catch (error) {
      if (error instanceof AppError && error.code === 'resume_mismatch') throw error;
      throw new AppError('bad_artefact', `checkpoint of step ${newest}: cannot be read. Start a new job.`, { cause: error });
    }
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

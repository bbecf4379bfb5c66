// Finished layers of a compress job in its work folder: one file a layer, replaced by a rename.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { AppError } from '#base';
import type { FinishedLayer, LayerMemory } from '#compress';
import type { Parameter, ParameterSettings } from '#models';
import { type FileSystem, FolderWriter, localFileSystem, readSafetensors, renameDurably, tensorSource, writeSafetensors } from '#store';
import type { HostTensor } from '#tensor';
import { otherWork } from './work-fingerprint.ts';

/** What stands in the header of a layer's file, beside the tensors `0`, `1`, … */
interface LayerRecord {
  /** Of the job that made it: model, recipe and data. */
  readonly fingerprint: string;
  readonly step: number;
  readonly key: string;
  readonly layer: FinishedLayer['layer'];
  readonly parameters: readonly {
    readonly path: string;
    readonly kind: string;
    readonly settings: ParameterSettings;
    /** Slot -> tensor; several slots may have one. */
    readonly tensors: Readonly<Record<string, string>>;
  }[];
}

const recordKey = 'athanor';

/** The layers of all steps of one job, by step and key. */
export class LayerFolder {
  readonly #folder: string;
  readonly #fingerprint: string;
  readonly #fileSystem: FileSystem;
  #isMade = false;

  /** @param fingerprint - of everything that decides the result; a layer of another run is refused */
  constructor(folder: string, fingerprint: string, fileSystem: FileSystem = localFileSystem) {
    this.#folder = folder;
    this.#fingerprint = fingerprint;
    this.#fileSystem = fileSystem;
  }

  /** The memory of the step at this place of the recipe. */
  step(index: number): LayerMemory {
    return {
      recall: (key) => this.#recall(index, key),
      remember: (key, finished) => this.#remember(index, key, finished),
    };
  }

  /** @throws AppError `resume_mismatch` for a layer of another model, recipe or data */
  async #recall(step: number, key: string): Promise<FinishedLayer | undefined> {
    const content = await readSafetensors(join(this.#folder, fileName(step, key))).catch((error: unknown) => {
      // A file that is missing or damaged costs its layer, which is made again.
      const { code } = AppError.from(error);
      if (code === 'file_not_found' || code === 'bad_safetensors') return undefined;
      throw error;
    });
    const text = content?.metadata[recordKey];
    if (content === undefined || text === undefined) return undefined;
    const record = JSON.parse(text) as LayerRecord;
    if (record.fingerprint !== this.#fingerprint)
      throw new AppError('resume_mismatch', `step ${step}, ${key}: the layer was made ${otherWork}. Start a new job.`);
    if (record.step !== step || record.key !== key) return undefined;
    const parameters = record.parameters.map(({ path, kind, settings, tensors }): Parameter => {
      const slots = Object.entries(tensors).flatMap(([slot, name]) => {
        const tensor = content.tensors.get(name);
        return tensor === undefined ? [] : [[slot, tensor] as const];
      });
      return { path, kind, settings, tensors: Object.fromEntries(slots) };
    });
    return { layer: record.layer, parameters };
  }

  async #remember(step: number, key: string, { layer, parameters }: FinishedLayer): Promise<void> {
    const names = new Map<HostTensor, string>();
    const nameOf = (tensor: HostTensor): string => {
      const name = names.get(tensor) ?? String(names.size);
      names.set(tensor, name);
      return name;
    };
    const record: LayerRecord = {
      fingerprint: this.#fingerprint,
      step,
      key,
      layer,
      parameters: parameters.map(({ path, kind, settings, tensors }) => {
        const slots = Object.entries(tensors).map(([slot, tensor]) => [slot, nameOf(tensor)] as const);
        return { path, kind, settings, tensors: Object.fromEntries(slots) };
      }),
    };
    if (!this.#isMade) await this.#fileSystem.makeFolder(this.#folder);
    this.#isMade = true;
    const name = fileName(step, key);
    // A process that was killed while it wrote this layer left it half-written.
    await this.#fileSystem.remove(join(this.#folder, `${name}.new`));
    const sources = new Map([...names].map(([tensor, tensorName]) => [tensorName, tensorSource(tensor)]));
    await writeSafetensors(new FolderWriter(this.#fileSystem, this.#folder), `${name}.new`, sources, {
      [recordKey]: JSON.stringify(record),
    });
    await renameDurably(this.#fileSystem, join(this.#folder, `${name}.new`), join(this.#folder, name));
  }
}

/** Keys are no file names: they may be long, and a file system may not tell capitals apart. */
function fileName(step: number, key: string): string {
  return `${step}-${createHash('sha256').update(key).digest('hex').slice(0, 32)}.safetensors`;
}

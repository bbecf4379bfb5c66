// What the steps of a compress job keep for an attempt that goes on: finished layers, checkpoints of trainings, and notes, by step and trial.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { StepPlace, TrainingMaterial } from '#compress';
import { localFileSystem } from '#store';
import { ActivationFolder } from './activation-folder.ts';
import { FolderCheckpoints } from './checkpoints.ts';
import { LayerFolder } from './layer-folder.ts';
import { RecordFolder } from './record-folder.ts';

export interface RecipePlacesOptions {
  readonly workFolder: string;
  /** Of everything that decides the result. */
  readonly fingerprint: string;
  /** What a step trains with, and what it keeps. Absent where the job has no data to train on. */
  readonly training?: (kept: KeptByTraining) => TrainingMaterial;
}

/** Where checkpoints go, by part, and what a frozen model answered to each example. */
export interface KeptByTraining {
  readonly checkpoints: (part: string) => FolderCheckpoints;
  readonly activations: ActivationFolder;
}

/** Layers are in `layers/`, checkpoints in `training-N/`, kept answers in `training-N-activations/`, notes in `records/`; what a step N keeps of the recipes inside it is in `within-N-HASH/`. */
export class RecipePlaces {
  readonly #options: RecipePlacesOptions;
  readonly #layers: LayerFolder;

  constructor(options: RecipePlacesOptions) {
    this.#options = options;
    this.#layers = new LayerFolder(join(options.workFolder, 'layers'), options.fingerprint);
  }

  /** Of the whole recipe. */
  get records(): RecordFolder {
    return this.#records('');
  }

  ofStep(index: number): StepPlace {
    const { workFolder, fingerprint, training } = this.#options;
    return {
      memory: this.#layers.step(index),
      records: this.#records(`${index} `),
      ...trainingIn(join(workFolder, `training-${index}`), `${fingerprint} ${index}`, training),
      within: (key) => placeIn(join(workFolder, `within-${index}-${hashOf(key)}`), `${fingerprint} ${index} ${key}`, training),
    };
  }

  #records(prefix: string): RecordFolder {
    const { workFolder, fingerprint } = this.#options;
    return new RecordFolder(join(workFolder, 'records'), fingerprint, prefix);
  }
}

/** All of it in one folder, so that it can be forgotten at once. */
function placeIn(folder: string, fingerprint: string, training: RecipePlacesOptions['training']): StepPlace {
  return {
    memory: new LayerFolder(join(folder, 'layers'), fingerprint).step(0),
    records: new RecordFolder(join(folder, 'records'), fingerprint),
    ...trainingIn(join(folder, 'training'), fingerprint, training),
    within: (key) => placeIn(join(folder, hashOf(key)), `${fingerprint} ${key}`, training),
    forget: () => localFileSystem.remove(folder),
  };
}

function trainingIn(folder: string, fingerprint: string, training: RecipePlacesOptions['training']): Pick<StepPlace, 'training'> {
  if (training === undefined) return {};
  const checkpoints = (part: string): FolderCheckpoints =>
    new FolderCheckpoints(`${folder}${part === '' ? '' : `-${part}`}`, `${fingerprint} ${part}`);
  return { training: training({ checkpoints, activations: new ActivationFolder(`${folder}-activations`) }) };
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16);
}

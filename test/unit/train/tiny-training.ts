// Tiny models, corpora and checkpoint keepers for the tests of training and distillation.
import { type Progress, Random } from '#base';
import { type Gpt2Config, initializeModel, type LlamaConfig, type Model, type ModelConfig, storedTensors } from '#models';
import { rawBytes } from '#tensor';
import type { TokenCorpus } from '#text';
import { type Checkpoint, type CheckpointKeeper, type TrainSettings, trainSettings } from '#train';

export const gpt2: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 29,
  width: 8,
  layers: 2,
  heads: 2,
  feedForwardWidth: 16,
  maxPositions: 16,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [0],
  activation: 'geluTanh',
};

export const llama: LlamaConfig = {
  architecture: 'llama',
  vocabularySize: 29,
  width: 8,
  layers: 2,
  heads: 2,
  keyValueHeads: 1,
  headWidth: 4,
  feedForwardWidth: 12,
  maxPositions: 16,
  tiedHead: false,
  normEpsilon: 1e-5,
  endTokens: [0],
  rotaryBase: 10_000,
  rotaryScaling: { kind: 'none' },
  activation: 'silu',
  attentionBias: false,
  feedForwardBias: false,
};

export const tinyModel = (config: ModelConfig, seed = 1): Model => initializeModel(config, new Random(seed), 0.3);

/** Random ids in which each token mostly decides the next, so that there is something to learn. */
export function tinyCorpus(length = 600, vocabularySize = 29): TokenCorpus {
  const random = new Random(9);
  const tokens = new Int32Array(length);
  for (let index = 1; index < length; index++)
    tokens[index] = random.uniform() < 0.8 ? ((tokens[index - 1] ?? 0) * 5 + 3) % vocabularySize : random.integer(vocabularySize);
  return { tokens, documentStarts: Int32Array.of(0), bytes: length, fingerprint: 'tiny', tokenizerHash: 'tiny' };
}

export const tinySettings = (changes: Partial<TrainSettings> = {}): TrainSettings =>
  trainSettings({ steps: 6, batchSize: 2, sequenceLength: 8, learningRate: 0.01, warmupSteps: 2, checkpointEvery: 0, ...changes });

/** Keeps checkpoints in memory; what was saved is never changed by later steps. */
export class MemoryKeeper implements CheckpointKeeper {
  readonly saved: Checkpoint[] = [];

  async save(checkpoint: Checkpoint): Promise<void> {
    this.saved.push({ progress: JSON.parse(JSON.stringify(checkpoint.progress)), tensors: checkpoint.tensors });
  }

  async load(): Promise<Checkpoint | undefined> {
    return this.saved.at(-1);
  }
}

export interface Watched {
  readonly reports: Progress[];
  readonly report: (progress: Progress) => void;
  readonly signal: AbortSignal;
}

/** Collects reports, and aborts after the one of a given step. */
export function watch(cancelAfterStep = Number.POSITIVE_INFINITY): Watched {
  const controller = new AbortController();
  const reports: Progress[] = [];
  const report = (progress: Progress): void => {
    reports.push(progress);
    if (progress.step === cancelAfterStep) controller.abort();
  };
  return { reports, report, signal: controller.signal };
}

/** All weights of a model as one text of bytes: equal only when every bit is. */
export function fingerprint(model: Model): string {
  return [...storedTensors(model)].map(([name, tensor]) => `${name} ${Buffer.from(rawBytes(tensor)).toString('base64')}`).join('\n');
}

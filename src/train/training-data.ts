// What a model of each task learns from, and the batches that are made of it.
import { AppError, invariant } from '#base';
import { isEncoderDecoder, type Model, taskOf } from '#models';
import { int64 } from '#tensor';
import {
  type EncodedText,
  type LabelledText,
  type PairCorpus,
  PairSampler,
  padTexts,
  type SamplerCursor,
  TextSampler,
  type TextSamplerOptions,
  type TokenCorpus,
  WindowSampler,
} from '#text';
import type { StoredBatches, TextBatch } from './batch-source.ts';
import { crossEntropyObjective } from './cross-entropy.ts';
import { classificationObjective, maskedObjective } from './encoder-objectives.ts';
import { hiddenPerBatch, hideTokens, type MaskingOptions } from './hide-tokens.ts';
import type { Objective } from './objective.ts';
import type { TrainSettings } from './settings.ts';

/** Texts for classifiers; labels count from 0 and are those of the model's task. */
export interface LabelledData {
  readonly texts: readonly LabelledText[];
}

/** Texts of which a model guesses hidden tokens: other ones in every epoch. */
export interface MaskedData {
  readonly lines: readonly EncodedText[];
  readonly masking: MaskingOptions;
}

/** Running text for models that generate, pairs for encoder-decoders, labelled texts for classifiers, texts for models of hidden tokens. */
export type TrainingData = TokenCorpus | PairCorpus | LabelledData | MaskedData;

/** What a batch of this data asks where there is no teacher. */
export function objectiveOf(data: TrainingData, settings: Pick<TrainSettings, 'batchSize'>): Objective {
  if ('texts' in data) return classificationObjective();
  const hidden = hiddenTokensOf(data, settings);
  return hidden === undefined ? crossEntropyObjective() : maskedObjective(hidden);
}

/** Places for hidden tokens in a batch of full sequences, by their length; undefined where none are hidden. */
export function hiddenTokensOf(
  data: TrainingData,
  { batchSize }: Pick<TrainSettings, 'batchSize'>,
): ((length: number) => number) | undefined {
  return 'lines' in data ? (length) => hiddenPerBatch(batchSize, length, data.masking) : undefined;
}

const wantedData = {
  causal: 'running text',
  pairs: 'pairs of texts',
  classify: 'texts with labels',
  masked: 'texts',
  embed: 'nothing: its task is embed, and it has no head. Give it labels first',
} as const;

/** @throws AppError `unsupported` when the data is not what the model learns from | `bad_data` for a label that the model does not have */
export function checkTrainingData({ config }: Pick<Model, 'config'>, data: TrainingData): void {
  const task = taskOf(config);
  const wanted = isEncoderDecoder(config) ? 'pairs' : task.kind;
  const given = 'pairs' in data ? 'pairs' : 'texts' in data ? 'classify' : 'lines' in data ? 'masked' : 'causal';
  if (wanted !== given)
    throw new AppError(
      'unsupported',
      `training: the ${config.architecture} model with the task ${task.kind} learns from ${wantedData[wanted]}, and got ${wantedData[given]}.`,
    );
  if (task.kind !== 'classify' || !('texts' in data)) return;
  const wrong = data.texts.findIndex(({ label }) => !(label >= 0 && label < task.labels.length));
  if (wrong >= 0)
    throw new AppError('bad_data', `text ${wrong + 1}: label ${data.texts[wrong]?.label} is outside 0..${task.labels.length - 1}.`);
}

/**
 * Batches in an order that the seed gives, from a cursor that an earlier source had.
 *
 * `settings.sequenceLength` is the length of a window, and the longest text or target that is taken.
 *
 * @param lengths - how texts are padded; `buckets` when absent
 * @throws AppError as `checkTrainingData` | `empty_data` | `context_too_long` | `resume_mismatch`
 */
export function openBatches(
  model: Model,
  data: TrainingData,
  settings: TrainSettings,
  cursor: SamplerCursor | undefined,
  lengths: 'buckets' | 'fixed' = 'buckets',
): StoredBatches {
  checkTrainingData(model, data);
  const { config } = model;
  const { batchSize: batch, sequenceLength: length, sourceLength = length, seed } = settings;
  if ('pairs' in data) {
    invariant(isEncoderDecoder(config), 'pairs are for encoder-decoders');
    return new PairSampler(data, { batch, sourceLength, length, padToken: config.padToken, seed }, cursor);
  }
  const sampling: TextSamplerOptions = { batch, maxLength: length, seed, lengths };
  if ('texts' in data)
    return textSource(data.texts, sampling, cursor, (chosen, padTo) => ({
      ...paddedInputs(model, chosen, padTo),
      labels: int64(
        [chosen.length],
        chosen.map(({ label }) => label),
      ),
    }));
  if ('lines' in data)
    return textSource(data.lines, sampling, cursor, (chosen, padTo, place) => {
      const padded = paddedInputs(model, chosen, padTo);
      const batchSeed = seed + 1 + place.epoch * 1_000_003 + place.position;
      return { ...padded, ...hideTokens(padded, config.vocabularySize, data.masking, batchSeed) };
    });
  return new WindowSampler(data.tokens, { batch, window: length, seed }, cursor);
}

function paddedInputs({ config }: Model, texts: readonly EncodedText[], length: number): Omit<TextBatch, 'labels'> {
  return padTexts(texts, length, 'padToken' in config ? config.padToken : 0);
}

/** Batches of texts, made into tensors by `make`. */
function textSource<Text extends EncodedText>(
  texts: readonly Text[],
  options: TextSamplerOptions,
  cursor: SamplerCursor | undefined,
  make: (chosen: readonly Text[], length: number, place: SamplerCursor) => TextBatch,
): StoredBatches {
  const sampler = new TextSampler(texts, options, cursor);
  return {
    get cursor() {
      return sampler.cursor;
    },
    next() {
      const { indices, length } = sampler.next();
      const chosen = Array.from(indices).flatMap((index) => texts[index] ?? []);
      return { ...make(chosen, length, sampler.cursor), examples: indices };
    },
  };
}

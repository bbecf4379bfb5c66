// Training of encoders on texts: fine-tuning on labels, and masked language modelling.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { hasTokenTypes, type Model } from '#models';
import { int64 } from '#tensor';
import { type EncodedText, type LabelledText, padTexts, TextSampler, type TextSamplerOptions } from '#text';
import type { BatchSource, TextBatch } from './batch-source.ts';
import { classificationObjective, maskedObjective } from './encoder-objectives.ts';
import { hiddenPerBatch, hideTokens, type MaskingOptions } from './hide-tokens.ts';
import { type BatchTrainRequest, type TrainResult, trainOnBatches } from './train-model.ts';

/** `settings.sequenceLength` is the longest text that is taken. */
interface TextTrainRequest extends Omit<BatchTrainRequest, 'batches' | 'objective'> {
  /** How batches are padded; `buckets` when absent. */
  readonly lengths?: 'buckets' | 'fixed';
}

export interface FineTuneRequest extends TextTrainRequest {
  /** Labels count from 0 and are those of the model's task. */
  readonly texts: readonly LabelledText[];
}

export interface MaskedTrainRequest extends TextTrainRequest {
  readonly texts: readonly EncodedText[];
  readonly masking: MaskingOptions;
}

/** Settings under which pre-trained encoders are usually fine-tuned. @see Devlin et al., "BERT", NAACL 2019, §A.3 */
export const fineTuneDefaults = {
  batchSize: 32,
  learningRate: 5e-5,
  schedule: 'linear',
  finalShare: 0,
  optimizer: { kind: 'adamW', beta1: 0.9, beta2: 0.999, weightDecay: 0.01 },
} as const;

/**
 * Fine-tunes a model with the task `classify` on labelled texts.
 *
 * @throws AppError `unsupported` for a model without labels | `bad_data` for a label that it does not have | `context_too_long` | as
 * `trainOnBatches`
 */
export async function fineTuneModel(request: FineTuneRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { texts, model } = request;
  const task = model.config.task ?? { kind: 'causal' };
  if (task.kind !== 'classify')
    throw new AppError('unsupported', `fine-tuning: the model's task is ${task.kind}. Give it the task "classify" with its labels first.`);
  const wrong = texts.findIndex(({ label }) => !(label >= 0 && label < task.labels.length));
  if (wrong >= 0)
    throw new AppError('bad_data', `text ${wrong + 1}: label ${texts[wrong]?.label} is outside 0..${task.labels.length - 1}.`);
  const batches: BatchTrainRequest['batches'] = (cursor) =>
    textSource(request, cursor, (chosen, length) => ({
      ...paddedInputs(model, chosen, length),
      labels: int64(
        [chosen.length],
        chosen.map(({ label }) => label),
      ),
    }));
  return trainOnBatches({ ...request, objective: classificationObjective(), batches }, engine, context);
}

/**
 * Trains a model with the task `masked` to guess tokens that are hidden from it: other ones in every epoch.
 *
 * @throws AppError `unsupported` for a model without a head over the vocabulary | `invalid_argument` | `context_too_long` | as `trainOnBatches`
 * @see Devlin et al., "BERT", NAACL 2019, §3.1; Liu et al., "RoBERTa", 2019, §4.1 (dynamic masking)
 */
export async function trainMaskedModel(request: MaskedTrainRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { model, settings, masking } = request;
  const { batchSize, seed } = settings;
  const batches: BatchTrainRequest['batches'] = (cursor) =>
    textSource(request, cursor, (chosen, length, place) => {
      const padded = paddedInputs(model, chosen, length);
      const batchSeed = seed + 1 + place.epoch * 1_000_003 + place.position;
      return { ...padded, ...hideTokens(padded, model.config.vocabularySize, masking, batchSeed) };
    });
  const objective = maskedObjective((length) => hiddenPerBatch(batchSize, length, masking));
  return trainOnBatches({ ...request, objective, batches }, engine, context);
}

function paddedInputs(model: Model, texts: readonly EncodedText[], length: number): Omit<TextBatch, 'labels'> {
  const padToken = 'padToken' in model.config ? model.config.padToken : 0;
  const { tokens, mask, tokenTypes } = padTexts(texts, length, padToken);
  return { tokens, mask, ...(hasTokenTypes(model) ? { tokenTypes } : {}) };
}

/** Batches of texts, made into tensors by `make`. */
function textSource<Text extends EncodedText>(
  { texts, settings, lengths = 'buckets' }: TextTrainRequest & { readonly texts: readonly Text[] },
  cursor: Parameters<BatchTrainRequest['batches']>[0],
  make: (chosen: readonly Text[], length: number, place: BatchSource['cursor']) => TextBatch,
): BatchSource {
  const options: TextSamplerOptions = { batch: settings.batchSize, maxLength: settings.sequenceLength, seed: settings.seed, lengths };
  const sampler = new TextSampler(texts, options, cursor);
  return {
    get cursor() {
      return sampler.cursor;
    },
    next() {
      const { indices, length } = sampler.next();
      const chosen = Array.from(indices).flatMap((index) => texts[index] ?? []);
      return make(chosen, length, sampler.cursor);
    },
  };
}

// Training of encoders on texts: fine-tuning on labels, and masked language modelling.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { taskOf } from '#models';
import type { EncodedText, LabelledText } from '#text';
import type { MaskingOptions } from './hide-tokens.ts';
import { type TrainRequest, type TrainResult, trainModel } from './train-model.ts';
import { objectiveOf } from './training-data.ts';

/** `settings.sequenceLength` is the longest text that is taken. */
type TextTrainRequest = Omit<TrainRequest, 'corpus' | 'objective'>;

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
 * `trainModel`
 */
export async function fineTuneModel(request: FineTuneRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { texts, ...rest } = request;
  const { kind } = taskOf(request.model.config);
  if (kind !== 'classify')
    throw new AppError('unsupported', `fine-tuning: the model's task is ${kind}. Give it the task "classify" with its labels first.`);
  const data = { texts };
  return trainModel({ ...rest, corpus: data, objective: objectiveOf(data, request.settings) }, engine, context);
}

/**
 * Trains a model with the task `masked` to guess tokens that are hidden from it: other ones in every epoch.
 *
 * @throws AppError `unsupported` for a model without a head over the vocabulary | `invalid_argument` | `context_too_long` | as `trainModel`
 * @see Devlin et al., "BERT", NAACL 2019, §3.1; Liu et al., "RoBERTa", 2019, §4.1 (dynamic masking)
 */
export async function trainMaskedModel(request: MaskedTrainRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { texts, masking, ...rest } = request;
  const data = { lines: texts, masking };
  return trainModel({ ...rest, corpus: data, objective: objectiveOf(data, request.settings) }, engine, context);
}

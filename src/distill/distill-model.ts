// Distillation of a student from a resident teacher.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import type { TokenCorpus } from '#text';
import { type CheckpointKeeper, type TrainRequest, type TrainResult, type TrainSettings, trainModel, trainSettings } from '#train';
import { type LogitDistillation, logitObjective } from './logit-objective.ts';

export type DistillSettings = TrainSettings & LogitDistillation;

/** Where they differ from those of training. A student that starts near its teacher wants smaller steps than random weights do. */
export const defaultDistillation = { temperature: 1, alpha: 0.9, learningRate: 3e-4 } as const satisfies Partial<DistillSettings>;

/** Fills in defaults and checks ranges. @throws AppError `invalid_argument` naming the setting */
export function distillSettings(given: Partial<DistillSettings>): DistillSettings {
  const wanted = { ...defaultDistillation, ...given };
  const settings = { ...wanted, ...trainSettings(wanted) };
  if (!(Number.isFinite(settings.temperature) && settings.temperature > 0))
    throw new AppError('invalid_argument', `temperature: must be above 0, got ${settings.temperature}.`, {
      details: { field: 'temperature' },
    });
  if (!(settings.alpha >= 0 && settings.alpha <= 1))
    throw new AppError('invalid_argument', `alpha: must be between 0 and 1, got ${settings.alpha}.`, { details: { field: 'alpha' } });
  return settings;
}

export interface DistillRequest {
  readonly student: Model;
  readonly teacher: Model;
  readonly corpus: TokenCorpus;
  readonly settings: DistillSettings;
  /** Which parameters train; all when absent. */
  readonly trains?: NonNullable<TrainRequest['trains']>;
  readonly checkpoints?: CheckpointKeeper;
  readonly afterStep?: NonNullable<TrainRequest['afterStep']>;
}

/**
 * Trains the student against the teacher's logits.
 *
 * @throws AppError `tokenizer_mismatch` when the vocabularies differ in size, and whatever `trainModel` throws
 */
export async function distillModel(request: DistillRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { student, teacher, corpus, settings, trains, checkpoints, afterStep } = request;
  if (student.config.vocabularySize !== teacher.config.vocabularySize)
    throw new AppError(
      'tokenizer_mismatch',
      `distill: the student has ${student.config.vocabularySize} tokens and the teacher ${teacher.config.vocabularySize}. Their logits cannot be compared; use a teacher with the student's tokenizer.`,
    );
  const objective = logitObjective(engine, teacher, settings);
  try {
    return await trainModel(
      {
        model: student,
        objective,
        corpus,
        settings,
        ...(trains && { trains }),
        ...(checkpoints && { checkpoints }),
        ...(afterStep && { afterStep }),
      },
      engine,
      context,
    );
  } finally {
    objective.release();
  }
}

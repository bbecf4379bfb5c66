// Distillation of a student from a resident teacher.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, taskOf } from '#models';
import {
  type CheckpointKeeper,
  checkTrainingData,
  hiddenTokensOf,
  type TrainingData,
  type TrainRequest,
  type TrainResult,
  type TrainSettings,
  trainModel,
  trainSettings,
} from '#train';
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
  /** Of the kind that the student's task learns from. */
  readonly corpus: TrainingData;
  readonly settings: DistillSettings;
  /** Which parameters train; all when absent. */
  readonly trains?: NonNullable<TrainRequest['trains']>;
  /** What the method changes about training. */
  readonly scheme?: TrainRequest['scheme'];
  readonly checkpoints?: CheckpointKeeper;
  readonly phase?: string;
  readonly afterStep?: NonNullable<TrainRequest['afterStep']>;
}

/**
 * Trains the student against the teacher's logits.
 *
 * @throws AppError `tokenizer_mismatch` when the vocabularies differ in size | `unsupported` when the models have other tasks or labels, and
 * whatever `trainModel` throws
 */
export async function distillModel(request: DistillRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { student, teacher, corpus, settings, trains, scheme, checkpoints, phase, afterStep } = request;
  checkSameAnswers(student, teacher);
  checkTrainingData(student, corpus);
  const objective = logitObjective(engine, teacher, settings, hiddenTokensOf(corpus, settings));
  try {
    return await trainModel(
      {
        model: student,
        objective,
        corpus,
        settings,
        ...(trains && { trains }),
        ...(scheme && { scheme }),
        ...(phase && { phase }),
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

/** Logits are compared one by one: both models must answer the same question with the same choices. */
function checkSameAnswers({ config: student }: Model, { config: teacher }: Model): void {
  if (student.vocabularySize !== teacher.vocabularySize)
    throw new AppError(
      'tokenizer_mismatch',
      `distill: the student has ${student.vocabularySize} tokens and the teacher ${teacher.vocabularySize}. Their logits cannot be compared; use a teacher with the student's tokenizer.`,
    );
  const [asked, known] = [taskOf(student), taskOf(teacher)];
  if (asked.kind !== known.kind || isEncoderDecoder(student) !== isEncoderDecoder(teacher))
    throw new AppError(
      'unsupported',
      `distill: the student (${student.architecture}, task ${asked.kind}) and the teacher (${teacher.architecture}, task ${known.kind}) answer other questions. Use a teacher of the student's task.`,
    );
  if (isEncoderDecoder(student) && isEncoderDecoder(teacher) && student.startToken !== teacher.startToken)
    throw new AppError(
      'unsupported',
      `distill: targets begin with token ${student.startToken} for the student and ${teacher.startToken} for the teacher. Use a teacher with the student's start token.`,
    );
  if (asked.kind === 'classify' && known.kind === 'classify' && asked.labels.join('\n') !== known.labels.join('\n'))
    throw new AppError(
      'unsupported',
      `distill: the student's labels (${asked.labels.join(', ')}) are not the teacher's (${known.labels.join(', ')}). Give the student the teacher's labels, in their order.`,
    );
}

// Distillation of a student from resident teachers.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, taskOf } from '#models';
import type { DistillationLoss } from '#teaching';
import {
  type CheckpointKeeper,
  checkTrainingData,
  hiddenTokensOf,
  type Products,
  type TrainingData,
  type TrainRequest,
  type TrainResult,
  type TrainSettings,
  trainModel,
  trainSettings,
} from '#train';
import type { LogitDistillation } from './logit-objective.ts';
import { distillationObjective, type TeacherObjective, type WeightedTeacher } from './losses/objective.ts';
import type { OwnSamples } from './losses/own-samples.ts';
import { shortForm } from './losses/short-form.ts';
import { type TeacherProducts, teachersAsAsked } from './teacher-products.ts';

/** A sum of losses in place of `temperature` and `alpha`, which are its short form. */
export interface LossOptions {
  /** Absent: (1-α) of the labels and α of the teacher's logits at the temperature. */
  readonly losses?: readonly DistillationLoss[];
  /** Weights are the shares of the losses in the gradient with respect to the last state that all have in common. */
  readonly balance?: 'gradientNorm';
  /** Steps between two measurements of the gradients' norms. @default 10 */
  readonly balanceEvery?: number;
  /** What is averaged of several teachers. @default 'probabilities' */
  readonly average?: 'probabilities' | 'logits';
  /** Of resident teachers. Absent: as their weights are stored. */
  readonly teacherProducts?: TeacherProducts;
}

export type DistillSettings = TrainSettings & LogitDistillation & LossOptions;

const defaultBalanceEvery = 10;

/** Where they differ from those of training. A student that starts near its teacher wants smaller steps than random weights do. */
export const defaultDistillation = { temperature: 1, alpha: 0.9, learningRate: 3e-4 } as const satisfies Partial<DistillSettings>;

/** Fills in defaults and checks ranges. @throws AppError `invalid_argument` naming the setting */
export function distillSettings({
  products,
  ...given
}: Partial<Omit<DistillSettings, 'products'>> & { readonly products?: Products }): DistillSettings {
  const wanted = { ...defaultDistillation, ...given };
  const settings = { ...wanted, ...trainSettings({ ...wanted, ...(products && { products }) }) };
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
  /** One, or several with what each counts. */
  readonly teacher: Model | readonly WeightedTeacher[];
  /** Of the kind that the student's task learns from. */
  readonly corpus: TrainingData;
  readonly settings: DistillSettings;
  /** Which parameters train; all when absent. */
  readonly trains?: NonNullable<TrainRequest['trains']>;
  /** What the method changes about training. */
  readonly scheme?: TrainRequest['scheme'];
  readonly stages?: NonNullable<TrainRequest['stages']>;
  readonly stopping?: TrainRequest['stopping'];
  readonly checkpoints?: CheckpointKeeper;
  readonly phase?: string;
  readonly afterStep?: NonNullable<TrainRequest['afterStep']>;
}

/**
 * Trains the student against its teachers.
 *
 * @throws AppError as `teachingObjective` and `trainModel`
 */
export async function distillModel(request: DistillRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { student, corpus, settings, trains, scheme, stages, stopping, checkpoints, phase, afterStep } = request;
  const objective = teachingObjective(engine, await asTaught(engine, request));
  try {
    return await trainModel(
      {
        model: student,
        objective,
        corpus,
        settings,
        ...(trains && { trains }),
        ...(scheme && { scheme }),
        ...(stages && { stages }),
        ...(stopping && { stopping }),
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

/** The request with its teachers in the form in which they compute. @throws AppError as `teachersAsAsked` */
export async function asTaught<Request extends Pick<DistillRequest, 'teacher' | 'settings'>>(
  engine: Engine,
  request: Request,
): Promise<Request> {
  const { teacher, settings } = request;
  return { ...request, teacher: await teachersAsAsked(engine, teachersOf(teacher), settings.teacherProducts) };
}

function teachersOf(teacher: DistillRequest['teacher']): readonly WeightedTeacher[] {
  return 'config' in teacher ? [{ model: teacher, weight: 1 }] : teacher;
}

/**
 * The objective of a distillation, its teachers on the device until it is released; checked before anything is uploaded.
 *
 * @param samples - steps on what the student draws itself; absent: there are none
 * @throws AppError `tokenizer_mismatch` when the vocabularies differ in size | `unsupported` when the models cannot read the same batches, or where
 * logits are compared have other tasks or labels | `invalid_argument` naming a field of the losses
 */
export function teachingObjective(
  engine: Engine,
  { student, teacher, corpus, settings }: Pick<DistillRequest, 'student' | 'teacher' | 'corpus' | 'settings'>,
  samples?: OwnSamples,
): TeacherObjective {
  const teachers = teachersOf(teacher);
  const { losses = shortForm(settings), balance, balanceEvery = defaultBalanceEvery, average, seed, batchSize } = settings;
  const comparesAnswers = losses.some(({ kind }) => kind === 'logits');
  for (const { model, weight } of teachers) {
    if (!(Number.isFinite(weight) && weight > 0))
      throw new AppError('invalid_argument', `teachers: weights must be above 0, got ${weight}.`, { details: { field: 'teachers' } });
    (comparesAnswers ? checkSameAnswers : checkSameBatches)(student, model);
  }
  checkTrainingData(student, corpus);
  return distillationObjective(engine, {
    student,
    teachers,
    losses,
    balanceEvery: balance === undefined ? undefined : balanceEvery,
    average,
    batch: batchSize,
    hiddenTokens: hiddenTokensOf(corpus, settings),
    seed,
    samples,
  });
}

/** Students and teachers stand in one graph and read the same tokens. */
function checkSameBatches({ config: student }: Pick<Model, 'config'>, { config: teacher }: Pick<Model, 'config'>): void {
  if (student.vocabularySize !== teacher.vocabularySize)
    throw new AppError(
      'tokenizer_mismatch',
      `distill: the student has ${student.vocabularySize} tokens and the teacher ${teacher.vocabularySize}. They cannot read the same tokens; use a teacher with the student's tokenizer.`,
    );
  const generates = (config: Model['config']): boolean => taskOf(config).kind === 'causal';
  if (generates(student) !== generates(teacher) || isEncoderDecoder(student) !== isEncoderDecoder(teacher))
    throw otherQuestions(student, teacher);
  if (isEncoderDecoder(student) && isEncoderDecoder(teacher) && student.startToken !== teacher.startToken)
    throw new AppError(
      'unsupported',
      `distill: targets begin with token ${student.startToken} for the student and ${teacher.startToken} for the teacher. Use a teacher with the student's start token.`,
    );
}

function otherQuestions(student: Model['config'], teacher: Model['config']): AppError {
  return new AppError(
    'unsupported',
    `distill: the student (${student.architecture}, task ${taskOf(student).kind}) and the teacher (${teacher.architecture}, task ${taskOf(teacher).kind}) answer other questions. Use a teacher of the student's task.`,
  );
}

/** Logits are compared one by one: both models must answer the same question with the same choices. */
export function checkSameAnswers(studentModel: Pick<Model, 'config'>, teacherModel: Pick<Model, 'config'>): void {
  checkSameBatches(studentModel, teacherModel);
  const [student, teacher] = [studentModel.config, teacherModel.config];
  const [asked, known] = [taskOf(student), taskOf(teacher)];
  if (asked.kind !== known.kind) throw otherQuestions(student, teacher);
  if (asked.kind === 'classify' && known.kind === 'classify' && asked.labels.join('\n') !== known.labels.join('\n'))
    throw new AppError(
      'unsupported',
      `distill: the student's labels (${asked.labels.join(', ')}) are not the teacher's (${known.labels.join(', ')}). Give the student the teacher's labels, in their order.`,
    );
}

// Settings of a training as requests and recipes write them, and what the trainer makes of them.
import { AppError } from '#base';
import { type TrainingSettings, trainingFields } from '#compress';
import { type DistillSettings, distillSettings, type LossFields, lossFields } from '#distill';
import { defaultTrainSettings, fineTuneDefaults } from '#train';

/** What distillations may say beside the settings of all trainings. */
export type TeachingSettings = TrainingSettings & LossFields;

const known = { ...trainingFields, ...lossFields };

/** What is wrong with the losses of these settings together, and the field at fault. */
export function lossFault(
  { losses, temperature, alpha, balance, balanceEvery }: TeachingSettings,
  hasTeacher: boolean,
): { readonly field: string; readonly message: string } | undefined {
  if (losses === undefined) {
    const field = balance === undefined ? (balanceEvery === undefined ? undefined : 'balanceEvery') : 'balance';
    return field === undefined ? undefined : { field, message: 'goes with a list of losses, and there is none' };
  }
  const short = temperature === undefined ? (alpha === undefined ? undefined : 'alpha') : 'temperature';
  if (short !== undefined)
    return { field: short, message: 'is of the short form; with "losses" it stands in the loss "logits", or in the weights' };
  const index = hasTeacher ? -1 : losses.findIndex(({ kind }) => kind !== 'labels');
  if (index >= 0)
    return {
      field: `losses.${index}.kind`,
      message: `"${losses[index]?.kind}" compares with a teacher, and there is none. Name a teacher, or keep "labels" alone`,
    };
  if (balance === undefined && balanceEvery !== undefined) return { field: 'balanceEvery', message: 'goes with balance: gradientNorm' };
  return undefined;
}

const defaultSequence = 128;
/** A classifier that was made smaller has more to learn than one that gets a new head. */
const taughtClassifier = { learningRate: 1e-4 };

/** What else decides the defaults. */
export interface TrainingCase {
  /** Positions of the models. */
  readonly positions: number;
  readonly hasTeacher: boolean;
  readonly fromScratch?: boolean;
  /** The model guesses labels of texts. */
  readonly classifies?: boolean;
}

/** Fills in defaults. @throws AppError `invalid_argument` naming the setting */
export function fullTrainingSettings(
  given: TeachingSettings,
  { positions, hasTeacher, fromScratch = false, classifies = false }: TrainingCase,
): DistillSettings {
  const fault = lossFault(given, hasTeacher);
  if (fault !== undefined) throw new AppError('invalid_argument', `${fault.field}: ${fault.message}.`, { details: { field: fault.field } });
  const { weightDecay, sequenceLength = Math.min(defaultSequence, positions), ...rest } = given;
  const { optimizer, ...defaults } = classifies ? { ...fineTuneDefaults, ...(hasTeacher ? taughtClassifier : {}) } : defaultTrainSettings;
  const present = Object.fromEntries(
    Object.entries(rest).filter(([name, value]) => Object.hasOwn(known, name) && value !== undefined),
  ) as Partial<DistillSettings>;
  return distillSettings({
    ...(classifies ? defaults : {}),
    ...(fromScratch ? { learningRate: defaultTrainSettings.learningRate } : {}),
    ...present,
    sequenceLength,
    ...(hasTeacher ? {} : { alpha: 0 }),
    optimizer: { ...optimizer, ...(weightDecay === undefined ? {} : { weightDecay }) },
  });
}

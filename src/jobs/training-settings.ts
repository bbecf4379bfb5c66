// Settings of a training as requests and recipes write them, and what the trainer makes of them.
import { AppError } from '#base';
import { type DistillSettings, distillSettings } from '#distill';
import { type LossFields, lossFault, lossFields, type TrainingSettings, trainingFields } from '#teaching';
import { defaultTrainSettings, fineTuneDefaults } from '#train';

/** What distillations may say beside the settings of all trainings. */
export type TeachingSettings = TrainingSettings & LossFields;

const known = { ...trainingFields, ...lossFields };

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

// Settings of a training as requests and recipes write them, and what the trainer makes of them.
import { type TrainingSettings, trainingFields } from '#compress';
import { type DistillSettings, distillSettings } from '#distill';
import { defaultTrainSettings, fineTuneDefaults } from '#train';

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
  given: TrainingSettings,
  { positions, hasTeacher, fromScratch = false, classifies = false }: TrainingCase,
): DistillSettings {
  const { weightDecay, sequenceLength = Math.min(defaultSequence, positions), ...rest } = given;
  const { optimizer, ...defaults } = classifies ? { ...fineTuneDefaults, ...(hasTeacher ? taughtClassifier : {}) } : defaultTrainSettings;
  const present = Object.fromEntries(
    Object.entries(rest).filter(([name, value]) => Object.hasOwn(trainingFields, name) && value !== undefined),
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

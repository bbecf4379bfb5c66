// Settings of a training as requests and recipes write them, and what the trainer makes of them.
import { z } from 'zod';
import { type DistillSettings, distillSettings } from '#distill';
import { defaultTrainSettings } from '#train';

const count = z.int().nonnegative();
const positive = z.int().positive();

/** Fields that distill jobs and distill steps have in common. */
export const trainingFields = {
  steps: positive.optional(),
  batchSize: positive.optional(),
  sequenceLength: positive.optional(),
  gradientAccumulation: positive.optional(),
  learningRate: z.number().positive().optional(),
  warmupSteps: count.optional(),
  schedule: z.enum(['cosine', 'linear', 'constant']).optional(),
  weightDecay: z.number().nonnegative().optional(),
  clipNorm: z.number().nonnegative().optional(),
  temperature: z.number().positive().optional(),
  alpha: z.number().min(0).max(1).optional(),
  seed: count.optional(),
  checkpointEvery: count.optional(),
};

const trainingSchema = z.object(trainingFields);
export type TrainingSettings = z.infer<typeof trainingSchema>;

const defaultSequence = 128;

/** What else decides the defaults. */
export interface TrainingCase {
  /** Positions of the models. */
  readonly positions: number;
  readonly hasTeacher: boolean;
  readonly fromScratch?: boolean;
}

/** Fills in defaults. @throws AppError `invalid_argument` naming the setting */
export function fullTrainingSettings(
  given: TrainingSettings,
  { positions, hasTeacher, fromScratch = false }: TrainingCase,
): DistillSettings {
  const { weightDecay, sequenceLength = Math.min(defaultSequence, positions), ...rest } = given;
  const { optimizer, learningRate } = defaultTrainSettings;
  const present = Object.fromEntries(
    Object.entries(rest).filter(([name, value]) => Object.hasOwn(trainingFields, name) && value !== undefined),
  ) as Partial<DistillSettings>;
  return distillSettings({
    ...(fromScratch ? { learningRate } : {}),
    ...present,
    sequenceLength,
    ...(hasTeacher ? {} : { alpha: 0 }),
    ...(weightDecay === undefined ? {} : { optimizer: { ...optimizer, weightDecay } }),
  });
}

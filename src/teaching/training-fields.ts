// How a training is asked for, field by field: jobs and steps of recipes write the same names.
import { z } from 'zod';

const count = z.int().nonnegative();
const positive = z.int().positive();

/** What distillation jobs and all steps that train have in common. Absent fields take the defaults of the kind of training. */
export const trainingFields = {
  steps: positive.optional(),
  batchSize: positive.optional(),
  sequenceLength: positive.optional(),
  sourceLength: positive.optional(),
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

export type TrainingSettings = z.infer<z.ZodObject<typeof trainingFields>>;

// How a training is asked for, field by field: jobs and steps of recipes write the same names.
import { z } from 'zod';
import { narrowFloats } from '#tensor';

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
  precision: z.enum(['auto', 'float32', ...narrowFloats]).optional(),
  temperature: z.number().positive().optional(),
  alpha: z.number().min(0).max(1).optional(),
  seed: count.optional(),
  checkpointEvery: count.optional(),
  /** How activations and gradients are multiplied by weights. */
  products: z.enum(['float32', 'int8', 'int8PerTensor', 'int8All']).optional(),
  /** The backward pass computes activations again instead of keeping them. */
  recompute: z.boolean().optional(),
  /** `auto`: micro-batches and recomputation as far as the memory asks for them. */
  memory: z.enum(['given', 'auto']).optional(),
};

export type TrainingSettings = z.infer<z.ZodObject<typeof trainingFields>>;

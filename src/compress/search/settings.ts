// Settings of the step `search`.
import { z } from 'zod';
import { qualityMetrics } from '../measures.ts';

const positive = z.int().positive();

const targetSchema = z
  .strictObject({
    /** Stored bytes of the whole model, at most. */
    storedBytes: positive.optional(),
    /** The same, as a share of the bytes of the model that the step is given. */
    ratio: z.number().positive().lt(1).optional(),
    /** Milliseconds of one step of decoding one sequence, at most. */
    latencyMs: z.number().positive().optional(),
    /** Largest worsening of the metric: as a share of the value of the model that the step is given, of accuracy in points of 1. */
    maxLoss: z.number().nonnegative().optional(),
  })
  .refine((target) => Object.keys(target).length > 0, 'must hold at least one of storedBytes, ratio, latencyMs and maxLoss')
  .refine(({ storedBytes, ratio }) => storedBytes === undefined || ratio === undefined, {
    message: 'says the same as storedBytes; give one of them',
    path: ['ratio'],
  });

const budgetSchema = z.strictObject({
  /** Models that are made and measured, at most. */
  trials: positive.max(1000).default(20),
  /** Time of all trials together, those of earlier attempts included; the one at work is finished. No limit when absent. */
  minutes: z.number().positive().optional(),
});

const candidateSchema = z.strictObject({
  /** For people; what its steps are when absent. */
  name: z.string().min(1).max(200).optional(),
  /** Checked by the methods' own schemas. */
  steps: z.array(z.unknown()).min(1),
});

export const searchSettings = z.strictObject({
  target: targetSchema,
  budget: budgetSchema.default({ trials: 20 }),
  /** What quality is; less is better but for accuracy. */
  metric: z.enum(qualityMetrics).default('loss'),
  /** Recipes to try, in place of the space of our own. */
  candidates: z.array(candidateSchema).min(1).optional(),
  /** Settings of a `distill` step that the best trials get before their numbers become codes; none is trained when absent. */
  distill: z.record(z.string(), z.unknown()).optional(),
  seed: z.int().nonnegative().optional(),
});

export type SearchSettings = z.infer<typeof searchSettings>;
export type SearchTarget = SearchSettings['target'];

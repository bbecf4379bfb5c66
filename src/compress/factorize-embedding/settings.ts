// Settings of the embedding-factorization step, as recipes write them.
import { z } from 'zod';

const patterns = z.array(z.string().min(1)).min(1).optional();

/** Exactly one of width and ratio says how much is kept. */
export const factorizeEmbeddingSettings = z
  .strictObject({
    /** E: what the table is narrowed to. */
    width: z.int().min(1).optional(),
    /** Share of the stored bytes of the tables that stays. */
    ratio: z.number().gt(0).lte(1).optional(),
    /** What each row of the error counts: the same (`plain`), or as often as its token comes in calibration text (`frequency`). */
    method: z.enum(['plain', 'frequency']).default('plain'),
    include: patterns,
    exclude: patterns,
    /** Of the random starts; the recipe's seed when absent. */
    seed: z.int().optional(),
  })
  .check((context) => {
    const { width, ratio } = context.value;
    const message = 'needs either width or ratio';
    if ((width === undefined) === (ratio === undefined)) context.issues.push({ code: 'custom', message, path: [], input: context.value });
  });

export type FactorizeEmbeddingSettings = z.infer<typeof factorizeEmbeddingSettings>;

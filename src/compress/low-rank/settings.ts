// Settings of the low-rank step, as recipes write them.
import { z } from 'zod';

const patterns = z.array(z.string().min(1)).min(1).optional();

/** Exactly one of ratio, rank and energy says how much is kept. */
export const lowRankSettings = z
  .strictObject({
    /**
     * `plain` keeps the weights closest, `fwsvd` those that the loss minds, `asvd` those that meet large inputs, `whitened` the outputs on
     * calibration text.
     */
    method: z.enum(['plain', 'fwsvd', 'asvd', 'whitened']).default('plain'),
    /** Power of the mean input magnitude in `asvd`, 0.5 when absent; 0 is `plain`. */
    alpha: z.number().gte(0).lte(2).optional(),
    /** Share of the stored bytes of the touched matrices that stays. */
    ratio: z.number().gt(0).lte(1).optional(),
    /** The same rank for every matrix. */
    rank: z.int().optional(),
    /** Share of the squared singular values that each matrix keeps. */
    energy: z.number().gt(0).lte(1).optional(),
    /**
     * `uniform`: every matrix keeps the ratio. `loss`: bytes go where they save most of the model's loss, by its gradients. `sensitivity`: the
     * same by measuring the loss with one matrix cut at a time.
     */
    allocate: z.enum(['uniform', 'loss', 'sensitivity']).default('uniform'),
    include: patterns,
    exclude: patterns,
    /** Of the random starts; the recipe's seed when absent. */
    seed: z.int().optional(),
  })
  .check((context) => {
    const { method, alpha, ratio, rank, energy, allocate } = context.value;
    const given = [ratio, rank, energy].filter((value) => value !== undefined).length;
    const fail = (message: string, path: string[]): void => {
      context.issues.push({ code: 'custom', message, path, input: context.value });
    };
    if (alpha !== undefined && method !== 'asvd') fail('is the power of method "asvd"; leave it out', ['alpha']);
    else if (given !== 1) fail(`needs exactly one of ratio, rank and energy, got ${given}`, []);
    else if (allocate !== 'uniform' && ratio === undefined)
      fail(`"${allocate}" shares out the bytes of a ratio; give ratio in place of rank or energy`, ['allocate']);
  });

export type LowRankSettings = z.infer<typeof lowRankSettings>;

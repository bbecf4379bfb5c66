// Settings of the FLOP step, as recipes write them.
import { z } from 'zod';
import { methodTraining } from '#teaching';
import { stoppingFields } from '../stopping-fields.ts';

const patterns = z.array(z.string().min(1)).min(1).optional();
const count = z.int().nonnegative();

export const flopSettings = z
  .strictObject({
    /** Share of the stored bytes of the touched matrices that stays. */
    ratio: z.number().gt(0).lte(1),
    /**
     * What the factors begin as: the singular value decomposition of the trained matrices (`svd`), that of what they do to calibration text
     * (`whitened`), or random, with all other weights of the model.
     */
    start: z.enum(['svd', 'whitened', 'random']).default('svd'),
    /** Bytes of the factors at the start, as a share of the dense matrix; absent: full rank, with `random` 1. */
    startRatio: z.number().positive().optional(),
    /** c in (0, 1): a gate begins as log((1 − c)/c). */
    dropTendency: z.number().gt(0).lt(1).default(0.05),
    /**
     * How far α of a matrix's strongest term is above that of its weakest at the start; published is 0. Absent: 4, and 0 with `random`, where no term
     * is stronger.
     */
    spread: z.number().nonnegative().optional(),
    /** Temperature of the gates; CoFi's is 2/3. */
    beta: z.number().positive().lte(4).default(1),
    lagrangian: z.enum(['signed', 'absolute']).default('signed'),
    /** Steps in which the target comes down to `ratio`; half of those with gates when absent. */
    targetWarmupSteps: count.optional(),
    /** Peak learning rate of the gates, and of the multipliers λ1 and λ2; from the number of steps when absent. */
    gateLearningRate: z.number().positive().optional(),
    multiplierLearningRate: z.number().positive().optional(),
    /** After so many steps terms whose gates have closed for good are taken out and the graph is compiled smaller; 0: never. A tenth of the steps when absent. */
    recompileEvery: count.optional(),
    /** A gate has closed for good when it stays open with less than this probability. */
    closedBelow: z.number().gt(0).lt(0.5).default(0.02),
    /** Last steps, in which the terms that stay train without gates; a third of the steps when absent. */
    settleSteps: count.optional(),
    /** Tokens of the clusters of an adaptive embedding, most frequent first; a last cluster has the rest. For the embeddings that patterns match. */
    clusters: z.array(z.int().positive()).min(1).optional(),
    /** Of the steps without gates, whose model has its final shape. 0 goes on to the end. */
    ...stoppingFields,
    training: methodTraining().prefault({}),
    include: patterns,
    exclude: patterns,
    /** Of the gates' noise and of random starts; the recipe's seed when absent. */
    seed: count.optional(),
  })
  .check((context) => {
    const { ratio, startRatio, training, targetWarmupSteps, settleSteps = 0, patience } = context.value;
    const fail = (message: string, path: string[]): void => {
      context.issues.push({ code: 'custom', message, path, input: context.value });
    };
    if (startRatio !== undefined && startRatio < ratio)
      fail(`is below the ratio ${ratio}: training only takes terms away. Start with more, or ask for less`, ['startRatio']);
    if (patience > 0 && context.value.settleSteps === 0)
      fail('looks at the steps behind the gates, and settleSteps leaves none. Settle for more, or set patience to 0', ['patience']);
    const { steps } = training;
    if (steps === undefined) return;
    if (settleSteps >= steps) fail(`leaves none of the ${steps} steps for the gates. Settle for fewer, or train longer`, ['settleSteps']);
    else if (targetWarmupSteps !== undefined && targetWarmupSteps > steps - settleSteps)
      fail(
        `would reach the target after step ${targetWarmupSteps}, but gates train for ${steps - settleSteps} steps only. Warm up for fewer, or train longer`,
        ['targetWarmupSteps'],
      );
  });

export type FlopSettings = z.infer<typeof flopSettings>;

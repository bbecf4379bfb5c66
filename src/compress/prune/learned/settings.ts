// Settings of pruning that is learnt in training, as recipes write them.
import { z } from 'zod';
import { methodTraining } from '#teaching';

const patterns = z.array(z.string().min(1)).min(1).optional();

export const learnedMethods = ['movement', 'softMovement', 'gradual'] as const;

const fields = z.strictObject({
  /**
   * `movement`: weights whose scores are highest stay, and scores rise where the gradient moves weights away from zero. `softMovement`: those whose
   * scores are above a threshold, and a penalty pulls all scores down. `gradual`: the largest stay, fewer and fewer.
   */
  method: z.enum(learnedMethods),
  /** Share of the weights that become zero; of `softMovement` it follows from `penalty`. */
  sparsity: z.number().gt(0, 'sparsity must be above 0').lt(1, 'sparsity must be below 1').optional(),
  /** What weights are compared within: those of one matrix, or of all. Default layer. */
  scope: z.enum(['layer', 'global']).optional(),
  /** Training steps before the first zeros, and after the last new ones. Default 0. */
  warmupSteps: z.int().nonnegative().default(0),
  cooldownSteps: z.int().nonnegative().default(0),
  /** Steps between two choices of what is zero. Default 10. */
  every: z.int().positive().default(10),
  /** Learning rate of scores. Default 0.01. */
  scoreLearningRate: z.number().positive().optional(),
  /** Of `softMovement`: what sigmoid(score) must be above in the end. Default 0.1. */
  threshold: z.number().gt(0).lt(0.5, 'must be below 0.5, where scores begin').optional(),
  /** Of `softMovement`: weight in the end of the mean of sigmoid(score) in the loss. Default 400. */
  penalty: z.number().nonnegative().optional(),
  include: patterns,
  exclude: patterns,
  seed: z.int().nonnegative().optional(),
  training: methodTraining().default({}),
});

type Fields = z.infer<typeof fields>;

export const learnedPruningSettings = fields.check((context) => {
  const settings = context.value;
  const { method } = settings;
  const refuse = (message: string, ...names: (keyof Fields)[]): void => {
    for (const name of names)
      if (settings[name] !== undefined) context.issues.push({ code: 'custom', message, path: [name], input: settings });
  };
  if (method === 'softMovement') refuse('follows from "threshold" and "penalty"; leave it out, or take "movement"', 'sparsity', 'scope');
  else {
    if (settings.sparsity === undefined)
      context.issues.push({ code: 'custom', message: `"${method}" needs a sparsity`, path: ['sparsity'], input: settings });
    refuse('only "softMovement" has it; leave it out', 'threshold', 'penalty');
  }
  if (method === 'gradual') refuse('"gradual" has no scores; leave it out', 'scoreLearningRate');
});

export type LearnedPruningSettings = Fields;

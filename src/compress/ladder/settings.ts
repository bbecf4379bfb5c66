// Settings of the ladder step, as recipes write them.
import { z } from 'zod';
import { methodTraining } from '#teaching';

export const ladderSettings = z.strictObject({
  /** What the model's width, heads and neurons are divided by. */
  reduction: z.int().min(1).default(8),
  /** Layers that are read, by index from 0; all when absent. The side network has one block for each. */
  layers: z.array(z.int().min(0)).min(1).optional(),
  /** What the side network begins with: the part of the model that the loss minds most (`pruned`), or random numbers. */
  initial: z.enum(['pruned', 'random']).default('pruned'),
  /** A last gate mixes what the model itself answers into what the side network answers. */
  mixOutput: z.boolean().default(false),
  /** Whether the head of a classifier trains too. */
  trainHead: z.boolean().default(true),
  /**
   * How the answers of the frozen model are kept on disk, so that it runs once for every example. `auto`: as `float32` where there is more than one epoch,
   * else not at all.
   */
  cache: z.enum(['auto', 'none', 'float32', 'float16']).default('auto'),
  /** Room for them; examples beyond it are run every time. */
  cacheBytes: z
    .int()
    .min(1)
    .default(8 * 2 ** 30),
  /** Of random first weights and of the order of the data; the recipe's when absent. */
  seed: z.int().nonnegative().optional(),
  /** The data alone teaches unless a teacher is named. */
  training: methodTraining({
    alone: true,
    without: ['hidden', 'attention', 'relation', 'embeddings'],
    why: 'the layers of the model do not train, and those of the side network are of another kind. Use "labels" and "logits"',
  }).default({}),
});

export type LadderSettings = z.infer<typeof ladderSettings>;

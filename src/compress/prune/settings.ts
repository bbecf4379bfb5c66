// Settings of the pruning step, as recipes write them.
import { z } from 'zod';
import { learnedMethods } from './learned/settings.ts';

const patterns = z.array(z.string().min(1)).min(1).optional();

/** N:M: of `group` weights that follow one another along the inputs, `kept` stay. */
export const groupPatterns = { '2:4': { kept: 2, group: 4 }, '4:8': { kept: 4, group: 8 } } as const;

const share = (name: string): z.ZodNumber => z.number().gt(0, `${name} must be above 0`).lt(1, `${name} must be below 1`);

const fields = z.strictObject({
  /** `magnitude` drops the smallest weights, `wanda` those that move the outputs least, `sparsegpt` lets the others make up for them. */
  method: z
    .enum(['magnitude', 'wanda', 'sparsegpt'], {
      error: `must be one of ${['magnitude', 'wanda', 'sparsegpt', ...learnedMethods].join(', ')}`,
    })
    .default('magnitude'),
  /** Share of the weights that become zero. */
  sparsity: share('sparsity').optional(),
  /** Share of the stored bytes that stays, bitmap included. */
  ratio: share('ratio').optional(),
  /** Where zeros may be: anywhere, or so many of each group of weights along the inputs. */
  pattern: z.enum(['unstructured', '2:4', '4:8']).default('unstructured'),
  /** What weights are compared within: those of one output, of one matrix, or of all matrices. Default: row with `wanda`, else layer. */
  scope: z.enum(['row', 'layer', 'global']).optional(),
  /** Layer inputs are those of the model whose earlier blocks are pruned already: a pass over the text for each block. */
  sequential: z.boolean().default(false),
  include: patterns,
  exclude: patterns,
  /** Nothing is random here: taken so that every step takes one. */
  seed: z.int().optional(),
});

/** Which settings go together. */
export const weightPruningSettings = fields.check((context) => {
  const { method, sparsity, ratio, pattern, scope, sequential } = context.value;
  const fail = (message: string, field?: string): void => {
    context.issues.push({ code: 'custom', message, path: field === undefined ? [] : [field], input: context.value });
  };
  const numSizes = [sparsity, ratio].filter((size) => size !== undefined).length;
  if (pattern === 'unstructured' && numSizes !== 1) fail(`needs exactly one of sparsity and ratio, got ${numSizes}`);
  if (pattern !== 'unstructured') {
    if (sparsity !== undefined && sparsity !== 0.5) fail(`the pattern ${pattern} makes half of the weights zero; leave it out`, 'sparsity');
    if (ratio !== undefined) fail(`the pattern ${pattern} says how much stays; leave it out`, 'ratio');
  }
  if (scope !== undefined && pattern !== 'unstructured')
    fail(`the pattern ${pattern} compares weights within its groups; leave it out`, 'scope');
  if (scope === 'global' && method !== 'magnitude') fail(`"${method}" cannot compare weights of several matrices; magnitude can`, 'scope');
  if (scope === 'row' && method === 'sparsegpt') fail('"sparsegpt" compares weights within blocks of inputs; leave it out', 'scope');
  if (sequential && method === 'magnitude') fail('"magnitude" looks at no inputs; leave it out', 'sequential');
});

export type WeightPruningSettings = z.infer<typeof fields>;

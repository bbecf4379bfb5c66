// Settings of structured pruning, as recipes write them.
import { z } from 'zod';

const patterns = z.array(z.string().min(1)).min(1).optional();

const fields = z.strictObject({
  /** What is removed: attention heads, feed-forward neurons, channels of the residual stream, or whole layers. */
  structure: z.enum(['heads', 'ffn', 'width', 'layers']),
  /** Share of the units that stays, which is the share of the stored bytes of dense matrices. */
  ratio: z.number().gt(0).lte(1).optional(),
  /** Layers to take out, by index; in place of `ratio` and an importance. */
  remove: z.array(z.int().min(0)).min(1).optional(),
  /**
   * What says which units go. `magnitude`: norms of their weights, without text. `firstOrder`: how much the loss would change, to first order.
   * `output`: what the next matrix's outputs lose when it is refitted (heads and ffn). `similarity`: how little a layer changes its input
   * (layers). `spacing`: layers that stay are evenly spaced, the first and the last among them, without text. Default: `output` for ffn, `firstOrder`
   * for heads and width, `similarity` for layers.
   */
  importance: z.enum(['magnitude', 'firstOrder', 'output', 'similarity', 'spacing']).optional(),
  /** `uniform` removes the same number from every block, `global` the least important of all blocks together. */
  spread: z.enum(['uniform', 'global']).default('uniform'),
  /** The number of units that stay in a block is rounded to a multiple of this. */
  multipleOf: z.int().min(1).default(1),
  /** Refit the matrix that reads the units to give its old outputs from those that stay. Default: for heads and ffn unless `importance` is `magnitude`. */
  repair: z.boolean().optional(),
  include: patterns,
  exclude: patterns,
  /** Nothing is random here: taken so that every step takes one. */
  seed: z.int().optional(),
});

type Fields = z.infer<typeof fields>;
export type Structure = Fields['structure'];
export type Importance = NonNullable<Fields['importance']>;

const importances: Readonly<Record<Structure, readonly Importance[]>> = {
  heads: ['firstOrder', 'output', 'magnitude'],
  ffn: ['output', 'firstOrder', 'magnitude'],
  width: ['firstOrder', 'magnitude'],
  layers: ['similarity', 'firstOrder', 'spacing'],
};

export const structuredSettings = fields.check((context) => {
  const { structure, ratio, remove, importance, spread, multipleOf, repair, include, exclude } = context.value;
  const fail = (message: string, path: string[]): void => {
    context.issues.push({ code: 'custom', message, path, input: context.value });
  };
  const isInBlocks = structure === 'heads' || structure === 'ffn';
  if (remove !== undefined && structure !== 'layers') fail(`names layers; structure "${structure}" takes a ratio`, ['remove']);
  else if ((ratio === undefined) === (remove === undefined))
    fail(structure === 'layers' ? 'needs either ratio or remove' : 'needs a ratio, the share of the units that stays', ['ratio']);
  if (remove !== undefined && importance !== undefined) fail('the layers to remove are given; leave it out', ['importance']);
  if (importance !== undefined && !importances[structure].includes(importance))
    fail(`structure "${structure}" knows ${importances[structure].join(', ')}, got "${importance}"`, ['importance']);
  if (spread === 'global' && !isInBlocks) fail(`structure "${structure}" is the same for all blocks; leave it out`, ['spread']);
  if (repair === true && !isInBlocks) fail('only the matrix behind heads or ffn can be refitted; leave it out', ['repair']);
  if (multipleOf !== 1 && structure === 'layers') fail('layers come one by one; leave it out', ['multipleOf']);
  if (structure === 'width' && (include !== undefined || exclude !== undefined))
    fail('the width is that of every matrix at once; leave the patterns out', [include === undefined ? 'exclude' : 'include']);
});

export type StructuredSettings = Fields;

/** The importance to use, with the default of the structure. */
export function importanceOf({ structure, importance }: StructuredSettings): Importance {
  const [byDefault = 'magnitude'] = importances[structure];
  return importance ?? byDefault;
}

/** Whether the matrices behind the units are refitted. */
export function isRepaired(settings: StructuredSettings): boolean {
  const isInBlocks = settings.structure === 'heads' || settings.structure === 'ffn';
  return isInBlocks && (settings.repair ?? importanceOf(settings) !== 'magnitude');
}

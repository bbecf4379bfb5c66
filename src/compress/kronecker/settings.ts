// Settings of the Kronecker step, as recipes write them.
import { z } from 'zod';

const patterns = z.array(z.string().min(1)).min(1).optional();

/** What may be permuted: nothing, only hidden units (which costs nothing at run time), or also the residual sides by stored orders. */
const permuteModes = ['none', 'hidden', 'all'] as const;

export const kroneckerSettings = z
  .strictObject({
    /** Share of the stored bytes of the touched matrices that stays; terms and shapes follow from it. */
    ratio: z.number().gt(0).lte(1).optional(),
    /** R, the number of terms; goes with `shape`. */
    terms: z.int().min(1).optional(),
    /** [m2, n2] of the small factor B, the same for every matrix. */
    shape: z.tuple([z.int().min(1), z.int().min(1)]).optional(),
    /** Fixed matrices and sizes, as a publication has them; `default` takes them from `ratio`, or from `terms` and `shape`. */
    layout: z.enum(['default', 'tqcompressor', 'kngpt2']).default('default'),
    /** Absent: `all`, with layout kngpt2 `none`. */
    permute: z.enum(permuteModes).optional(),
    /** How orders are searched for: by `alternation` at the final number of terms, or beginning with one term as well. */
    search: z.enum(['alternation', 'continuation']).default('continuation'),
    /** Whether the head stays the transposed embedding. Absent: `tied`, with the published layouts `untied`. */
    head: z.enum(['tied', 'untied']).optional(),
    include: patterns,
    exclude: patterns,
    /** Every step has one; nothing in this one is random. */
    seed: z.int().optional(),
  })
  .check((context) => {
    const { ratio, terms, shape, layout } = context.value;
    const fail = (message: string, path: string[]): void => {
      context.issues.push({ code: 'custom', message, path, input: context.value });
    };
    if (layout !== 'default') {
      if (ratio !== undefined || terms !== undefined || shape !== undefined)
        fail(`layout "${layout}" says terms and shapes itself; leave out ratio, terms and shape, or the layout`, ['layout']);
    } else if ((terms === undefined) !== (shape === undefined))
      fail('terms and shape go together', [terms === undefined ? 'terms' : 'shape']);
    else if ((ratio === undefined) === (terms === undefined)) fail('needs either ratio, or terms and shape', []);
  });

export type KroneckerSettings = z.infer<typeof kroneckerSettings>;
export type PermuteMode = (typeof permuteModes)[number];

// Settings of the sharing step, as recipes write them.
import { z } from 'zod';
import { mostLayers } from '#models';

const patterns = z.array(z.string().min(1)).min(1).optional();
const size = z.int().min(1);
/** Of applied layers. */
const depth = size.max(mostLayers);

/** Schemes whose number of unique layers is chosen; that of the others follows from the scheme. */
const chosenUnique: readonly string[] = ['sequence', 'cycle', 'cycleReversed'];
const fixedUnique: Readonly<Record<string, number>> = { all: 1, sandwich: 3 };

const fields = z.strictObject({
  /** Which layers are one; may be left out where only the embedding changes. */
  scheme: z.enum(['all', 'sequence', 'cycle', 'cycleReversed', 'sandwich', 'tiedEncoderDecoder']).optional(),
  /** M: layers that are stored. */
  uniqueLayers: size.optional(),
  /** N: layers that are applied; those of the model when absent. More than that adds depth at the same size. */
  layers: depth.optional(),
  /** What a shared layer starts as: the mean of the layers that it replaces, the first of them, or the one that is most like the others. */
  from: z.enum(['average', 'first', 'similar']).default('first'),
  /** For `similar`: cosine of what two blocks add to the residual stream, or linear CKA of their results. */
  similarity: z.enum(['cosine', 'cka']).default('cosine'),
  /** Whether gains and biases of norms are shared too. Default: not with `sandwich`, as in Subformer. */
  norms: z.enum(['shared', 'own']).optional(),
  /** For `tiedEncoderDecoder`: what the decoder's attention to the encoder is, a weight of its own or its self-attention. */
  crossAttention: z.enum(['own', 'self']).default('own'),
  /** Subformer's narrow embedding in place of the table. */
  embedding: z.strictObject({ width: size, heads: size.default(4) }).optional(),
  /** Positions that decide how often the one layer of scheme `all` is applied. */
  halting: z
    .strictObject({
      /** The same as `layers`. */
      maxSteps: depth.optional(),
      epsilon: z.number().gt(0).lt(1).default(0.01),
      ponderCost: z.number().gte(0).default(0.01),
      /** Sinusoids of position and step before each step: the paper's way, but a change of the function for trained weights. */
      signals: z.boolean().default(false),
    })
    .optional(),
  /** Parameters to share, vectors too; every parameter of the blocks when absent. */
  include: patterns,
  exclude: patterns,
  /** Of the random start of the embedding's decomposition; the recipe's seed when absent. */
  seed: z.int().optional(),
});

export const shareSettings = fields.check((context) => {
  const { scheme, uniqueLayers, layers, embedding, halting } = context.value;
  const fail = (message: string, ...path: string[]): void => {
    context.issues.push({ code: 'custom', message, path, input: context.value });
  };
  if (embedding !== undefined && embedding.width % embedding.heads !== 0)
    fail(`${embedding.width} is not a multiple of heads, ${embedding.heads}; choose others`, 'embedding', 'width');
  if (scheme === undefined) {
    if (embedding === undefined) fail('needs a scheme, or an embedding', 'scheme');
    if (uniqueLayers !== undefined || layers !== undefined || halting !== undefined) fail('is needed to share layers', 'scheme');
    return;
  }
  if (chosenUnique.includes(scheme) && uniqueLayers === undefined) fail(`is needed by scheme "${scheme}"`, 'uniqueLayers');
  const fixed = fixedUnique[scheme];
  if (fixed !== undefined && uniqueLayers !== undefined && uniqueLayers !== fixed)
    fail(`is always ${fixed} with scheme "${scheme}", got ${uniqueLayers}`, 'uniqueLayers');
  if (scheme === 'tiedEncoderDecoder' && (uniqueLayers !== undefined || layers !== undefined))
    fail('"tiedEncoderDecoder" keeps the layers of the encoder; leave uniqueLayers and layers out', 'scheme');
  if (halting === undefined) return;
  if (scheme !== 'all') fail(`repeats one layer: scheme must be "all", got "${scheme}"`, 'halting');
  if (layers !== undefined && halting.maxSteps !== undefined && layers !== halting.maxSteps)
    fail(`is ${halting.maxSteps}, but layers is ${layers}; give one of them`, 'halting', 'maxSteps');
});

export type ShareSettings = z.infer<typeof fields>;

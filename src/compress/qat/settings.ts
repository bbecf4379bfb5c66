// Settings of quantization-aware training, as recipes write them.
import { z } from 'zod';
import { smallestGroup } from '#models';
import { methodTraining } from '#teaching';

const patterns = z.array(z.string().min(1)).min(1).optional();
const largestGroup = 1024;
const defaultGroup = 32;
/** Of TernaryBERT: weights beyond it no longer move. */
const defaultClip = 2.5;

const fields = z.strictObject({
  /** `ternary`: weights −a, 0, a in 2 bits. `binary`: −a, a in 1 bit. */
  scheme: z.enum(['integer', 'ternary', 'binary']).default('integer'),
  /** Of one weight of scheme `integer`. */
  bits: z
    .union([z.literal(8), z.literal(4), z.literal(3), z.literal(2)], {
      error: (issue) => `must be 8, 4, 3 or 2, got ${JSON.stringify(issue.input)}`,
    })
    .optional(),
  /** Weights that share a scale, along the inputs. Default 32. */
  groupSize: z
    .int()
    .min(smallestGroup)
    .max(largestGroup)
    .refine((size) => Number.isInteger(Math.log2(size)), { error: 'must be a power of two' })
    .optional(),
  /** One scale for each output in place of groups. */
  perChannel: z.boolean().default(false),
  /** Without zero points. Default: at 8 bits only. */
  symmetric: z.boolean().optional(),
  /** Where the steps of whole numbers come from: the range of each group (`range`), or training (`learned`, symmetric). */
  stepSize: z.enum(['range', 'learned']).default('range'),
  /** What becomes zero in ternary codes: below 0.7 of the mean magnitude (`twn`), or below half of it (`absmean`). */
  threshold: z.enum(['twn', 'absmean']).default('twn'),
  /** Weights of ternary and binary codes farther from zero than this get no gradient. */
  clip: z.number().positive().default(defaultClip),
  /** Binary from ternary: trains ternary weights first, and splits each into two binary ones. */
  split: z.boolean().default(true),
  /** Steps of that first training. Default: those of the second. */
  ternarySteps: z.int().positive().optional(),
  /**
   * What linear layers read: floats (`none`), rounded to 8 bits row by row (`token`), by the range of each batch (`dynamic`) or with a step that trains
   * (`learned`). The last two are for 8 bits, with a scale for each output, and are served by products in integers.
   */
  activations: z.enum(['none', 'token', 'dynamic', 'learned']).default('none'),
  /** Steps over which rounding sets in: weights are w + λ·(ŵ − w) with λ = min(step/lambdaSteps, 1). */
  lambdaSteps: z.int().nonnegative().default(0),
  include: patterns,
  exclude: patterns,
  seed: z.int().nonnegative().optional(),
  training: methodTraining().default({}),
});

type Fields = z.infer<typeof fields>;

export const qatSettings = fields.check((context) => {
  const settings = context.value;
  const { scheme, bits, stepSize, activations, perChannel } = settings;
  const fail = (message: string, field: keyof Fields): void => {
    context.issues.push({ code: 'custom', message, path: [field], input: settings });
  };
  if (scheme === 'integer' && bits === undefined) fail('must be 8, 4, 3 or 2, got undefined', 'bits');
  if (scheme !== 'integer') {
    if (bits !== undefined) fail(`scheme "${scheme}" has its own codes; leave it out`, 'bits');
    if (settings.symmetric !== undefined) fail(`scheme "${scheme}" has its own codes; leave it out`, 'symmetric');
    if (stepSize === 'learned') fail(`scheme "${scheme}" takes its scales from the weights; leave it out`, 'stepSize');
  }
  if (stepSize === 'learned' && settings.symmetric === false) fail('learned steps have no zero points; leave it out', 'symmetric');
  if (scheme !== 'ternary' && settings.threshold !== 'twn') fail('only scheme "ternary" has a threshold; leave it out', 'threshold');
  if (scheme !== 'binary' && settings.ternarySteps !== undefined)
    fail('only scheme "binary" trains ternary weights first; leave it out', 'ternarySteps');
  if (scheme === 'binary' && !settings.split && settings.ternarySteps !== undefined)
    fail('goes with "split"; leave it out', 'ternarySteps');
  if (perChannel && settings.groupSize !== undefined) fail('"perChannel" has no groups; leave one out', 'groupSize');
  if (activations === 'dynamic' || activations === 'learned') {
    if (bits !== 8) fail(`activations "${activations}" are multiplied in 8-bit integers; set bits to 8, or take "token"`, 'activations');
    if (settings.symmetric === false) fail('weights of integer products have no zero points; leave it out', 'symmetric');
    if (settings.groupSize !== undefined) fail(`activations "${activations}" have one scale an output; leave it out`, 'groupSize');
  }
});

export type QatSettings = Fields;

/** Numbers of a row [K] that share a scale. */
export function groupSizeOf(
  { groupSize = defaultGroup, perChannel }: Pick<QatSettings, 'groupSize' | 'perChannel'>,
  columns: number,
): number {
  return perChannel ? Math.max(smallestGroup, 2 ** Math.ceil(Math.log2(columns))) : groupSize;
}

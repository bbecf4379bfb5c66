// Settings of the quantization step, as recipes write them.
import { z } from 'zod';
import { smallestGroup } from '#models';

const patterns = z.array(z.string().min(1)).min(1).optional();
const largestGroup = 1024;
const allBits = '16, 8, 4, 3 or 2';

const fields = z.strictObject({
  /** Of one weight. 16 is the float type of that width. Needed unless the method or the scheme says it: 8 with rounded activations. */
  bits: z
    .union([z.literal(16), z.literal(8), z.literal(4), z.literal(3), z.literal(2)], {
      error: (issue) => `must be ${allBits}, got ${JSON.stringify(issue.input)}`,
    })
    .optional(),
  /**
   * Weights only: `rtn` rounds each weight, `gptq` lets later weights make up for it, `awq` scales up the inputs that matter before it rounds.
   * Weights and activations in 8 bits, multiplied in integers: `dynamic` rounds activations to the range of each batch, `static` to one from
   * calibration, `smoothquant` scales channels of activations down before either.
   */
  method: z.enum(['rtn', 'gptq', 'awq', 'smoothquant', 'dynamic', 'static']).default('rtn'),
  /** `ternary`: weights −a, 0, a in 2 bits. `binary`: −a, a in 1 bit. Rounded from a trained model either breaks it: they are for training into. */
  scheme: z.enum(['integer', 'ternary', 'binary']).default('integer'),
  /** What becomes zero in ternary codes: below 0.7 of the mean magnitude (`twn`, the default), or below half of it (`absmean`). */
  threshold: z.enum(['twn', 'absmean']).optional(),
  /** Weights that share a scale, along the inputs. The last group of a row may be shorter. Default 32. */
  groupSize: z
    .int()
    .min(smallestGroup)
    .max(largestGroup)
    .refine((size) => Number.isInteger(Math.log2(size)), { error: 'must be a power of two' })
    .optional(),
  /** Without zero points. Below 8 bits that wastes a level which is dear there. Default: at 8 bits only. */
  symmetric: z.boolean().optional(),
  /** With rounded activations: a scale for each output, or one for the matrix. Default true. */
  perChannel: z.boolean().optional(),
  /** What `smoothquant` does with activations afterwards. Default `dynamic`. */
  activations: z.enum(['dynamic', 'static']).optional(),
  /** The range of fixed activations: all that was seen (default), all but rare numbers, or what keeps most of their distribution. */
  calibration: z.enum(['minmax', 'percentile', 'entropy']).optional(),
  /** Share of the numbers that `percentile` keeps, in percent. Default 99.99. */
  percentile: z.number().gt(50).max(100).optional(),
  /** How much of the activations' size `smoothquant` moves into weights: 0 none, 1 all. Default 0.5. */
  alpha: z.number().min(0).max(1).optional(),
  include: patterns,
  exclude: patterns,
  /** Nothing is random here: taken so that every step takes one. */
  seed: z.int().optional(),
});

type Fields = z.infer<typeof fields>;

const integerMethods: readonly Fields['method'][] = ['smoothquant', 'dynamic', 'static'];

/** Whether activations are rounded too. */
export function hasIntegerProducts({ method }: Pick<Fields, 'method'>): boolean {
  return integerMethods.includes(method);
}

/** Whether activations are rounded to a range from calibration. */
export function hasFixedActivations({ method, activations }: Pick<Fields, 'method' | 'activations'>): boolean {
  return method === 'static' || (method === 'smoothquant' && activations === 'static');
}

/** Fields that contradict each other are errors: a setting that would do nothing was meant to do something. */
export const quantizeSettings = fields.check((context) => {
  const settings = context.value;
  const { bits, method, scheme } = settings;
  const fail = (message: string, field: keyof Fields): void => {
    context.issues.push({ code: 'custom', message, path: [field], input: settings });
  };
  const refuse = (message: string, ...names: (keyof Fields)[]): void => {
    for (const name of names) if (settings[name] !== undefined) fail(message, name);
  };
  if (scheme !== 'integer') {
    refuse(`scheme "${scheme}" has its own codes; leave it out`, 'bits', 'symmetric');
    if (method !== 'rtn') fail(`"${method}" chooses codes of whole numbers, not those of scheme "${scheme}"; leave one out`, 'method');
  } else if (hasIntegerProducts(settings)) {
    if (bits !== undefined && bits !== 8) fail(`method "${method}" multiplies in 8-bit integers, got ${bits}; leave it out`, 'bits');
    if (settings.symmetric === false) fail('weights of integer products have no zero points; leave it out', 'symmetric');
    refuse(`method "${method}" has one scale an output, or one for all (perChannel); leave it out`, 'groupSize');
  } else if (bits === undefined) fail(`must be ${allBits}, got undefined`, 'bits');
  else if (bits === 16) {
    if (method !== 'rtn') fail(`"${method}" chooses codes, and 16 bits has none; leave the method out`, 'method');
    refuse('16 bits has no codes; leave it out', 'symmetric', 'groupSize');
  }
  if (scheme !== 'ternary') refuse('only scheme "ternary" has a threshold; leave it out', 'threshold');
  if (!hasIntegerProducts(settings)) refuse(`method "${method}" rounds weights only; leave it out, or take "dynamic"`, 'perChannel');
  if (method !== 'smoothquant') refuse('only method "smoothquant" has this choice; leave it out', 'activations', 'alpha');
  if (!hasFixedActivations(settings))
    refuse('only fixed ranges of activations are calibrated; take method "static"', 'calibration', 'percentile');
  else if (settings.calibration !== 'percentile') refuse('goes with calibration "percentile"', 'percentile');
});

export type QuantizeSettings = Fields;

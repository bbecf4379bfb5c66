// Settings of the quantization step, as recipes write them.
import { z } from 'zod';
import { smallestGroup } from '#models';

const patterns = z.array(z.string().min(1)).min(1).optional();
const largestGroup = 1024;

const fields = z.strictObject({
  /** Of one weight. 16 is the float type of that width. */
  bits: z.union([z.literal(16), z.literal(8), z.literal(4), z.literal(3), z.literal(2)], {
    error: (issue) => `must be 16, 8, 4, 3 or 2, got ${JSON.stringify(issue.input)}`,
  }),
  /** `rtn` rounds each weight, `gptq` lets later weights make up for it, `awq` scales up the inputs that matter before it rounds. */
  method: z.enum(['rtn', 'gptq', 'awq']).default('rtn'),
  /** Weights that share a scale, along the inputs. The last group of a row may be shorter. */
  groupSize: z
    .int()
    .min(smallestGroup)
    .max(largestGroup)
    .refine((size) => Number.isInteger(Math.log2(size)), { error: 'must be a power of two' })
    .default(32),
  /** Without zero points. Below 8 bits that wastes a level which is dear there. Default: at 8 bits only. */
  symmetric: z.boolean().optional(),
  include: patterns,
  exclude: patterns,
  /** Nothing is random here: taken so that every step takes one. */
  seed: z.int().optional(),
});

/** 16 bits is a change of type, which has neither groups nor a method. */
export const quantizeSettings = fields.check((context) => {
  const { bits, method, symmetric } = context.value;
  const fail = (message: string, field: string): void => {
    context.issues.push({ code: 'custom', message, path: [field], input: context.value });
  };
  if (bits !== 16) return;
  if (method !== 'rtn') fail(`"${method}" chooses codes, and 16 bits has none; leave the method out`, 'method');
  if (symmetric !== undefined) fail('16 bits has no zero points; leave it out', 'symmetric');
});

export type QuantizeSettings = z.infer<typeof fields>;

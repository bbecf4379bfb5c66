// The losses of a distillation as recipes and requests write them: kinds, their fields and defaults, and errors that name what was meant.
import { z } from 'zod';
import { nearestNames } from '#base';

const weight = z.number('must be a number, or {from, to, steps}').nonnegative('must not be negative');

const movingWeight = z.strictObject({
  /** In the first step. */
  from: weight,
  /** After `steps` steps, and from then on. */
  to: weight,
  steps: z.int().positive(),
  shape: z.enum(['linear', 'cosine']).default('linear'),
});

/** A value of one of two forms, with the faults of the form that was meant. */
function either<First, Second>(
  isFirst: (given: unknown) => boolean,
  first: z.ZodType<First>,
  second: z.ZodType<Second>,
): z.ZodType<First | Second> {
  return z.unknown().transform((given, context): First | Second => {
    const parsed = (isFirst(given) ? first : second).safeParse(given, { reportInput: true });
    if (parsed.success) return parsed.data;
    for (const { message, path, input } of parsed.error.issues) context.issues.push({ code: 'custom', message, path: [...path], input });
    return z.NEVER;
  });
}

const isObject = (given: unknown): boolean => typeof given === 'object' && given !== null;

const lossWeight = either(isObject, movingWeight, weight).default(1);

const layer = z.int('must be a whole number');
const layerMap = either(
  Array.isArray,
  z.array(z.tuple([layer, layer], 'must be [student layer, teacher layer]')).min(1, 'must name a pair of layers'),
  z.enum(['uniform', 'last', 'first'], 'must be "uniform", "last", "first" or a list of [student layer, teacher layer]'),
).optional();

/** Of losses that compare insides: whose, and which layers. */
const ofStates = {
  /** Which of the teachers, from 0. */
  teacher: z.int().nonnegative().default(0),
  /** Of encoder-decoders; the decoder when absent. */
  stack: z.enum(['encoder', 'decoder']).optional(),
};
const distances = {
  distance: z.enum(['mse', 'cosine', 'pkd']).default('mse'),
  /** A trained matrix from the student's width to the teacher's. Absent: where the widths differ. */
  projection: z.enum(['none', 'learned']).optional(),
};

const kinds = {
  labels: z.strictObject({ kind: z.literal('labels'), weight: lossWeight }),
  logits: z.strictObject({
    kind: z.literal('logits'),
    weight: lossWeight,
    divergence: z.enum(['forward', 'reverse', 'jsd']).default('forward'),
    /** Of jsd: the teacher's share of the mixture. */
    beta: z.number().min(0).max(1).default(0.5),
    /** Of jsd: divided by β(1-β), so that it is the size of a KL whatever β is. */
    scaled: z.boolean().default(false),
    temperature: z.number().positive().default(1),
  }),
  hidden: z.strictObject({
    kind: z.literal('hidden'),
    weight: lossWeight,
    ...distances,
    ...ofStates,
    layers: layerMap,
    /** Every token, or only the first of each text. */
    tokens: z.enum(['all', 'first']).default('all'),
  }),
  attention: z.strictObject({
    kind: z.literal('attention'),
    weight: lossWeight,
    of: z.enum(['scores', 'probabilities']).default('scores'),
    /** Absent: mse of scores, kl of probabilities. */
    distance: z.enum(['mse', 'kl']).optional(),
    ...ofStates,
    layers: layerMap,
  }),
  relation: z.strictObject({
    kind: z.literal('relation'),
    weight: lossWeight,
    of: z.enum(['minilm', 'minilmv2', 'gram']).default('minilmv2'),
    /** Of minilmv2: relation heads; the heads of the student's layer when absent. */
    heads: z.int().positive().optional(),
    /** Of gram. */
    over: z.enum(['tokens', 'batch']).default('tokens'),
    ...ofStates,
    layers: layerMap,
  }),
  embeddings: z.strictObject({ kind: z.literal('embeddings'), weight: lossWeight, ...distances, ...ofStates }),
} as const;

export type LossKind = keyof typeof kinds;
const lossKinds = Object.keys(kinds) as readonly LossKind[];

export type LossWeight = z.infer<typeof lossWeight>;
/** Pairs count layers from 0, or from the last as -1, -2, … */
export type LayerMap = 'uniform' | 'last' | 'first' | readonly (readonly [number, number])[];
export type LossOf<Kind extends LossKind> = z.infer<(typeof kinds)[Kind]>;
/** One term of the sum, with its defaults filled in. */
export type DistillationLoss = { readonly [Kind in LossKind]: LossOf<Kind> }[LossKind];

/** On the wire a field has one type: the other form of a weight and of a layer map are fields of their own. */
function oneForm(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { weightSchedule, layerPairs, ...rest } = given;
  const isPair = (pair: unknown): pair is Record<'student' | 'teacher', unknown> => typeof pair === 'object' && pair !== null;
  return {
    ...rest,
    ...(weightSchedule === undefined ? {} : { weight: weightSchedule }),
    ...(Array.isArray(layerPairs)
      ? { layers: layerPairs.map((pair) => (isPair(pair) ? [pair.student ?? 0, pair.teacher ?? 0] : pair)) }
      : {}),
  };
}

function isKind(kind: unknown): kind is LossKind {
  return typeof kind === 'string' && Object.hasOwn(kinds, kind);
}

const lossSchema = z
  .record(z.string(), z.unknown(), 'must be an object such as {kind: logits, weight: 1}')
  .transform((given, context): DistillationLoss => {
    const fail = (message: string, path: readonly PropertyKey[], input: unknown): void => {
      context.issues.push({ code: 'custom', message, path: [...path], input });
    };
    const { kind } = given;
    if (!isKind(kind)) {
      const near =
        typeof kind === 'string'
          ? `there is no kind "${kind}". Did you mean "${nearestNames(kind, lossKinds).join()}"? There`
          : 'must be one of the kinds that there';
      fail(`${near} are ${lossKinds.join(', ')}`, ['kind'], kind);
      return z.NEVER;
    }
    const schema = kinds[kind];
    const parsed = schema.safeParse(oneForm(given), { reportInput: true });
    if (parsed.success) return parsed.data;
    const known = Object.keys(schema.shape);
    for (const issue of parsed.error.issues) {
      if (issue.code !== 'unrecognized_keys') {
        fail(issue.message, issue.path, issue.input);
        continue;
      }
      for (const key of issue.keys)
        fail(
          `is no field of the loss "${kind}". Did you mean "${nearestNames(key, issue.path.length === 0 ? known : Object.keys(movingWeight.shape)).join()}"?`,
          [...issue.path, key],
          undefined,
        );
    }
    return z.NEVER;
  });

/** Whether a term ever counts. */
export const countsEver = ({ weight: given }: DistillationLoss): boolean =>
  typeof given === 'number' ? given > 0 : given.from > 0 || given.to > 0;

const lossesSchema = z
  .array(lossSchema)
  .min(1, 'must hold at least one loss')
  .refine((losses) => losses.length === 0 || losses.some(countsEver), 'all weights are zero: nothing would be learnt');

/** How a distillation is told what to learn, besides the settings of its training. */
export const lossFields = {
  /** In place of `temperature` and `alpha`. */
  losses: lossesSchema.optional(),
  /** `gradientNorm`: weights are the shares of the losses in the gradient. */
  balance: z.enum(['gradientNorm']).optional(),
  /** Steps between two measurements of the gradients' norms. */
  balanceEvery: z.int().positive().optional(),
  /** What is averaged of several teachers. */
  average: z.enum(['probabilities', 'logits']).optional(),
  /** How teachers on this server are multiplied by; as they are stored when absent. */
  teacherProducts: z.enum(['int8']).optional(),
};

const optionsSchema = z.object(lossFields);
export type LossFields = z.infer<typeof optionsSchema>;

// Settings of the lora step and its siblings, as recipes write them.
import { z } from 'zod';
import { checkTeaching, methodTraining, type TrainingRules } from '#teaching';

const patterns = z.array(z.string().min(1)).min(1).optional();

const fields = z.strictObject({
  /**
   * What trains: low-rank products beside matrices (`lora`), bottlenecks behind the parts of every block (`adapter`), rows in front of every text
   * (`prompt`), or the biases that the model has (`bitfit`).
   */
  method: z.enum(['lora', 'adapter', 'prompt', 'bitfit']).default('lora'),
  /** r of `lora`: 1 ≤ rank ≤ the smaller side of every matrix; 8 when absent. */
  rank: z.int().min(1).optional(),
  /** α of `lora`: the product counts α/rank times; twice the rank when absent. */
  alpha: z.number().gt(0).optional(),
  /** Of the bottleneck of `adapter`; 16 when absent. */
  width: z.int().min(1).optional(),
  /** Rows of `prompt`; 20 when absent. */
  length: z.int().min(1).optional(),
  /** Matrices that `lora` stands beside. */
  include: patterns,
  exclude: patterns,
  /** Whether the head of a classifier trains too. */
  trainHead: z.boolean().default(true),
  /** Of random first values and of the order of the data; the recipe's when absent. */
  seed: z.int().nonnegative().optional(),
  /** The data alone teaches unless a teacher is named. */
  training: methodTraining({ alone: true }).default({}),
});

type Fields = z.infer<typeof fields>;

/** The method that each of the other fields belongs to. */
const ownFields = { rank: 'lora', alpha: 'lora', include: 'lora', exclude: 'lora', width: 'adapter', length: 'prompt' } as const;

const behindRows: TrainingRules = {
  alone: true,
  without: ['hidden', 'attention', 'relation', 'embeddings'],
  why: 'the rows of a prompt stand in front of every text, and teachers have none. Use "labels" and "logits"',
};

const checkPrompt = checkTeaching(
  ({ training }: Fields) => training,
  ({ method }) => (method === 'prompt' ? behindRows : { alone: true }),
  ['training'],
);

export const loraSettings = fields.check(checkPrompt, (context) => {
  const { method } = context.value;
  for (const field of Object.keys(ownFields) as (keyof typeof ownFields)[])
    if (context.value[field] !== undefined && ownFields[field] !== method)
      context.issues.push({
        code: 'custom',
        message: `is for method "${ownFields[field]}", and this one is "${method}"; leave it out`,
        path: [field],
        input: context.value,
      });
});

export type LoraSettings = Fields;

// Settings of fine-tuning, as recipes write them.
import { z } from 'zod';
import { dataTrainingFields } from '../train/settings.ts';

const fields = z.strictObject({
  /** What the model is to answer: labels of texts, hidden tokens, or what comes next. */
  task: z.enum(['classify', 'masked', 'causal']),
  /** Of `classify`, in the order of their logits; those of the data when absent. */
  labels: z.array(z.string().min(1)).min(2).optional(),
  ...dataTrainingFields,
});

export type FinetuneSettings = z.infer<typeof fields>;

export const finetuneSettings = fields.check((context) => {
  const { task, labels } = context.value;
  const fail = (message: string): void => {
    context.issues.push({ code: 'custom', message, path: ['labels'], input: context.value });
  };
  if (labels === undefined) return;
  if (task !== 'classify') fail(`are for the task "classify", and this one is "${task}"; leave them out`);
  if (new Set(labels).size !== labels.length) fail('name one label twice');
});

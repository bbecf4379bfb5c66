// Fine-tuning as a step of a recipe: the head of a task, then training on its data.
import { AppError, Random } from '#base';
import { type EncoderTask, isEncoderDecoder, type Model, taskOf, withTask } from '#models';
import type { Method } from '../method.ts';
import { trainOnData } from '../train/train.ts';
import { type FinetuneSettings, finetuneSettings } from './settings.ts';

export const finetune: Method<FinetuneSettings> = {
  name: 'finetune',
  settings: finetuneSettings,
  needsCalibration: () => false,
  training: (settings) => settings,
  teaches: ({ task, labels }) => ({ kind: task, ...(labels && { labels }) }),
  apply(model, { task, labels, ...settings }, environment, context) {
    const seed = settings.seed ?? environment.seed ?? 0;
    const start = withHead(model, task, labels ?? environment.training?.labels, seed);
    return trainOnData('finetune', model, start, settings, environment, context);
  },
};

/**
 * The model with the head that the task needs; a head that it has already stays.
 *
 * @throws AppError `unsupported` for a task that models of this architecture do not have | `not_enough_samples` without labels
 */
function withHead(model: Model, kind: FinetuneSettings['task'], labels: readonly string[] | undefined, seed: number): Model {
  const { config } = model;
  const isEncoder = taskOf(config).kind !== 'causal';
  if (!isEncoder && kind === 'causal') return model;
  if (!isEncoder || kind === 'causal') {
    const own = isEncoderDecoder(config) || !isEncoder ? 'causal' : 'classify and masked';
    throw new AppError(
      'unsupported',
      `finetune.task: ${config.architecture} models cannot have the task "${kind}"; theirs ${isEncoder ? 'are' : 'is'} ${own}. Use another model.`,
      { details: { field: 'finetune.task' } },
    );
  }
  const [known, random] = [taskOf(config), new Random(seed)];
  if (kind === 'masked') return withTask(model, { kind }, random);
  const wanted = labels ?? (known.kind === 'classify' ? known.labels : undefined);
  if (wanted === undefined)
    throw new AppError('not_enough_samples', 'finetune.labels: are not known without data. Name them, or give labelled texts.', {
      details: { field: 'finetune.labels' },
    });
  const task: EncoderTask = { kind: 'classify', labels: wanted };
  return withTask(model, task, random);
}

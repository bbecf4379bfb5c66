// What a recipe teaches a model, and the model as its data is read for it.
import { AppError, type OperationContext } from '#base';
import type { Recipe, TaughtTask } from '#compress';
import { type EncoderTask, type ModelConfig, taskOf } from '#models';
import { distinctLabels } from '#text';
import { checkDataKind, labelledRows } from './job-data.ts';
import type { ModelLease } from './model-hub.ts';
import type { TextData } from './specs.ts';

/** A model and its tokenizer, as far as reading data for them goes. */
export type DataReader = Pick<ModelLease, 'tokenizer' | 'model'>;

/**
 * The task that the steps of a recipe give to its model; undefined where it keeps its own.
 *
 * @throws AppError `bad_recipe` when they give several, since a job has data for one
 */
export function taughtTask({ steps }: Recipe): TaughtTask | undefined {
  const taught = steps.flatMap(({ method, teaches }, index) =>
    teaches === undefined ? [] : [{ place: `steps[${index}].${method}`, teaches }],
  );
  const [first] = taught;
  if (first === undefined) return undefined;
  const labels = taught.find(({ teaches }) => teaches.labels !== undefined)?.teaches.labels;
  for (const { place, teaches } of taught)
    if (teaches.kind !== first.teaches.kind || (teaches.labels ?? labels)?.join('\n') !== labels?.join('\n'))
      throw new AppError(
        'bad_recipe',
        `${place}.task: this step and ${first.place} teach different tasks or labels, and a job has data for one. Make two jobs of them.`,
        { details: { field: `${place}.task` } },
      );
  return { kind: first.teaches.kind, ...(labels && { labels }) };
}

/**
 * The model with the task that the recipe teaches, for reading data; its parameters are those that it has.
 *
 * @param data - whose labels count where nothing else names them
 * @throws AppError `unsupported` for data of another kind than the task's, and as reading labelled texts
 */
export async function dataReader(
  lease: ModelLease,
  taught: TaughtTask | undefined,
  data: TextData | undefined,
  context: OperationContext,
): Promise<DataReader> {
  const { config } = lease.model;
  const isEncoder = config.architecture === 'bert' || config.architecture === 'albert';
  if (!isEncoder || taught === undefined || taught.kind === 'causal' || data === undefined) return lease;
  const withTask = (task: EncoderTask): ModelConfig => ({ ...config, task });
  const labelsOf = async (): Promise<readonly string[]> => {
    checkDataKind(withTask({ kind: 'classify', labels: [] }), data, 'compress.data');
    const known = taskOf(config);
    return taught.labels ?? (known.kind === 'classify' ? known.labels : distinctLabels(await labelledRows(data, context)));
  };
  const task: EncoderTask = taught.kind === 'masked' ? { kind: 'masked' } : { kind: 'classify', labels: await labelsOf() };
  return { tokenizer: lease.tokenizer, model: { ...lease.model, config: withTask(task) } };
}

// Gives an encoder another head: what both tasks have stays, what is new begins at random.
import { AppError, type Random } from '#base';
import { hostTensor, sizeOf } from '#tensor';
import { checkConfig } from './check-config.ts';
import type { AlbertConfig, BertConfig, EncoderTask } from './config.ts';
import type { Model, Parameter } from './model.ts';
import { denseParameter, parameterSpecs } from './parametrizations.ts';

/**
 * The encoder with the head of another task, for fine-tuning. New matrices are normal with `standardDeviation`, new biases zero.
 *
 * @throws AppError `unsupported` for a model that generates | `bad_config`
 */
export function withTask(model: Model, task: EncoderTask, random: Random, standardDeviation = 0.02): Model {
  const { config } = model;
  if (config.architecture !== 'bert' && config.architecture !== 'albert')
    throw new AppError('unsupported', `the ${config.architecture} model generates text: it takes no head for the task "${task.kind}".`);
  const changed: BertConfig | AlbertConfig = { ...config, task };
  checkConfig(changed);
  const parameters = [...parameterSpecs({ config: changed }).values()].map(({ path, role, shape }): [string, Parameter] => {
    const known = model.parameters.get(path);
    if (known !== undefined && (!path.startsWith('classifier.') || sameLabels(config.task, task))) return [path, known];
    const data = new Float32Array(sizeOf(shape));
    if (role !== 'vector') for (let index = 0; index < data.length; index++) data[index] = standardDeviation * random.normal();
    else if (!path.endsWith('.bias')) data.fill(1);
    return [path, denseParameter(path, hostTensor('float32', shape, data))];
  });
  return { config: changed, parameters: new Map(parameters) };
}

function sameLabels(before: EncoderTask, after: EncoderTask): boolean {
  return before.kind === 'classify' && after.kind === 'classify' && before.labels.join('\n') === after.labels.join('\n');
}

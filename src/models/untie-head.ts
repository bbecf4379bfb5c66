// Gives a model a head of its own in place of the transposed token embedding.
import { type HostTensor, transposeMatrix } from '#tensor';
import type { ModelConfig } from './config.ts';
import type { Model, Parameter } from './model.ts';
import { denseParameter, materializeParameter, parameterSpecs } from './parametrizations.ts';

const embedding = 'embed.token.weight';

/** The same function with an untied head [D, V], which stores the table a second time; a model with an untied head is returned as it is. */
export function untieHead(model: Model): Model {
  if (!model.config.tiedHead) return model;
  const config: ModelConfig = { ...model.config, tiedHead: false };
  const table: HostTensor = model.parameters.get(embedding)?.tensors['value'] ?? materializeParameter(model, embedding);
  const paths = [...parameterSpecs({ config }).keys()];
  if (paths.every((path) => model.parameters.has(path))) return model; // a task without a head over the vocabulary
  const parameters = paths.map((path): [string, Parameter] => {
    const known = model.parameters.get(path);
    return [path, known ?? denseParameter(path, transposeMatrix(table))];
  });
  return { config, parameters: new Map(parameters) };
}

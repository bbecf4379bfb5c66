// Gives a model a head of its own in place of the transposed token embedding.
import { type HostTensor, transposeMatrix } from '#tensor';
import type { ModelConfig, SafeEmbedding } from './config.ts';
import type { Model, Parameter } from './model.ts';
import { denseParameter, materializeParameter, parameterSpecs } from './parametrizations.ts';
import { tableHeadPath } from './token-embedding.ts';

const embedding = 'embed.token.weight';
const headPath = 'head.weight';

/** The same function with an untied head [D, V], which stores the table a second time; a model with an untied head is returned as it is. */
export function untieHead(model: Model): Model {
  if (!model.config.tiedHead) return model;
  const config: ModelConfig = { ...model.config, tiedHead: false };
  const table: HostTensor = model.parameters.get(embedding)?.tensors['value'] ?? materializeParameter(model, embedding);
  const paths = [...parameterSpecs({ config }).keys()];
  if (paths.every((path) => model.parameters.has(path))) return model; // a task without a head over the vocabulary
  const head =
    config.embedding === undefined ? denseParameter(headPath, transposeMatrix(table)) : narrowHead(model, table, config.embedding);
  const parameters = paths.map((path): [string, Parameter] => {
    const known = model.parameters.get(path);
    return [path, known ?? head];
  });
  return { config, parameters: new Map(parameters) };
}

/** The head of a narrow table is two factors, D to e and e to V. */
function narrowHead(model: Model, table: HostTensor, { width }: SafeEmbedding): Parameter {
  const tensors = { left: materializeParameter(model, tableHeadPath), right: transposeMatrix(table) };
  return { path: headPath, kind: 'lowRank', settings: { rank: width }, tensors };
}

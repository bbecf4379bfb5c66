// A served model as clients read it: its metadata and its configuration.
import type { ModelConfig } from '../gen/inference/ModelConfig.ts';
import type { ModelMetadataResponse } from '../gen/inference/ModelMetadataResponse.ts';
import { datatypes } from './datatypes.ts';
import type { ServedModel, TensorSpec } from './served-model.ts';

/** Priorities of requests: 1 is served first. */
export const priorityLevels = 3;
export const defaultPriority = 2;

/** Shapes have the size of the batch in front where the model has batches. */
export function metadataMessage({ name, version, platform, maxBatchSize, inputs, outputs }: ServedModel): ModelMetadataResponse {
  const tensor = (spec: TensorSpec): { name: string; datatype: string; shape: number[] } => ({
    name: spec.name,
    datatype: spec.datatype,
    shape: maxBatchSize > 0 ? [-1, ...spec.dims] : [...spec.dims],
  });
  return { name, versions: [version], platform, inputs: inputs.map(tensor), outputs: outputs.map(tensor) };
}

export function configMessage(model: ServedModel): ModelConfig {
  const { name, platform, maxBatchSize, inputs, outputs, facts, isQueued, stream } = model;
  return {
    name,
    platform,
    backend: 'athanor',
    versionPolicy: { all: {} },
    maxBatchSize,
    input: inputs.map((spec) => ({
      name: spec.name,
      dataType: datatypes[spec.datatype].configName,
      dims: [...spec.dims],
      optional: spec.optional === true,
    })),
    output: outputs.map((spec) => ({ name: spec.name, dataType: datatypes[spec.datatype].configName, dims: [...spec.dims] })),
    ...(maxBatchSize === 0
      ? {}
      : {
          dynamicBatching: isQueued
            ? {
                priorityLevels,
                defaultPriorityLevel: defaultPriority,
                defaultQueuePolicy: { timeoutAction: 'REJECT', allowTimeoutOverride: true },
              }
            : {},
        }),
    parameters: Object.fromEntries(Object.entries(facts).map(([key, stringValue]) => [key, { stringValue }])),
    modelTransactionPolicy: { decoupled: stream !== undefined },
  };
}

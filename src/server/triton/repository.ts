// The repository calls of the Open Inference Protocol: what there is, loading, unloading.
import { AppError } from '#base';
import type { CallGate } from '../calls.ts';
import type { GRPCInferenceServiceHandlers } from '../gen/inference/GRPCInferenceService.ts';
import { parameterRefusal } from './parameters.ts';
import type { ServedModels } from './served-models.ts';

type Handlers = Pick<GRPCInferenceServiceHandlers, 'RepositoryIndex' | 'RepositoryModelLoad' | 'RepositoryModelUnload'>;

interface Change {
  readonly repositoryName: string;
  readonly modelName: string;
  readonly parameters: object;
}

export function repositoryCalls(gate: CallGate, models: ServedModels): Handlers {
  return {
    RepositoryIndex: gate.unary(async ({ repositoryName, ready }) => {
      if (repositoryName !== '') throw oneRepository(repositoryName);
      const states = await models.index();
      return { models: states.filter(({ state }) => !ready || state === 'READY') };
    }),
    RepositoryModelLoad: gate.unary(async (change) => {
      const name = nameOf(change);
      for (const key of Object.keys(change.parameters)) {
        if (key === 'config' || key.startsWith('file:'))
          throw new AppError('unsupported', `parameter "${key.slice(0, 100)}": models come into the store with athanor.v1.ModelService.`);
        throw parameterRefusal(key, 'config or file:… (and neither is served)', 'another name');
      }
      await models.load(name);
      return {};
    }),
    RepositoryModelUnload: gate.unary(async (change) => {
      const name = nameOf(change);
      for (const key of Object.keys(change.parameters))
        if (key !== 'unload_dependents') throw parameterRefusal(key, 'unload_dependents', 'another name');
      await models.unload(name);
      return {};
    }),
  };
}

/** KServe's dialect has the name of the model in the place of the repository's. */
function nameOf({ repositoryName, modelName }: Change): string {
  if (modelName === '') return repositoryName;
  if (repositoryName !== '') throw oneRepository(repositoryName);
  return modelName;
}

function oneRepository(name: string): AppError {
  return new AppError('unsupported', `repository_name: there is one repository, without a name; got '${name.slice(0, 100)}'.`);
}

// A model as callers see it: how each parameter is stored, what it costs, and where it comes from.
import { type ModelDeclaration, parameterCounts, parameterSpecs, storedName } from '#models';
import type { ArtefactMeta } from '#store';
import { tensorBytes } from '#tensor';
import type { ModelFacts, ParameterRecord } from './results.ts';

export function modelFacts(model: ModelDeclaration, meta: ArtefactMeta, tokenizerHash: string): ModelFacts {
  const counts = parameterCounts(model);
  const { operation = 'import', ...settings } = meta.settings ?? {};
  const data = meta.data;
  return {
    architecture: model.config.architecture,
    configJson: JSON.stringify(model.config),
    logicalParameters: counts.logical,
    storedParameters: counts.stored,
    storedBytes: counts.storedBytes,
    tokenizerHash,
    lineage: {
      operation: String(operation),
      parents: meta.parents ?? [],
      settingsJson: JSON.stringify({ ...settings, ...(meta.recipe === undefined ? {} : { recipe: meta.recipe }) }),
      dataFingerprint: typeof data === 'string' ? data : '',
    },
    parameters: parameterRecords(model),
  };
}

function parameterRecords(model: ModelDeclaration): ParameterRecord[] {
  const seen = new Set<object>();
  return [...parameterSpecs(model).values()].map(({ path, shape }) => {
    const parameter = model.parameters.get(path);
    const slots = Object.entries(parameter?.tensors ?? {});
    let storedBytes = 0;
    for (const [, tensor] of slots) {
      if (!seen.has(tensor)) storedBytes += tensorBytes(tensor);
      seen.add(tensor);
    }
    return {
      path,
      parametrization: parameter?.kind ?? '',
      shape,
      settings: Object.fromEntries(Object.entries(parameter?.settings ?? {}).map(([key, value]) => [key, String(value)])),
      storedBytes,
      tensors: slots.map(([slot, { dtype, shape: stored }]) => ({
        name: storedName({ path, kind: parameter?.kind ?? '' }, slot),
        dtype,
        shape: stored,
      })),
    };
  });
}

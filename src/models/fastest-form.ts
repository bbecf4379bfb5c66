// The form of a model that runs fastest: stored factors that save no multiplications become dense again.
import type { Model } from './model.ts';
import { replaceParameters } from './model.ts';
import { denseParameter, materializeParameter, parameterSpecs, parametrizationOf } from './parametrizations.ts';

/** For whoever runs a model and does not train it: the same function, with dense weights where their factors save bytes but no time. */
export function fastestForm(model: Model): Model {
  const specs = parameterSpecs(model);
  const slow = [...model.parameters.values()].filter((parameter) => {
    const spec = specs.get(parameter.path);
    return spec !== undefined && (parametrizationOf(parameter).isSlowerThanDense?.(spec, parameter.settings) ?? false);
  });
  if (slow.length === 0) return model;
  return replaceParameters(
    model,
    slow.map(({ path }) => denseParameter(path, materializeParameter(model, path))),
  );
}

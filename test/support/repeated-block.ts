// Models that apply one block at every place.
import { type Model, parameterSpecs, replaceParameters, sharedParameter } from '#models';

/** The first block stands for all others. */
export function repeatedBlock(model: Model): Model {
  const later = [...parameterSpecs(model).values()].filter(({ block = 0 }) => block > 0);
  return replaceParameters(
    model,
    later.map(({ path }) => sharedParameter(path, path.replace(/^h\.\d+/, 'h.0'))),
  );
}

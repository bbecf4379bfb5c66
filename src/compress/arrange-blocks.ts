// Another order of a model's layers: some left out, some at several places, each with the weights that it had.
import { at, invariant } from '#base';
import { architectureOf, checkModel, layerShapes, type Model, type Parameter, parameterSpecs, sharedOwner } from '#models';

/**
 * The model whose stacks have the given layers of the old one, by their indices there; one list a stack, in the order of `blockStacks`.
 *
 * A layer that shares a weight goes on sharing it while the layer that holds it stays; otherwise, and at every place after its first, it holds the weight
 * itself.
 *
 * @throws AppError `bad_config` for a list without layers
 */
export function arrangeBlocks(model: Model, chosen: readonly (readonly number[])[]): Model {
  const { config } = model;
  const architecture = architectureOf(config);
  const stacks = architecture.blockStacks(config);
  invariant(chosen.length === stacks.length, 'a list of layers is given for every stack');
  const shapes = layerShapes(config);
  const firstBlocks = stacks.map((_, stack) => stacks.slice(0, stack).reduce((sum, { size }) => sum + size, 0));
  const keptLayers = chosen.flatMap((layers, stack) => layers.map((layer) => at(firstBlocks, stack) + layer));
  const arranged = architecture.resized(config, { keptLayers, layerShapes: keptLayers.map((block) => at(shapes, block)) });

  /** Of the first place of each old layer: what starts with the key is now what starts with the value. */
  const places = new Map<string, string>();
  /** Of every new layer: where it was. */
  const origins = new Map<string, string>();
  for (const [index, { prefix }] of stacks.entries())
    for (const [place, layer] of at(chosen, index).entries()) {
      const [before, after] = [`${prefix}${layer}.`, `${prefix}${place}.`];
      if (!places.has(before)) places.set(before, after);
      origins.set(after, before);
    }
  const movedTo = (path: string): string | undefined => {
    const layer = layerOf(path, stacks);
    if (layer === undefined) return path;
    const place = places.get(layer);
    return place === undefined ? undefined : place + path.slice(layer.length);
  };

  const parameters = [...parameterSpecs({ config: arranged }).keys()].map((path): [string, Parameter] => {
    const layer = layerOf(path, stacks);
    const origin = layer === undefined ? undefined : origins.get(layer);
    const oldPath = layer === undefined || origin === undefined ? path : origin + path.slice(layer.length);
    const parameter = parameterOf(model, oldPath);
    const owner = sharedOwner(parameter);
    if (owner === undefined) return [path, { ...parameter, path }];
    const holder = movedTo(oldPath) === path ? movedTo(owner) : undefined;
    if (holder !== undefined) return [path, { ...parameter, path, settings: { ...parameter.settings, of: holder } }];
    return [path, { ...parameterOf(model, owner), path }];
  });
  const result = { config: arranged, parameters: new Map(parameters) };
  checkModel(result);
  return result;
}

/** What a path begins with if it is that of a parameter inside a layer: `h.3.`. */
function layerOf(path: string, stacks: readonly { readonly prefix: string }[]): string | undefined {
  for (const { prefix } of stacks) {
    const index = path.startsWith(prefix) ? /^\d+\./.exec(path.slice(prefix.length))?.[0] : undefined;
    if (index !== undefined) return prefix + index;
  }
  return undefined;
}

function parameterOf(model: Model, path: string): Parameter {
  const parameter = model.parameters.get(path);
  invariant(parameter !== undefined, `${path} has its parameter in the model that is arranged`);
  return parameter;
}

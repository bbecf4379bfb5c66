// Which axes or blocks a step of structured pruning touches, and whether they can be touched.
import { AppError, invariant } from '#base';
import { architectureOf, type BlockStack, type Model, type Parameter, parameterSpecs, type UnitAxis } from '#models';
import { checkPattern, matchesPattern, type PathPatterns } from '../../patterns.ts';
import type { StructuredSettings } from './settings.ts';
import { requireSliceable } from './slice-parameter.ts';

/**
 * The axes of the structure whose matrices the patterns choose: one is touched as soon as one of its matrices is included and none is excluded.
 *
 * @throws AppError `unsupported` for a structure that the model lacks | `pattern_matches_nothing` | `already_quantized` | `cannot_slice`
 */
export function selectAxes(model: Model, settings: StructuredSettings): UnitAxis[] {
  if (settings.structure === 'width' && model.config.embedding !== undefined)
    throw new AppError(
      'cannot_slice',
      'prune.structure: "width" would cut the narrow embedding that the model already has. Prune the width before that step.',
      { details: { field: 'prune.structure' } },
    );
  const specs = parameterSpecs(model);
  const ofStructure = architectureOf(model.config)
    .prunableUnits(model.config)
    .filter(({ kind }) => kind === settings.structure)
    // Vectors that this model lacks.
    .map((axis) => ({ ...axis, sides: axis.sides.filter(({ path }) => specs.has(path)) }));
  if (ofStructure.length === 0)
    throw new AppError(
      'unsupported',
      `prune: ${model.config.architecture} models have no ${settings.structure} that can be removed. Choose another structure.`,
    );
  const axes = choose(ofStructure, matrixPaths, settings);
  for (const { sides } of axes) for (const { path } of sides) requireSliceable(parameterOf(model, path));
  return axes;
}

/** Paths of the matrices that an axis runs through, each once. */
export function matrixPaths({ sides }: UnitAxis): string[] {
  return [...new Set(sides.filter(({ use }) => use !== 'along').map(({ path }) => path))];
}

/**
 * The one stack of a model, and the blocks whose matrices the patterns choose.
 *
 * @throws AppError `unsupported` for models of several stacks | `pattern_matches_nothing`
 */
export function selectBlocks(
  model: Model,
  settings: StructuredSettings,
): { readonly stack: BlockStack; readonly blocks: readonly number[] } {
  if (model.config.ladder !== undefined)
    throw new AppError('unsupported', 'prune: a side network reads the layers by their index. Remove layers before the step ladder.');
  const [stack, ...others] = architectureOf(model.config).blockStacks(model.config);
  if (stack === undefined || others.length > 0)
    throw new AppError(
      'unsupported',
      `prune: ${model.config.architecture} has ${others.length + 1} stacks of layers; layers can be removed from models of one.`,
    );
  const specs = [...parameterSpecs(model).values()];
  const pathsOf = (block: number): string[] =>
    specs.filter((spec) => spec.block === block && spec.role !== 'vector').map(({ path }) => path);
  const all = Array.from({ length: stack.size }, (_, block) => block);
  return { stack, blocks: choose(all, pathsOf, settings) };
}

export function parameterOf(model: Model, path: string): Parameter {
  const parameter = model.parameters.get(path);
  invariant(parameter !== undefined, `${path} is in the architecture but not in the model`);
  return parameter;
}

function choose<Item>(items: readonly Item[], pathsOf: (item: Item) => readonly string[], { include, exclude }: PathPatterns): Item[] {
  const matrices = items.flatMap(pathsOf).map((path) => ({ path }));
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) checkPattern(pattern, matrices);
  const isMatched = (item: Item, patterns: readonly string[]): boolean =>
    pathsOf(item).some((path) => patterns.some((pattern) => matchesPattern(pattern, path)));
  const chosen = items.filter((item) => (include === undefined || isMatched(item, include)) && !isMatched(item, exclude ?? []));
  if (chosen.length > 0) return chosen;
  throw new AppError('pattern_matches_nothing', 'the include and exclude patterns together leave nothing to prune. Exclude less.');
}

// What a side network begins with: a pruned copy of the model's blocks, or random numbers.
import { AppError, at, invariant, type OperationContext, Random } from '#base';
import {
  architectureOf,
  denseParameter,
  type Ladder,
  ladderPaths,
  ladderPrefix,
  type Model,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parameterSpecs,
  sharedOwner,
  sideAxes,
  sideBlockParameters,
  type UnitAxis,
  type UnitKind,
  unitIndices,
} from '#models';
import { float32, type HostTensor, selectAlong, sizeOf } from '#tensor';
import type { Calibration } from '../calibration.ts';
import { channelImportance, largest, linkedImportance, type Squares } from './linked-importance.ts';

/** The model with a ladder whose parameters are `added`. */
export function withLadder(model: Model, ladder: Ladder, added: Iterable<Parameter>): Model {
  const config = { ...model.config, ladder };
  const known = new Map([...model.parameters, ...[...added].map((parameter) => [parameter.path, parameter] as const)]);
  const parameters = [...parameterSpecs({ config }).keys()].map((path): [string, Parameter] => {
    const parameter = known.get(path);
    invariant(parameter !== undefined, `${path} has a first value`);
    return [path, parameter];
  });
  return { config, parameters: new Map(parameters) };
}

/** Paths of everything that a ladder adds. */
function ladderSpecs({ config }: Pick<Model, 'config'>, ladder: Ladder): ParameterSpec[] {
  return [...parameterSpecs({ config: { ...config, ladder } }).values()].filter(({ path }) => path.startsWith(ladderPrefix));
}

/** Matrices normal with 0.02, those that change the width uniform in ±1/√(rows), gains one, biases and gates zero. */
export function randomSide(model: Model, ladder: Ladder, seed: number): Parameter[] {
  const random = new Random(seed);
  return ladderSpecs(model, ladder).map(({ path, role, shape, initial }) => {
    const data = new Float32Array(sizeOf(shape));
    const isWidth = path.startsWith(`${ladderPrefix}down.`) || path.startsWith(`${ladderPaths.up}.`);
    if (initial !== undefined) data.fill(initial);
    else if (role === 'vector') data.fill(path.endsWith('.bias') ? 0 : 1);
    else
      for (let index = 0; index < data.length; index++)
        data[index] = isWidth ? (2 * random.uniform() - 1) / Math.sqrt(at(shape, 0)) : 0.02 * random.normal();
    return denseParameter(path, float32(shape, data));
  });
}

/**
 * The side network as the part of the model that the loss minds most: heads, neurons and channels by the empirical Fisher information of the weights.
 * What narrows the residual stream picks those channels, and what widens puts them back, so that the copy sees what its weights were trained on.
 *
 * @throws AppError `not_enough_samples` without calibration text, and those of `Calibration.gradientSquares`
 * @see Sung et al., NeurIPS 2022, §3.3. We differ: one set of channels for all layers, and heads of their full width.
 */
export async function prunedSide(
  model: Model,
  ladder: Ladder,
  calibration: Calibration | undefined,
  context: OperationContext,
): Promise<Parameter[]> {
  if (calibration === undefined)
    throw new AppError(
      'not_enough_samples',
      'ladder: initial "pruned" looks at gradients and got no calibration text. Give data, or choose initial "random".',
    );
  const { config } = model;
  const architecture = architectureOf(config);
  const blocks = new Set<number | undefined>(ladder.layers);
  const specs = parameterSpecs(model);
  const isRead = ({ role, block, path }: ParameterSpec): boolean =>
    role === 'linear' && block !== undefined && (blocks.has(block) || onlyBlock(specs)) && !path.includes('.adapter.');
  const ownerOf = (path: string): string => {
    const parameter = model.parameters.get(path);
    return (parameter === undefined ? undefined : sharedOwner(parameter)) ?? path;
  };
  const wanted = new Set([...specs.values()].filter(isRead).map(({ path }) => ownerOf(path)));
  const squares = new Map<string, Squares>();
  for await (const { path, squares: sums } of calibration.gradientSquares(model, [...wanted], context)) {
    const [rows = 0, columns = 0] = specs.get(path)?.shape ?? [];
    squares.set(path, { rows, columns, squares: sums });
  }
  const kept = new Map<UnitAxis, readonly number[]>();
  const counts: Readonly<Record<UnitKind, number>> = {
    heads: ladder.keyValueHeads,
    ffn: ladder.feedForwardWidth,
    width: ladder.width,
  };
  const squaresOf = (path: string): Squares | undefined => squares.get(ownerOf(path));
  for (const axis of architecture.prunableUnits(config)) {
    if (axis.block !== undefined && !(blocks.has(axis.block) || onlyBlock(specs))) continue;
    const scores = axis.kind === 'width' ? channelImportance(axis, squaresOf) : linkedImportance(axis, squaresOf);
    const units = largest(scores, counts[axis.kind]);
    invariant(units.length === counts[axis.kind], `${axis.name} has as many units as its side network`);
    kept.set(axis, units);
  }
  const [channels] = [...kept].flatMap(([{ kind }, units]) => (kind === 'width' ? [units] : []));
  invariant(channels !== undefined, `${config.architecture} models have a residual stream`);
  const copies = new Map(
    sideBlockParameters(architecture, config, ladder).map(({ path }) => [
      ladderPrefix + path,
      slice(model, sourcePath(specs, ladder, path), kept),
    ]),
  );
  return ladderSpecs(model, ladder).map(({ path, shape, initial }) => {
    const copy = copies.get(path) ?? firstOutside(path, shape, initial, channels);
    invariant(copy.shape.join() === shape.join(), `${path} is [${copy.shape.join()}] and should be [${shape.join()}]`);
    return denseParameter(path, copy);
  });
}

/** Gates and biases, and the matrices that pick channels and put them back. */
function firstOutside(
  path: string,
  shape: readonly number[],
  initial: number | undefined,
  channels: readonly number[],
): HostTensor<'float32'> {
  const data = new Float32Array(sizeOf(shape)).fill(initial ?? 0);
  const columns = shape[1] ?? 0;
  if (path.endsWith('.weight'))
    for (const [index, channel] of channels.entries())
      data[path.startsWith(`${ladderPaths.up}.`) ? index * columns + channel : channel * columns + index] = 1;
  return float32(shape, data);
}

/** Whether all layers are one block, as in ALBERT. */
function onlyBlock(specs: ReadonlyMap<string, ParameterSpec>): boolean {
  return [...specs.values()].every(({ block }) => block === undefined || block === 0);
}

/** Side block j is made from the layer that it reads. */
function sourcePath(specs: ReadonlyMap<string, ParameterSpec>, { layers }: Ladder, path: string): string {
  const source = path.replace(/^h\.(\d+)\./, (_, index: string) => `h.${layers[Number(index)] ?? index}.`);
  return specs.has(source) ? source : path;
}

function slice(model: Model, path: string, kept: ReadonlyMap<UnitAxis, readonly number[]>): HostTensor<'float32'> {
  let dense = materializeParameter(model, path);
  for (const [{ sides }, units] of kept)
    for (const side of sides)
      if (side.path === path) for (const axis of sideAxes(side)) dense = selectAlong(dense, axis, unitIndices(side, units));
  return dense;
}

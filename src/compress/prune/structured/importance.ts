// How important each unit of an axis is, by the measure that the settings name.
import { AppError, at, invariant, type OperationContext } from '#base';
import { type Model, materializeParameter, type UnitAxis, type UnitSide, unitIndices } from '#models';
import type { HostTensor } from '#tensor';
import type { EngineMatrices } from '../../decomposition/engine-matrices.ts';
import { inputsOfLayers } from '../../decomposition/layer-inputs.ts';
import type { CompressionEnvironment } from '../../method.ts';
import { normalized, type ScoredAxis, uniformCount } from './choose.ts';
import { removalLosses } from './refit.ts';
import { importanceOf, type StructuredSettings } from './settings.ts';
import { firstOrderUnits } from './text-pass.ts';

/**
 * Scores in the order of `axes`, comparable between them.
 *
 * @throws AppError `not_enough_samples` | `bad_weights` | `cancelled`
 */
export async function scoreUnits(
  model: Model,
  axes: readonly UnitAxis[],
  settings: StructuredSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
  matrices: EngineMatrices,
): Promise<ScoredAxis[]> {
  const importance = importanceOf(settings);
  if (importance === 'magnitude') return axes.map((axis) => ({ name: axis.name, scores: normalized(magnitudes(model, axis)) }));
  const scores =
    importance === 'output'
      ? await outputLosses(model, axes, settings, environment, context, matrices)
      : await firstOrderUnits(model, axes, environment, context);
  return axes.map(({ name, kind }) => {
    const found = scores.get(name);
    invariant(found !== undefined, `${name} got no importance`);
    // Gradients grow towards the input; heads are compared as Michel et al. do, each layer's scores at length one.
    return { name, scores: importance === 'firstOrder' && kind === 'heads' ? normalized(found) : found };
  });
}

/** Norm of what makes a unit times the norm of what reads it. */
function magnitudes(model: Model, { size, sides }: UnitAxis): Float64Array {
  const squares = (use: UnitSide['use']): Float64Array => {
    const sums = new Float64Array(size);
    for (const side of sides) if (side.use === use) addSquares(sums, materializeParameter(model, side.path), side);
    return sums;
  };
  const [made, read] = [squares('made'), squares('read')];
  return made.map((square, unit) => Math.sqrt(square * at(read, unit)));
}

function addSquares(sums: Float64Array, { data, shape }: HostTensor<'float32'>, side: UnitSide): void {
  const [rows = 0, columns = 0] = shape;
  const along = new Float64Array(side.use === 'read' ? rows : columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const index = side.use === 'read' ? row : column;
      along[index] = (along[index] ?? 0) + (data[row * columns + column] ?? 0) ** 2;
    }
  for (const unit of sums.keys()) for (const index of unitIndices(side, [unit])) sums[unit] = at(sums, unit) + at(along, index);
}

/** The one matrix that reads an axis inside a block, and how many of its rows a unit is. */
function readerOf({ name, sides }: UnitAxis): { readonly path: string; readonly unitWidth: number } {
  const [side, ...others] = sides.filter(({ use }) => use === 'read');
  invariant(side !== undefined && others.length === 0, `${name} is read by one matrix`);
  return { path: side.path, unitWidth: side.parts.reduce((sum, { width }) => sum + width, 0) };
}

async function outputLosses(
  model: Model,
  axes: readonly UnitAxis[],
  settings: StructuredSettings,
  { calibration }: CompressionEnvironment,
  context: OperationContext,
  matrices: EngineMatrices,
): Promise<Map<string, Float64Array>> {
  if (calibration === undefined)
    throw new AppError('not_enough_samples', 'prune: importance "output" looks at layer inputs and got no calibration text. Give data.');
  const axisByReader = new Map(axes.map((axis) => [readerOf(axis).path, axis]));
  const scores = new Map<string, Float64Array>();
  const { ratio = 1, multipleOf, spread } = settings;
  for await (const { path, target: axis, inputs, gram } of inputsOfLayers(calibration, model, axisByReader, matrices, context)) {
    const weight = Float64Array.from(materializeParameter(model, path).data);
    const energy = await inputs.outputEnergy(weight);
    const numRemoved = axis.size - (spread === 'uniform' ? uniformCount(axis.size, { ratio, multipleOf }) : 1);
    const problem = { gram, width: inputs.width, weight, energy };
    scores.set(axis.name, await removalLosses(matrices, problem, readerOf(axis).unitWidth, numRemoved));
    context.report({ phase: 'importance', step: scores.size, total: axes.length, item: axis.name });
  }
  return scores;
}

// Removing heads, neurons or channels: every matrix and vector on their axis loses rows, columns or entries.
import { AppError, at, invariant, type OperationContext } from '#base';
import {
  architectureOf,
  checkModel,
  type LayerShape,
  layerShapes,
  type Model,
  type ModelConfig,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  parameterSpecs,
  sideAxes,
  type UnitAxis,
  type UnitSide,
  unitIndices,
  unitNames,
} from '#models';
import { firstNonFinite, fromNumbers, hostTensor, tensorBytes, toNumbers } from '#tensor';
import type { EngineMatrices } from '../../decomposition/engine-matrices.ts';
import { relativeError } from '../../decomposition/factor-problem.ts';
import { inputsOfLayers, type LayerInputs } from '../../decomposition/layer-inputs.ts';
import { LayerRun } from '../../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type LayerReport, type MethodResult, methodReport } from '../../method.ts';
import { chooseUnits } from './choose.ts';
import { scoreUnits } from './importance.ts';
import { refitRows } from './refit.ts';
import { isRepaired, type StructuredSettings } from './settings.ts';
import { denseOf, inputSlot, sliceLoss, sliceParameter, slotTensor, smallestForm } from './slice-parameter.ts';
import { matrixPaths, parameterOf, selectAxes } from './targets.ts';

/** A matrix on an axis, and what stays of it. */
interface Cut {
  readonly spec: ParameterSpec;
  readonly axis: UnitAxis;
  readonly side: UnitSide;
  readonly indices: Int32Array;
  readonly numKept: number;
}

/** @throws AppError those of the method */
export async function sliceUnits(
  model: Model,
  settings: StructuredSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
  matrices: EngineMatrices,
): Promise<MethodResult> {
  const axes = selectAxes(model, settings);
  for (const path of axes.flatMap(matrixPaths)) checkFinite(parameterOf(model, path));
  const { ratio, spread, multipleOf } = settings;
  invariant(ratio !== undefined, 'the settings ask for a ratio');
  const scores = await scoreUnits(model, axes, settings, environment, context, matrices);
  const kept = chooseUnits(scores, { ratio, spread, multipleOf });
  const config = resizedConfig(model.config, axes, kept);
  const run = new UnitSlices(model, config, axes, kept, matrices);
  const cuts = run.cuts();
  const layers = new LayerRun(`prune ${settings.structure}`, cuts.length, environment, context);
  const finished = isRepaired(settings)
    ? await run.repaired(cuts, layers, environment, context)
    : await collect(cuts, (cut) => layers.layer(cut.spec.path, () => run.slice(cut)));
  const made = new Map(finished.flatMap(({ parameters }) => parameters).map((parameter) => [parameter.path, parameter]));
  const report = methodReport(
    'prune',
    finished.map(({ layer }) => layer),
  );
  return { model: run.model(made), report: { ...report, note: describe(axes, kept) } };
}

function describe(axes: readonly UnitAxis[], kept: ReadonlyMap<string, readonly number[]>): string {
  return axes.map(({ name, size }) => `${name}: ${kept.get(name)?.length ?? size} of ${size}`).join(', ');
}

/** The sizes that follow from what stays. */
function resizedConfig(config: ModelConfig, axes: readonly UnitAxis[], kept: ReadonlyMap<string, readonly number[]>): ModelConfig {
  const shapes = layerShapes(config);
  let { width } = config;
  for (const { name, kind, block, isCross } of axes) {
    const count = kept.get(name)?.length;
    invariant(count !== undefined, `${name} has units that stay`);
    if (block === undefined) {
      width = count;
      continue;
    }
    const shape = at(shapes, block);
    shapes[block] = withUnits(shape, kind, isCross === true, count);
  }
  return architectureOf(config).resized(config, { layerShapes: shapes, width });
}

function withUnits(shape: LayerShape, kind: UnitAxis['kind'], isCross: boolean, count: number): LayerShape {
  if (kind === 'ffn') return { ...shape, feedForwardWidth: count };
  if (isCross) return { ...shape, crossHeads: count };
  return { ...shape, heads: count * (shape.heads / shape.keyValueHeads), keyValueHeads: count };
}

/** What all matrices of one application share. */
class UnitSlices {
  readonly #model: Model;
  readonly #config: ModelConfig;
  readonly #axes: readonly UnitAxis[];
  readonly #kept: ReadonlyMap<string, readonly number[]>;
  readonly #matrices: EngineMatrices;
  readonly #newSpecs: ReadonlyMap<string, ParameterSpec>;

  constructor(
    model: Model,
    config: ModelConfig,
    axes: readonly UnitAxis[],
    kept: ReadonlyMap<string, readonly number[]>,
    matrices: EngineMatrices,
  ) {
    this.#model = model;
    this.#config = config;
    this.#axes = axes;
    this.#kept = kept;
    this.#matrices = matrices;
    this.#newSpecs = parameterSpecs({ config });
  }

  /** The matrices to cut, in the model's order. */
  cuts(): Cut[] {
    const cuts = new Map<string, Cut>();
    for (const axis of this.#axes)
      for (const side of axis.sides)
        if (side.use !== 'along') cuts.set(side.path, { spec: this.#spec(side.path), axis, side, ...this.#stay(axis, side) });
    return [...this.#newSpecs.keys()].flatMap((path) => cuts.get(path) ?? []);
  }

  /** The sliced model: `made` in place of the matrices, vectors cut, the rest untouched. */
  model(made: ReadonlyMap<string, Parameter>): Model {
    const vectors = new Map<string, Parameter>();
    for (const axis of this.#axes)
      for (const side of axis.sides)
        if (side.use === 'along')
          vectors.set(side.path, sliceParameter(parameterOf(this.#model, side.path), 0, this.#stay(axis, side).indices));
    const parameters = [...this.#newSpecs.keys()].map((path): [string, Parameter] => [
      path,
      made.get(path) ?? vectors.get(path) ?? parameterOf(this.#model, path),
    ]);
    const model = { config: this.#config, parameters: new Map(parameters) };
    checkModel(model);
    return model;
  }

  /** All cuts, the matrices behind the units refitted to their inputs on the calibration text. */
  async repaired(
    cuts: readonly Cut[],
    layers: LayerRun,
    { calibration }: CompressionEnvironment,
    context: OperationContext,
  ): Promise<FinishedLayer[]> {
    const readers = new Map(cuts.filter(({ side }) => side.use === 'read').map((cut) => [cut.spec.path, cut]));
    const finished = new Map<string, FinishedLayer>();
    for (const cut of cuts) {
      const { path } = cut.spec;
      const known = readers.has(path) ? await layers.recall(path) : await layers.layer(path, () => this.slice(cut));
      if (known !== undefined) finished.set(path, known);
    }
    for (const path of finished.keys()) readers.delete(path);
    if (readers.size > 0) {
      if (calibration === undefined)
        throw new AppError(
          'not_enough_samples',
          'prune: repair looks at layer inputs and got no calibration text. Give data, or set repair to false.',
        );
      for await (const { path, target, inputs, gram } of inputsOfLayers(calibration, this.#model, readers, this.#matrices, context))
        finished.set(path, await layers.layer(path, () => this.#refit(target, gram, inputs)));
    }
    return cuts.map(({ spec }) => {
      const result = finished.get(spec.path);
      invariant(result !== undefined, `${spec.path} was not cut`);
      return result;
    });
  }

  async slice(cut: Cut): Promise<FinishedLayer> {
    return this.#finish(cut, this.#sliced(cut)).finished;
  }

  async #refit(cut: Cut, gram: Float64Array, inputs: LayerInputs): Promise<FinishedLayer> {
    const before = parameterOf(this.#model, cut.spec.path);
    const slot = inputSlot(before);
    const stored = slotTensor(before, slot);
    const weight = Float64Array.from(toNumbers(stored));
    const rows = await refitRows(this.#matrices, { gram, width: inputs.width, weight }, cut.indices);
    const shape = [cut.indices.length, at(stored.shape, 1)];
    const refitted = {
      ...before,
      tensors: { ...before.tensors, [slot]: hostTensor(stored.dtype, shape, fromNumbers(stored.dtype, rows)) },
    };
    const total = await inputs.outputEnergy(Float64Array.from(materializeParameter(this.#model, cut.spec.path).data));
    const errorOf = async (difference: Float64Array): Promise<number> =>
      relativeError({ lost: await inputs.outputEnergy(difference), total });
    const { finished, difference } = this.#finish(cut, smallestForm(refitted, this.#newSpec(cut)));
    const cutOnly = await errorOf(this.#finish(cut, this.#sliced(cut)).difference);
    const layer = {
      ...finished.layer,
      outputError: await errorOf(difference),
      note: `${finished.layer.note}; output error without the refit ${cutOnly.toFixed(4)}`,
    };
    return { ...finished, layer };
  }

  #sliced(cut: Cut): Parameter {
    const before = parameterOf(this.#model, cut.spec.path);
    const sliced = sideAxes(cut.side).reduce((parameter, axis) => sliceParameter(parameter, axis, cut.indices), before);
    return smallestForm(sliced, this.#newSpec(cut));
  }

  #finish(
    { spec, axis, side, indices, numKept }: Cut,
    after: Parameter,
  ): { readonly finished: FinishedLayer; readonly difference: Float64Array } {
    const before = parameterOf(this.#model, spec.path);
    const newSpec = this.#newSpecs.get(spec.path);
    invariant(newSpec !== undefined, `${spec.path} is a parameter at the new sizes`);
    const loss = sliceLoss(materializeParameter(this.#model, spec.path), denseOf(after, newSpec), sideAxes(side), indices);
    const layer: LayerReport = {
      path: spec.path,
      kindBefore: before.kind,
      kindAfter: after.kind,
      bytesBefore: bytesOf(before),
      bytesAfter: bytesOf(after),
      weightError: relativeError(loss),
      note: `${numKept} of ${axis.size} ${unitNames[axis.kind]}`,
    };
    return { finished: { layer, parameters: [after] }, difference: loss.difference };
  }

  #stay(axis: UnitAxis, side: UnitSide): { readonly indices: Int32Array; readonly numKept: number } {
    const units = this.#kept.get(axis.name);
    invariant(units !== undefined, `${axis.name} has units that stay`);
    return { indices: unitIndices(side, units), numKept: units.length };
  }

  #spec(path: string): ParameterSpec {
    const spec = parameterSpecs(this.#model).get(path);
    invariant(spec !== undefined, `${path} is a parameter of the model`);
    return spec;
  }

  #newSpec({ spec }: Cut): ParameterSpec {
    const found = this.#newSpecs.get(spec.path);
    invariant(found !== undefined, `${spec.path} is a parameter at the new sizes`);
    return found;
  }
}

function bytesOf({ tensors }: Parameter): number {
  return Object.values(tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

function checkFinite({ path, tensors }: Parameter): void {
  for (const [slot, tensor] of Object.entries(tensors)) {
    const bad = firstNonFinite(tensor);
    if (bad >= 0)
      throw new AppError('bad_weights', `${path}, ${slot}: number ${bad} is not finite. Use a checkpoint from before it diverged.`);
  }
}

async function collect<From, To>(items: readonly From[], convert: (item: From) => Promise<To>): Promise<To[]> {
  const results: To[] = [];
  for (const item of items) results.push(await convert(item));
  return results;
}

// The Kronecker method: matrices become sums of Kronecker products, with their rows and columns put in an order that suits them.
import { AppError, at, invariant } from '#base';
import {
  type Model,
  type Parameter,
  type ParameterSettings,
  parameterCounts,
  parameterSpecs,
  parametrizationOf,
  replaceParameters,
  untieHead,
} from '#models';
import { dtypeBytes, firstNonFinite, fromNumbers, type HostTensor, hostTensor, isFloat, printShape, sizeOf, tensorBytes } from '#tensor';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { LayerRun } from '../layer-run.ts';
import { type FinishedLayer, type LayerReport, type Method, type MethodResult, methodReport } from '../method.ts';
import { selectMatrices } from '../patterns.ts';
import { groupTargets, movableAxes, reorderNeighbours, searchProblem, type Target, type TargetGroup } from './groups.ts';
import { chooseShape, isInLayout, resolvedModes, type ShapeCase } from './layouts.ts';
import { invertOrder, type KroneckerFit } from './nearest-sum.ts';
import { type SearchMatrix, searchPermutations } from './permutation-search.ts';
import { type KroneckerSettings, kroneckerSettings } from './settings.ts';

/**
 * W [m, n] ≈ P·(Σ_r A_r ⊗ B_r)·Q for every selected matrix.
 *
 * @see README.md beside this file; "TQCompressor: improving tensor decomposition methods in neural networks via permutations", 2024; A. Edalati
 * et al., "Kronecker decomposition for GPT compression", ACL 2022. We differ: orders by linear assignment with rank continuation.
 */
export const kronecker: Method<KroneckerSettings> = {
  name: 'kronecker',
  settings: kroneckerSettings,
  needsCalibration: () => false,
  check: (model, settings) => void selectTargets(model, settings),
  async apply(model, settings, environment, context) {
    const { permute } = resolvedModes(settings);
    const { base, targets: described } = selectTargets(model, settings);
    // Given sizes are an order; a ratio asks for a smaller model.
    const isWorthIt = (target: Target): boolean => settings.ratio === undefined || factorBytes(target) < target.bytesBefore;
    const targets = described.filter(isWorthIt);
    const finished: FinishedLayer[] = described.filter((target) => !isWorthIt(target)).map(leaveAsItIs);
    const touched = new Set(targets.map(({ spec }) => spec.path));
    const isTarget = (path: string): boolean => touched.has(path);
    const groups = groupTargets(targets, permute === 'none' ? [] : movableAxes(base, isTarget));
    const matrices = new EngineMatrices(environment.engine, context.signal);
    const layers = new LayerRun('kronecker', targets.length, environment, context);
    try {
      for (const group of groups) {
        // The layers of a group are made together, where any of them has to be made.
        let made: Promise<FinishedLayer[]> | undefined;
        for (const [index, { spec }] of group.targets.entries())
          finished.push(
            await layers.layer(spec.path, async () => {
              made ??= compressGroup(base, group, settings, matrices, isTarget);
              return at(await made, index);
            }),
          );
      }
      return result(
        base,
        described.map(({ spec }) => spec.path),
        finished,
      );
    } finally {
      await matrices.release();
    }
  },
};

/** The matrices with the factors that each gets, and the model that they are in: with a head of its own where that is asked for. */
function selectTargets(model: Model, settings: KroneckerSettings): { readonly base: Model; readonly targets: readonly Target[] } {
  const { permute, head } = resolvedModes(settings);
  const base = head === 'untied' ? untieHead(model) : model;
  const specs = selectSpecs(base, settings);
  const paths = new Set(specs.map(({ path }) => path));
  const axes = permute === 'none' ? [] : movableAxes(base, (path) => paths.has(path));
  const targets = specs.map((spec): Target => {
    const isOn = (side: 'rows' | 'columns'): boolean => axes.some((axis) => axis[side].includes(spec.path));
    const matrix = describe(base, spec, isOn('rows'), isOn('columns'));
    return { ...matrix, shape: chooseShape(settings, matrix) };
  });
  return { base, targets };
}

function selectSpecs(model: Model, settings: KroneckerSettings): ReturnType<typeof selectMatrices> {
  const isPublished = settings.layout !== 'default';
  const include = settings.include ?? (isPublished ? ['*'] : undefined);
  const specs = selectMatrices(model, { include, exclude: settings.exclude }).filter((spec) => isInLayout(settings, spec));
  if (specs.length > 0) return specs;
  throw new AppError(
    'pattern_matches_nothing',
    `kronecker: layout "${settings.layout}" has no sizes for any of the matrices that the patterns leave. Choose other patterns, or give terms and shape.`,
  );
}

function describe(model: Model, spec: Target['spec'], hasFreeRows: boolean, hasFreeColumns: boolean): Omit<Target, 'shape'> & ShapeCase {
  const parameter = model.parameters.get(spec.path);
  invariant(parameter !== undefined, `${spec.path} is in the architecture but not in the model`);
  const tensors = Object.values(parameter.tensors).filter(({ dtype }) => isFloat(dtype));
  const first = tensors[0]?.dtype ?? 'float32';
  const dtype = tensors.every((tensor) => tensor.dtype === first) ? first : 'float32';
  const bytesBefore = Object.values(parameter.tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const freeSide = hasFreeRows ? 'rows' : hasFreeColumns ? 'columns' : undefined;
  return { spec, parameter, dtype, bytesBefore, elementBytes: dtypeBytes[dtype], freeSide };
}

function factorBytes({ shape: { terms, m1, n1, m2, n2 }, dtype }: Target): number {
  return terms * (m1 * n1 + m2 * n2) * dtypeBytes[dtype];
}

function leaveAsItIs(target: Target): FinishedLayer {
  const { parameter, bytesBefore } = target;
  const note = `kept as it is: ${target.shape.terms} terms would store ${factorBytes(target)} bytes in place of ${bytesBefore}`;
  const { path, kind } = parameter;
  return { layer: { path, kindBefore: kind, kindAfter: kind, bytesBefore, bytesAfter: bytesBefore, weightError: 0, note }, parameters: [] };
}

/** One layer a target, in their order; the last of them brings the neighbours that were only reordered. */
async function compressGroup(
  model: Model,
  group: TargetGroup,
  settings: KroneckerSettings,
  engine: EngineMatrices,
  isTarget: (path: string) => boolean,
): Promise<FinishedLayer[]> {
  const { matrices, freeAxis } = searchProblem(model, group, resolvedModes(settings).permute);
  for (const [index, { weight }] of matrices.entries()) checkFinite(at(group.targets, index).spec.path, weight);
  const { orders, fits } = await searchPermutations(engine, matrices, settings.search);
  const order = (axis: SearchMatrix['rowAxis']): Int32Array => {
    const found = orders.get(axis);
    invariant(found !== undefined, 'the search answers for every axis');
    return found;
  };
  const finished = group.targets.map((target, index): FinishedLayer => {
    const matrix = at(matrices, index);
    const [rows, columns] = [order(matrix.rowAxis), order(matrix.columnAxis)];
    const side = (axis: SearchMatrix['rowAxis'], units: Int32Array): Side => ({
      order: units,
      isStored: axis !== freeAxis && !isPlain(units),
    });
    return finish(target, matrix.weight, at(fits, index), side(matrix.rowAxis, rows), side(matrix.columnAxis, columns));
  });
  const free = freeAxis === undefined ? undefined : order(freeAxis);
  if (group.free === undefined || free === undefined || isPlain(free)) return finished;
  const last = at(finished, finished.length - 1);
  const neighbours = reorderNeighbours(model, group.free, free, isTarget);
  return [...finished.slice(0, -1), { ...last, parameters: [...last.parameters, ...neighbours] }];
}

interface Side {
  /** order[k] is the unit of W at place k of the sum. */
  readonly order: Int32Array;
  /** Otherwise the units of the model itself move, or nothing does. */
  readonly isStored: boolean;
}

function isPlain(order: Int32Array): boolean {
  return order.every((unit, place) => unit === place);
}

/** Rounds the factors to their stored type and measures what is lost. */
function finish(target: Target, weight: HostTensor<'float32'>, fit: KroneckerFit, rows: Side, columns: Side): FinishedLayer {
  const { spec, dtype, shape } = target;
  const { terms, m1, n1, m2, n2 } = shape;
  const settings: ParameterSettings = {
    terms,
    innerRows: m2,
    innerColumns: n2,
    ...(rows.isStored ? { permutedRows: true } : {}),
    ...(columns.isStored ? { permutedColumns: true } : {}),
  };
  const parameter: Parameter = {
    path: spec.path,
    kind: 'kronecker',
    settings,
    tensors: {
      outer: hostTensor(dtype, [terms, m1, n1], fromNumbers(dtype, fit.outer)),
      inner: hostTensor(dtype, [terms, m2, n2], fromNumbers(dtype, fit.inner)),
      ...(rows.isStored ? { rowOrder: hostTensor('int32', [rows.order.length], rows.order) } : {}),
      ...(columns.isStored ? { columnOrder: hostTensor('int32', [columns.order.length], invertOrder(columns.order)) } : {}),
    },
  };
  const bytesAfter = Object.values(parameter.tensors).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const layer: LayerReport = {
    path: spec.path,
    kindBefore: target.parameter.kind,
    kindAfter: 'kronecker',
    bytesBefore: target.bytesBefore,
    bytesAfter,
    weightError: weightError(weight, parameter, spec, rows, columns),
    rank: terms,
    note: `${terms} × ${printShape([m1, n1])} ⊗ ${printShape([m2, n2])}`,
  };
  return { layer, parameters: [parameter] };
}

/** ‖W − W'‖/‖W‖ with W' as it is stored; units that moved in the model are compared where they went. */
function weightError(weight: HostTensor<'float32'>, parameter: Parameter, spec: Target['spec'], rows: Side, columns: Side): number {
  const slot = (name: string): HostTensor => {
    const tensor = parameter.tensors[name];
    invariant(tensor !== undefined, `${spec.path} has the slot ${name}`);
    return tensor;
  };
  const other = (): never => {
    throw new AppError('internal', 'a Kronecker weight refers to no other.');
  };
  const made = parametrizationOf(parameter).materialize({ spec, settings: parameter.settings, slot, other }).data;
  const n = columns.order.length;
  const sourceRow = (row: number): number => (rows.isStored ? row : at(rows.order, row));
  const sourceColumns = columns.isStored ? undefined : columns.order;
  let lost = 0;
  let total = 0;
  for (let row = 0; row < rows.order.length; row++) {
    const source = sourceRow(row) * n;
    for (let column = 0; column < n; column++) {
      const value = weight.data[source + (sourceColumns?.[column] ?? column)] ?? 0;
      lost += (value - (made[row * n + column] ?? 0)) ** 2;
      total += value ** 2;
    }
  }
  return total === 0 ? 0 : Math.sqrt(lost / total);
}

function checkFinite(path: string, weight: HostTensor<'float32'>): void {
  const bad = firstNonFinite(weight);
  if (bad < 0) return;
  const columns = at(weight.shape, 1);
  const place = `[${Math.floor(bad / columns)}, ${bad % columns}]`;
  throw new AppError('bad_weights', `${path}${place} is ${weight.data[bad]}. Use a checkpoint from before it diverged.`);
}

/** Puts the parameters into the model and the rows into its order. */
function result(model: Model, paths: readonly string[], finished: readonly FinishedLayer[]): MethodResult {
  const layers = new Map(finished.map(({ layer }) => [layer.path, layer]));
  const ordered = paths.map((path) => {
    const layer = layers.get(path);
    invariant(layer !== undefined, `${path} was not compressed`);
    return layer;
  });
  const changed = replaceParameters(
    model,
    finished.flatMap(({ parameters }) => parameters),
  );
  return { model: changed, report: { ...methodReport('kronecker', ordered), note: sizeNote(changed) } };
}

/** Publications count a model whose head is untied as if the head were the embedding; what is stored is another number. */
function sizeNote(model: Model): string {
  const { stored, storedBytes } = parameterCounts(model);
  const orders = [...model.parameters.values()]
    .flatMap(({ tensors }) => Object.values(tensors))
    .filter(({ dtype }) => !isFloat(dtype))
    .reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const head = sizeOf(parameterSpecs(model).get('head.weight')?.shape ?? [0]);
  const counted = stored - orders - head;
  const print = (count: number): string => count.toLocaleString('en-US');
  const without = head === 0 ? '' : ` (${print(counted)} counted as publications do, without the head)`;
  return `${print(stored - orders)} parameters${without}, ${print(orders)} indices; ${print(storedBytes)} bytes are stored`;
}

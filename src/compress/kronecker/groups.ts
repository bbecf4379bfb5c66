// Groups of matrices whose orders depend on each other: those that lie on one free hidden axis.
import { invariant } from '#base';
import { type FreeAxis, type Model, materializeParameter, type Parameter, type ParameterSpec, storedFreeAxes } from '#models';
import { type DType, selectAlong } from '#tensor';
import type { SumShape } from './nearest-sum.ts';
import type { SearchAxis, SearchMatrix } from './permutation-search.ts';
import type { PermuteMode } from './settings.ts';

/** One matrix to turn into a sum. */
export interface Target {
  readonly spec: ParameterSpec;
  readonly parameter: Parameter;
  readonly shape: SumShape;
  /** Type of the stored factors. */
  readonly dtype: DType;
  readonly bytesBefore: number;
}

/** Matrices that are searched together; most groups have one. */
export interface TargetGroup {
  readonly targets: readonly Target[];
  /** The axis whose new order goes into the neighbouring weights, where there is one. */
  readonly free?: FreeAxis;
}

/** Free axes whose other weights are dense, so that their units can be moved. */
export function movableAxes(model: Model, isTarget: (path: string) => boolean): FreeAxis[] {
  return storedFreeAxes(model).filter(({ columns, vectors, rows }) => {
    const neighbours = [...columns, ...rows, ...vectors].filter((path) => !isTarget(path));
    return [...columns, ...rows].some(isTarget) && neighbours.every((path) => isWhole(model.parameters.get(path)));
  });
}

/** Dense, and neither in codes nor sparse. */
function isWhole(parameter: Parameter | undefined): boolean {
  return parameter?.kind === 'dense' && parameter.tensors['value'] !== undefined;
}

/** In the order of the model, each target in one group. */
export function groupTargets(targets: readonly Target[], axes: readonly FreeAxis[]): TargetGroup[] {
  const groups: { targets: Target[]; free?: FreeAxis }[] = [];
  const byAxis = new Map<FreeAxis, { targets: Target[] }>();
  for (const target of targets) {
    const free = axes.find(({ columns, rows }) => columns.includes(target.spec.path) || rows.includes(target.spec.path));
    const known = free === undefined ? undefined : byAxis.get(free);
    if (known !== undefined) {
      known.targets.push(target);
      continue;
    }
    const group = { targets: [target], ...(free === undefined ? {} : { free }) };
    groups.push(group);
    if (free !== undefined) byAxis.set(free, group);
  }
  return groups;
}

/** The group as the search sees it, and its free axis. */
export function searchProblem(
  model: Model,
  { targets, free }: TargetGroup,
  permute: PermuteMode,
): { readonly matrices: readonly SearchMatrix[]; readonly freeAxis: SearchAxis | undefined } {
  const freeAxis: SearchAxis | undefined = free === undefined ? undefined : { size: free.size, isMovable: permute !== 'none' };
  const matrices = targets.map(({ spec, shape }): SearchMatrix => {
    const own = (size: number): SearchAxis => ({ size, isMovable: permute === 'all' });
    const onFree = (side: 'rows' | 'columns'): SearchAxis | undefined => (free?.[side].includes(spec.path) ? freeAxis : undefined);
    return {
      weight: materializeParameter(model, spec.path),
      shape,
      rowAxis: onFree('rows') ?? own(shape.m1 * shape.m2),
      columnAxis: onFree('columns') ?? own(shape.n1 * shape.n2),
    };
  });
  return { matrices, freeAxis };
}

/** The dense neighbours on a free axis with their units in the new order: unit order[k] comes to place k. */
export function reorderNeighbours(model: Model, free: FreeAxis, order: Int32Array, isTarget: (path: string) => boolean): Parameter[] {
  const reordered = (axis: 0 | 1): ((path: string) => Parameter[]) => {
    return (path) => {
      const parameter = model.parameters.get(path);
      if (parameter === undefined || isTarget(path)) return [];
      const value = parameter.tensors['value'];
      invariant(value !== undefined && parameter.kind === 'dense', `${path} lies on a movable axis and is dense`);
      return [{ ...parameter, tensors: { value: selectAlong(value, axis, order) } }];
    };
  };
  return [...free.columns.flatMap(reordered(1)), ...free.vectors.flatMap(reordered(0)), ...free.rows.flatMap(reordered(0))];
}

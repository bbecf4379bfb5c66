// Which parameters of a model are one stored weight: owners hold it, users refer to it.
import { AppError } from '#base';
import { printShape, sameShape } from '#tensor';
import { type FreeAxis, freeAxes } from './free-axes.ts';
import type { ModelDeclaration, Parameter, ParameterDeclaration, ParameterSpec } from './model.ts';

export type SharingParameter = Pick<ParameterDeclaration, 'path' | 'kind' | 'settings'>;

/** The path of the parameter that holds the weight; undefined for one that holds its own. */
export function sharedOwner({ kind, settings }: SharingParameter): string | undefined {
  const owner = kind === 'shared' ? settings['of'] : undefined;
  return typeof owner === 'string' ? owner : undefined;
}

/** A parameter that is the same weight as another. */
export function sharedParameter(path: string, owner: string): Parameter {
  return { path, kind: 'shared', settings: { of: owner }, tensors: {} };
}

/** The users of every owner, in the model's order; parameters that nobody else uses are not in it. */
export function sharedUsers(model: ModelDeclaration): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const parameter of model.parameters.values()) {
    const owner = sharedOwner(parameter);
    if (owner === undefined) continue;
    const known = users.get(owner);
    if (known === undefined) users.set(owner, [parameter.path]);
    else known.push(parameter.path);
  }
  return users;
}

/**
 * Checks that every shared parameter refers to one that holds a weight of its own, used in the same way and of the same shape.
 *
 * @throws AppError `config_mismatch` | `shape_mismatch` naming both parameters
 */
export function checkSharing(model: ModelDeclaration, specs: ReadonlyMap<string, ParameterSpec>): void {
  for (const parameter of model.parameters.values()) {
    const path = sharedOwner(parameter);
    if (path === undefined) continue;
    const fault = (what: string): AppError => new AppError('config_mismatch', `${parameter.path}: is shared with ${path}, ${what}.`);
    const owner = model.parameters.get(path);
    const [spec, ownerSpec] = [specs.get(parameter.path), specs.get(path)];
    if (owner === undefined || ownerSpec === undefined) throw fault('which the model does not have');
    if (owner.kind === 'shared') throw fault(`which is itself shared. Refer to ${sharedOwner(owner) ?? 'the one that holds the weight'}`);
    if (spec === undefined) continue;
    if (spec.role !== ownerSpec.role) throw fault(`but one is a ${spec.role} parameter and the other a ${ownerSpec.role} one`);
    if (!sameShape(spec.shape, ownerSpec.shape)) throw differentShapes(spec, ownerSpec);
  }
}

/** The error of layers that cannot be one. */
export function differentShapes(user: ParameterSpec, owner: ParameterSpec): AppError {
  const shapes = `${user.path} ${printShape(user.shape)} and ${owner.path} ${printShape(owner.shape)}`;
  const message = `${shapes}: layers of different shapes cannot share a weight. Exclude this parameter, or share only layers of one size.`;
  return new AppError('shape_mismatch', message, { details: { path: user.path, owner: owner.path } });
}

/**
 * The hidden axes whose units may be moved or dropped in the weights that are stored.
 *
 * A stored weight may lie on the axes of several layers; its units can move only if those layers share all of the axis. Such an axis comes
 * once, with the paths of the owners; an axis that is shared in part does not come at all.
 */
export function storedFreeAxes(model: ModelDeclaration): FreeAxis[] {
  const axes = freeAxes(model.config).map((axis) => ownersOf(model, axis));
  const users = sharedUsers(model);
  const byMember = new Map<string, { readonly keys: Set<string>; numUses: number }>();
  for (const axis of axes)
    for (const [path, side] of membersOf(axis)) {
      const member = byMember.get(path) ?? { keys: new Set(), numUses: 0 };
      member.keys.add(`${side} ${keyOf(axis)}`);
      member.numUses++;
      byMember.set(path, member);
    }
  const isWhole = (path: string): boolean => {
    const member = byMember.get(path);
    return member?.keys.size === 1 && member.numUses === 1 + (users.get(path)?.length ?? 0);
  };
  const seen = new Set<string>();
  return axes.filter((axis) => {
    const key = keyOf(axis);
    if (seen.has(key)) return false;
    seen.add(key);
    return membersOf(axis).every(([path]) => isWhole(path));
  });
}

/** The axis in terms of what is stored; members that the model lacks (biases) are left out. */
function ownersOf(model: ModelDeclaration, axis: FreeAxis): FreeAxis {
  const owners = (paths: readonly string[]): string[] =>
    paths.flatMap((path) => {
      const parameter = model.parameters.get(path);
      return parameter === undefined ? [] : [sharedOwner(parameter) ?? path];
    });
  return { ...axis, columns: owners(axis.columns), vectors: owners(axis.vectors), rows: owners(axis.rows) };
}

function membersOf({ columns, vectors, rows }: FreeAxis): (readonly [path: string, side: string])[] {
  const onSide = (side: string, paths: readonly string[]) => paths.map((path) => [path, side] as const);
  return [...onSide('columns', columns), ...onSide('vectors', vectors), ...onSide('rows', rows)];
}

function keyOf(axis: FreeAxis): string {
  return membersOf(axis)
    .map(([path, side]) => `${side}:${path}`)
    .join(' ');
}

// Shared: the weight of another parameter of the same model, whose path is the setting `of`. It stores nothing of its own.
import { AppError } from '#base';
import type { AppliedWeight, Parametrization, WeightInGraph } from '../parametrization.ts';
import { type SharingParameter, sharedOwner } from '../sharing.ts';

function ownerPath(parameter: Omit<SharingParameter, 'kind'>): string {
  const owner = sharedOwner({ ...parameter, kind: 'shared' });
  if (owner !== undefined) return owner;
  const given = JSON.stringify(parameter.settings['of']);
  throw new AppError('config_mismatch', `${parameter.path}: shared needs the path of another parameter as setting "of", got ${given}.`);
}

function owner({ spec: { path }, settings, other }: Pick<WeightInGraph, 'spec' | 'settings' | 'other'>): AppliedWeight {
  return other(ownerPath({ path, settings }));
}

/** Every use is a use of the owner, so its gradient is the sum over all of them; `checkModel` sees to it that the owner fits. */
export const shared: Parametrization = {
  roles: ['linear', 'embedding', 'vector'],
  slots: ({ path }, settings) => {
    ownerPath({ path, settings });
    return {};
  },
  linear: (weight, x) => owner(weight).linear(x),
  lookup: (weight, ids) => owner(weight).lookup(ids),
  transposed: (weight, x) => owner(weight).transposed(x),
  dense: (weight) => owner(weight).dense(),
  materialize: ({ spec: { path }, settings, other }) => other(ownerPath({ path, settings })),
};

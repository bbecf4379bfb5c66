// The pruning step of recipes: which kind of pruning its settings ask for.
import { invariant } from '#base';
import type { Method } from '../method.ts';
import { type RegisteredMethod, register } from '../recipe.ts';
import { type WeightPruningSettings, weightPruningSettings } from './settings.ts';
import { pruneStructure } from './structured/structured.ts';
import { pruneWeights, readsInputs } from './weights.ts';

/**
 * Makes single weights zero and stores what stays sparsely.
 *
 * @see README.md beside this file, and the sources at `wandaScores` and `sparseGpt`
 */
const weights: Method<WeightPruningSettings> = {
  name: 'prune',
  settings: weightPruningSettings,
  needsCalibration: readsInputs,
  apply: pruneWeights,
};

/** Kinds of pruning by a field that only their settings have, first match first; the one without a field takes all others. */
const kinds: readonly { readonly field?: string; readonly method: RegisteredMethod }[] = [
  { field: 'structure', method: register(pruneStructure) },
  { method: register(weights) },
];

/** One step with several methods behind it, each with settings of its own. */
export const prune: RegisteredMethod = {
  name: 'prune',
  step(settings, place) {
    const has = (field: string | undefined): boolean =>
      field === undefined || (typeof settings === 'object' && settings !== null && field in settings);
    const kind = kinds.find(({ field }) => has(field));
    invariant(kind !== undefined, 'one kind takes all settings');
    return kind.method.step(settings, place);
  },
};

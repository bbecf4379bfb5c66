// The pruning step of recipes.
import type { Method } from '../method.ts';
import { type WeightPruningSettings, weightPruningSettings } from './settings.ts';
import { pruneWeights, readsInputs } from './weights.ts';

/**
 * Takes weights away: single ones become zero and are stored sparsely.
 *
 * @see README.md beside this file, and the sources at `wandaScores` and `sparseGpt`
 */
export const prune: Method<WeightPruningSettings> = {
  name: 'prune',
  settings: weightPruningSettings,
  needsCalibration: readsInputs,
  apply: pruneWeights,
};

// The pruning step of recipes: which kind of pruning its settings ask for.
import { invariant } from '#base';
import type { Method } from '../method.ts';
import { type RegisteredMethod, register } from '../recipe.ts';
import { pruneLearned } from './learned/learned.ts';
import { learnedMethods } from './learned/settings.ts';
import { type WeightPruningSettings, weightPruningSettings } from './settings.ts';
import { pruneStructure } from './structured/structured.ts';
import { pruneWeights, readsInputs, selectTargets } from './weights.ts';

/**
 * Makes single weights zero and stores what stays sparsely.
 *
 * @see README.md beside this file, and the sources at `wandaScores` and `sparseGpt`
 */
const weights: Method<WeightPruningSettings> = {
  name: 'prune',
  settings: weightPruningSettings,
  needsCalibration: readsInputs,
  check: (model, settings) => void selectTargets(model, settings),
  apply: pruneWeights,
};

type Given = Readonly<Record<string, unknown>>;

/** Kinds of pruning by what only their settings say, first match first; the last takes all others. */
const kinds: readonly { matches(given: Given): boolean; readonly method: RegisteredMethod }[] = [
  { matches: (given) => 'structure' in given, method: register(pruneStructure) },
  { matches: ({ method }) => learnedMethods.some((name) => name === method), method: register(pruneLearned) },
  { matches: () => true, method: register(weights) },
];

/** One step with several methods behind it, each with settings of its own. */
export const prune: RegisteredMethod = {
  name: 'prune',
  step(settings, place) {
    const given = typeof settings === 'object' && settings !== null ? (settings as Given) : {};
    const kind = kinds.find(({ matches }) => matches(given));
    invariant(kind !== undefined, 'one kind takes all settings');
    return kind.method.step(settings, place);
  },
};

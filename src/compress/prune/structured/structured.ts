// Structured pruning: heads, neurons, channels or layers are cut out of the matrices, so that the model is smaller and faster.
import { EngineMatrices } from '../../decomposition/engine-matrices.ts';
import type { Method } from '../../method.ts';
import { removeLayers, selectLayers } from './remove-layers.ts';
import { type Importance, importanceOf, isRepaired, type StructuredSettings, structuredSettings } from './settings.ts';
import { sliceUnits } from './slice-units.ts';
import { selectAxes } from './targets.ts';

/** Importances that look at weights and places alone. */
const withoutText: readonly Importance[] = ['magnitude', 'spacing'];

/**
 * Removes the least important units of one kind.
 *
 * @see README.md beside this file, and the sources at `firstOrderUnits`, `removalLosses` and `blockInfluence`
 */
export const pruneStructure: Method<StructuredSettings> = {
  name: 'prune',
  settings: structuredSettings,
  needsCalibration: (settings) => (settings.remove === undefined && !withoutText.includes(importanceOf(settings))) || isRepaired(settings),
  check: (model, settings) => void (settings.structure === 'layers' ? selectLayers(model, settings) : selectAxes(model, settings)),
  async apply(model, settings, environment, context) {
    if (settings.structure === 'layers') return await removeLayers(model, settings, environment, context);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      return await sliceUnits(model, settings, environment, context, matrices);
    } finally {
      await matrices.release();
    }
  },
};

// A gate: measures the model at its place in a recipe, and stops the recipe that lost too much.
import { AppError } from '#base';
import { parameterCounts } from '#models';
import type { Method } from '../method.ts';
import { type GateSettings, gateSettings } from './settings.ts';
import { gateText, judge } from './verdict.ts';

/**
 * Changes nothing. What a verdict means for the recipe, `compressModel` decides.
 *
 * @throws AppError `not_enough_samples` without held-out data | `unsupported` for a metric that the data does not give
 */
export const gate: Method<GateSettings> = {
  name: 'gate',
  settings: gateSettings,
  needsCalibration: () => false,
  needsHeldOut: () => true,
  async apply(model, settings, { stages }, context) {
    if (stages === undefined)
      throw new AppError('not_enough_samples', 'gate: measures on held-out data and got none. Give validation or data.');
    const current = await stages.current();
    const start = await stages.start();
    const verdict = judge(settings, settings.against === 'previous' ? (stages.passed ?? start) : start, current);
    const { metric, value, reference, limit, held } = verdict;
    context.report({ phase: 'gate', step: 1, total: 1, item: held ? 'held' : 'not held', metrics: { [metric]: value, reference, limit } });
    const { storedBytes } = parameterCounts(model);
    const note = gateText(verdict);
    return {
      model,
      report: {
        method: 'gate',
        layers: [],
        note,
        bytesBefore: storedBytes,
        bytesAfter: storedBytes,
        gate: { ...verdict, otherwise: settings.otherwise },
      },
    };
  },
};

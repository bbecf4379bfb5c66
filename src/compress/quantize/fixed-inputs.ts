// The fixed 8-bit grids of activations, from calibration text.
import { invariant, type OperationContext } from '#base';
import { type Model, type ParameterSpec, parametrizationOf, slotName } from '#models';
import type { Calibration } from '../calibration.ts';
import { type ActivationRange, activationGrid, entropyRange, observedRange, percentileRange, requireLive } from './activation-range.ts';
import type { InputGrid } from './int8-codes.ts';
import type { QuantizeSettings } from './settings.ts';

const defaultPercentile = 99.99;

/**
 * Grids by `slotName`, for all slots of the selected matrices that something is multiplied by.
 *
 * @throws AppError `not_enough_samples` where an input is zero on all of the text
 */
export async function fixedInputGrids(
  model: Model,
  specs: readonly ParameterSpec[],
  { calibration: choice = 'minmax', percentile = defaultPercentile }: QuantizeSettings,
  calibration: Calibration,
  context: OperationContext,
): Promise<ReadonlyMap<string, InputGrid>> {
  const slots = specs.flatMap((spec) => {
    const parameter = model.parameters.get(spec.path);
    return parameter === undefined
      ? []
      : Object.keys(parametrizationOf(parameter).slots(spec, parameter.settings)).map((slot) => slotName(spec.path, slot));
  });
  const seen = await calibration.inputRanges(model, slots, context);
  for (const range of seen) requireLive(range);
  const observed = new Map<string, ActivationRange>(seen.map((range) => [range.slot, observedRange(range)]));
  const gridsOf = (ranges: ReadonlyMap<string, ActivationRange>): ReadonlyMap<string, InputGrid> =>
    new Map([...ranges].map(([slot, range]) => [slot, activationGrid(range)]));
  if (choice === 'minmax' || seen.length === 0) return gridsOf(observed);
  const histograms = await calibration.inputHistograms(model, seen, context);
  return gridsOf(
    new Map(
      histograms.map((histogram) => {
        const whole = observed.get(histogram.slot);
        invariant(whole !== undefined, `${histogram.slot} has counts but no range`);
        return [histogram.slot, choice === 'entropy' ? entropyRange(histogram, whole) : percentileRange(histogram, percentile)];
      }),
    ),
  );
}

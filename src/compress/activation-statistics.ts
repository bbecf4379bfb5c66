// Ranges and histograms of what slots of weights are multiplied by, over calibration text.
import { AppError, at, invariant, type OperationContext } from '#base';
import { GraphBuilder, type Value } from '#graph';
import type { GraphNetwork, ModelDeclaration } from '#models';
import { elementCount, multiplyDims } from '#tensor';
import { type Pass, type Running, runPass } from './calibration-pass.ts';
import { type CalibrationNetwork, calibrationNetwork } from './calibration-windows.ts';

/** What one slot is multiplied by, x [..., K]. */
export interface InputRange {
  /** `slotName` of the slot. */
  readonly slot: string;
  /** Smallest of zero and every number of a channel, [K]. */
  readonly low: Float64Array;
  /** Largest of zero and every number of a channel, [K]. */
  readonly high: Float64Array;
}

/** Counts of the numbers in equal bins from −reach to reach. */
export interface InputHistogram {
  readonly slot: string;
  readonly counts: Float64Array;
  /** The largest magnitude of a number. */
  readonly reach: number;
}

/** 2048 on either side of zero. */
const numBins = 4096;

/** All rows of a value [..., K]. */
function rowsOf(b: GraphBuilder, x: Value): Value {
  return b.reshape(x, [elementCount(x.shape.slice(0, -1)), at(x.shape, x.shape.length - 1)]);
}

function usesOf(net: GraphNetwork, slot: string): readonly Value[] {
  return net.productInputs.get(slot) ?? [];
}

/** The slots of a model that something is multiplied by along their rows, by `slotName`; others are looked up or decoded. */
export function multipliedSlots(model: ModelDeclaration): ReadonlySet<string> {
  return new Set(calibrationNetwork(new GraphBuilder(), model, true).net.productInputs.keys());
}

/** Largest and, with the sign turned, smallest numbers, channel by channel. */
export async function inputRanges(pass: Pass, slots: readonly string[], context: OperationContext): Promise<readonly InputRange[]> {
  const multiplied = multipliedSlots(pass.model);
  const used = slots.filter((slot) => multiplied.has(slot));
  // A pass without results would be a graph without outputs, which engines refuse.
  if (used.length === 0) return [];
  const running = ({ net }: CalibrationNetwork): Running[] =>
    used.flatMap((slot) => {
      const uses = usesOf(net, slot);
      const width = at(at(uses, 0).shape, at(uses, 0).shape.length - 1);
      invariant(typeof width === 'number', `${slot}: the width of its input is not known`);
      const largest = (b: GraphBuilder, before: Value, turned: boolean): Value =>
        uses.reduce((sum, x) => {
          const rows = rowsOf(b, x);
          return b.maximum(sum, b.cast(b.reduceMax(turned ? b.neg(rows) : rows, [0]), 'float64'));
        }, before);
      return [false, true].map((turned) => ({ shape: [width], next: (b: GraphBuilder, before: Value) => largest(b, before, turned) }));
    });
  const { results } = await runPass(pass, true, running, context);
  return used.map((slot, index) => {
    const [high, low] = [at(results, 2 * index), at(results, 2 * index + 1).map((value) => -value)];
    if (!high.every(Number.isFinite) || !low.every(Number.isFinite))
      throw new AppError('bad_weights', `${slot}: the inputs of this layer are not finite on the calibration text.`);
    return { slot, low, high };
  });
}

/** The largest magnitude in a range. */
export function reachOf({ low, high }: InputRange): number {
  return high.reduce((reach, value, channel) => Math.max(reach, value, -at(low, channel)), 0);
}

/** Counts numbers in bins over ±reach of each range. */
export async function inputHistograms(
  pass: Pass,
  ranges: readonly InputRange[],
  context: OperationContext,
): Promise<readonly InputHistogram[]> {
  const running = ({ net }: CalibrationNetwork): Running[] =>
    ranges.map((range) => ({
      shape: [numBins],
      next: (b, before) => usesOf(net, range.slot).reduce((sum, x) => b.add(sum, countsOf(b, x, reachOf(range))), before),
    }));
  const { results } = await runPass(pass, true, running, context);
  return ranges.map((range, index) => ({ slot: range.slot, counts: at(results, index), reach: reachOf(range) }));
}

/** Float64 [numBins]. The counts of one window are exact in float32. */
function countsOf(b: GraphBuilder, x: Value, reach: number): Value {
  const count = multiplyDims(elementCount(x.shape.slice(0, -1)), at(x.shape, x.shape.length - 1));
  const places = b.mul(b.add(b.reshape(x, [count]), reach), numBins / Math.max(2 * reach, Number.MIN_VALUE));
  const bins = b.cast(b.maximum(b.minimum(b.floor(places), numBins - 1), 0), 'int64');
  const ones = b.broadcastTo(b.scalar(1, 'float32'), [count, 1]);
  return b.cast(b.reshape(b.scatterAdd(bins, ones, numBins), [numBins]), 'float64');
}

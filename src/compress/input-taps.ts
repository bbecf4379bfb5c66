// The inputs and outputs of linear layers that calibration sums over, and what it sums of them.
import { at, invariant } from '#base';
import type { GraphBuilder, Value } from '#graph';
import { type GraphNetwork, type ModelDeclaration, sharedUsers } from '#models';
import type { Dim } from '#tensor';
import type { CalibrationNetwork } from './calibration-windows.ts';

/** Values whose moments are one sum, and the layers that read them; or the outputs of one layer. */
export interface LayerTap {
  /** Several where one weight is applied in several places. */
  readonly values: readonly Value[];
  readonly paths: string[];
  readonly width: number;
  /** Of each value, in the symbols of a window. */
  readonly numRows: readonly Dim[];
}

/** The inputs that are asked for, or the outputs of the layers in `ofOutputs`; layers that read the same values share one sum. */
export function layerTaps(
  model: ModelDeclaration,
  { net, numRows }: CalibrationNetwork,
  paths: readonly string[],
  ofOutputs: ReadonlySet<string>,
): LayerTap[] {
  const users = sharedUsers(model);
  const taps = new Map<string, LayerTap>();
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    numbers.set(value, numbers.get(value) ?? numbers.size);
    return numbers.get(value) ?? 0;
  };
  for (const path of paths) {
    const inputs = [path, ...(users.get(path) ?? [])].flatMap((use) => {
      const found = net.linearInputs.get(use);
      invariant(found !== undefined, `${use} is not the weight of a linear layer`);
      return found;
    });
    const values = ofOutputs.has(path) ? outputsOf(net, path, inputs) : inputs;
    const key = values.map(numberOf).join();
    const known = taps.get(key);
    if (known !== undefined) {
      known.paths.push(path);
      continue;
    }
    const first = at(values, 0);
    const width = at(first.shape, first.shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of this layer is not known`);
    taps.set(key, { values, paths: [path], width, numRows: values.map(numRows) });
  }
  return [...taps.values()];
}

/**
 * x·W of a layer, beside the model's own: a tap on that would be compiled differently from one that is not there, and so change the
 * last digits of everything behind it. With twice the weight it is a product of its own; halves and doubles are exact.
 */
function outputsOf(net: GraphNetwork, path: string, inputs: readonly Value[]): Value[] {
  const { b } = net;
  const doubled = b.mul(net.weight(path).dense(), 2);
  return inputs.map((x) => b.mul(b.matmul(x, doubled), 0.5));
}

export type InputStatistic = 'moments' | 'magnitudes';

interface Statistic {
  shape(width: number): readonly number[];
  /** Of rows [N, D] in float64: the smallest directions of H decide what whitening keeps, and float32 sums would drown them. */
  of(b: GraphBuilder, rows: Value, width: number): Value;
  /** The statistic from its sum over all windows. */
  finish(sum: Float64Array, width: number): Float64Array;
}

/** What each statistic adds up. */
export const inputStatistics: { readonly [Kind in InputStatistic]: Statistic } = {
  moments: { shape: (width) => [width, width], of: upperMoments, finish: mirrored },
  magnitudes: { shape: (width) => [width], of: (b, rows) => b.reduceSum(b.abs(rows), [0]), finish: (sum) => sum },
};

/** Columns of a stripe of H. */
const stripeColumns = 512;

/** XᵀX on and above its diagonal stripes, zeros below: H is symmetric, and these products are most of what calibration costs. */
function upperMoments(b: GraphBuilder, rows: Value, width: number): Value {
  const starts = Array.from({ length: Math.ceil(width / stripeColumns) }, (_, stripe) => stripe * stripeColumns);
  const stripes = starts.map((start) => {
    const stripe = b.slice(rows, 1, start, Math.min(start + stripeColumns, width));
    return b.pad(b.matmul(stripe, b.slice(rows, 1, start, width), { transposeA: true }), 1, start, 0);
  });
  return stripes.length === 1 ? b.matmul(rows, rows, { transposeA: true }) : b.concat(stripes, 0);
}

/** Fills in what lies below the diagonal. */
function mirrored(upper: Float64Array, width: number): Float64Array {
  for (let row = 0; row < width; row++)
    for (let column = 0; column < row; column++) upper[row * width + column] = at(upper, column * width + row);
  return upper;
}

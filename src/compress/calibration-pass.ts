// One pass over calibration text: running tensors on the engine that every window adds to.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { GraphBuilder, type Value } from '#graph';
import type { Model } from '#models';
import type { Dim, HostTensor } from '#tensor';
import { RunningSums, sumName, totalName } from './calibration-sums.ts';
import { bindWindow, type CalibrationNetwork, type CalibrationWindows, calibrationNetwork } from './calibration-windows.ts';

/** A float64 tensor that is zero before the first window. */
export interface Running {
  readonly shape: readonly number[];
  /** What it is after a window, from what it was before. */
  readonly next: (b: GraphBuilder, before: Value) => Value;
  /** `CalibrationNetwork.numRows` of the values that go into it, where they are to be counted. */
  readonly numRows?: readonly Dim[];
}

export interface Pass {
  readonly engine: Engine;
  readonly model: Model;
  /** `borrowModel` of the model. */
  readonly weights: Readonly<Record<string, DeviceBuffer>>;
  readonly windows: CalibrationWindows;
  /** Windows of one pass, where that is known: for progress. */
  readonly total?: number | undefined;
  /** What people see. */
  readonly phase: string;
}

/**
 * Runs the model over all windows.
 *
 * @param running - the tensors, from the values of the network; the head is a part of it only where `withHead`
 * @returns the tensors after the last window in the same order, and the number of rows that went into each, padding not counted
 * @throws AppError `not_enough_samples` without any token | `cancelled`
 */
export async function runPass(
  { engine, model, weights, windows, total, phase }: Pass,
  withHead: boolean,
  running: (network: CalibrationNetwork) => readonly Running[],
  context: OperationContext,
): Promise<{ readonly results: Float64Array[]; readonly rows: readonly number[] }> {
  const b = new GraphBuilder();
  const tensors = running(calibrationNetwork(b, model, withHead));
  const outputs = tensors.map(({ shape, next }, index) => [totalName(index), next(b, b.input(sumName(index), 'float64', shape))] as const);
  const graph = b.graph(Object.fromEntries(outputs));
  const sums = new RunningSums(
    engine,
    weights,
    tensors.map(({ shape }) => ({ dtype: 'float64', shape })),
  );
  try {
    let numTokens = 0;
    const rows = tensors.map((): number => 0);
    let step = 0;
    for await (const window of windows()) {
      throwIfCancelled(context.signal);
      const bound = bindWindow(window, model);
      await sums.add('pass', () => graph, bound.inputs, context.signal);
      numTokens += bound.tokens;
      for (const [index, { numRows = [] }] of tensors.entries())
        rows[index] = numRows.reduce<number>((sum, each) => sum + bound.realRows(each), at(rows, index));
      context.report({ phase, step: ++step, ...(total === undefined ? {} : { total }), metrics: { tokens: numTokens } });
    }
    if (numTokens === 0) throw noWindows();
    return { results: tensors.map((_, index) => numbersOf(sums.read(index))), rows };
  } finally {
    await sums.release();
  }
}

function numbersOf({ data }: HostTensor): Float64Array {
  invariant(data instanceof Float64Array, 'running tensors are float64');
  return data;
}

export function noWindows(): AppError {
  return new AppError('not_enough_samples', 'the calibration data holds no window of tokens. Give more text.');
}

/** The numbers, if all are finite. @throws AppError `bad_weights` */
export function finite<Numbers extends Float32Array | Float64Array>(numbers: Numbers, paths: readonly string[], what: string): Numbers {
  if (numbers.every((value) => Number.isFinite(value))) return numbers;
  throw new AppError('bad_weights', `${paths.join(', ')}: ${what} of this layer are not finite on the calibration text.`);
}

// One pass over calibration text: running tensors on the engine that every window adds to.
import { AppError, at, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, type Value } from '#graph';
import type { Model } from '#models';
import type { Dim, HostTensor } from '#tensor';
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

const runningName = (index: number): string => `sum.${index}`;
const nextName = (index: number): string => `total.${index}`;

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
  const outputs = tensors.map(
    ({ shape, next }, index) => [nextName(index), next(b, b.input(runningName(index), 'float64', shape))] as const,
  );
  const program = await engine.compile(b.graph(Object.fromEntries(outputs)), { name: 'calibration' });
  const allocate = (): DeviceBuffer[] => tensors.map(({ shape }) => engine.allocate({ dtype: 'float64', shape }));
  // Two sets: a run reads one and writes the other.
  let sums = allocate();
  let spare = allocate();
  try {
    let numTokens = 0;
    const rows = tensors.map((): number => 0);
    let step = 0;
    for await (const window of windows()) {
      throwIfCancelled(context.signal);
      const bound = bindWindow(window, model);
      await addWindow(program, weights, bound.inputs, sums, spare, context.signal);
      [sums, spare] = [spare, sums];
      numTokens += bound.tokens;
      for (const [index, { numRows = [] }] of tensors.entries())
        rows[index] = numRows.reduce<number>((sum, each) => sum + bound.realRows(each), at(rows, index));
      context.report({ phase, step: ++step, ...(total === undefined ? {} : { total }), metrics: { tokens: numTokens } });
    }
    if (numTokens === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of tokens. Give more text.');
    return { results: sums.map((sum) => Float64Array.from(sum.read().data as Float64Array)), rows };
  } finally {
    for (const buffer of [...sums, ...spare]) buffer.release();
    await program.release();
  }
}

async function addWindow(
  program: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  window: Readonly<Record<string, HostTensor>>,
  sums: readonly DeviceBuffer[],
  results: readonly DeviceBuffer[],
  signal: AbortSignal,
): Promise<void> {
  const inputs: Record<string, DeviceBuffer | HostTensor> = {};
  for (const index of sums.keys()) inputs[runningName(index)] = at(sums, index);
  for (const name of program.inputNames) {
    const given = weights[name] ?? window[name];
    if (given !== undefined) inputs[name] = given;
  }
  const outputs = Object.fromEntries(results.map((buffer, index) => [nextName(index), buffer]));
  await program.run(inputs, { outputs, signal });
}

/** The numbers, if all are finite. @throws AppError `bad_weights` */
export function finite<Numbers extends Float32Array | Float64Array>(numbers: Numbers, paths: readonly string[], what: string): Numbers {
  if (numbers.every((value) => Number.isFinite(value))) return numbers;
  throw new AppError('bad_weights', `${paths.join(', ')}: ${what} of this layer are not finite on the calibration text.`);
}

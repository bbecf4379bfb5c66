// What the gradients of a model's loss say of its linear layers over sample data.
import { AppError, at, invariant, type OperationContext, type Progress, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import { type Graph, GraphBuilder, gradients, optimizeGraph, type Value } from '#graph';
import { type GraphNetwork, type Model, type ParameterSpec, parameterSpecs, sharedUsers } from '#models';
import { finite } from './calibration-pass.ts';
import { RunningSums, type SumSpec, sumName, totalName } from './calibration-sums.ts';
import type { CalibrationWindow } from './calibration-windows.ts';
import { lossWindow, rowsOfWindow, type WindowSizes, windowKey, windowNetwork } from './window-loss.ts';

/** `squares`: (∂L/∂W)² [m, n]. `outputMoments`: Σ over tokens of dYᵀ·dY [n, n] for the layer's outputs y = x·W. */
export type GradientStatistic = 'squares' | 'outputMoments';

/** What the sum of the layer with this weight holds. */
export function gradientSum(weight: ParameterSpec | undefined, kind: GradientStatistic): SumSpec {
  const [rows = 0, columns = 0] = weight?.shape ?? [];
  return { dtype: 'float32', shape: kind === 'squares' ? [rows, columns] : [columns, columns] };
}

/**
 * Gradients of L = −log p of the answers to one sequence (of running text: all tokens but the first), squared or multiplied.
 *
 * The gradient of a weight is made from that of its outputs, xᵀ·dY: the same whatever the weight is stored as.
 * Inputs: those of a `LossWindow` of these sizes.
 */
function gradientSums(
  model: Model,
  paths: readonly string[],
  specs: readonly SumSpec[],
  kind: GradientStatistic,
  sizes: WindowSizes,
): Graph {
  const b = new GraphBuilder();
  const { net, loss: answers } = windowNetwork(b, model, sizes);
  const loss = b.reduceSum(answers().losses, [0, 1]);
  const users = sharedUsers(model);
  const uses = paths.map((path) => [path, ...(users.get(path) ?? [])].flatMap((use) => usesOf(net, use)));
  const outputsOfUses = uses.flatMap((each) => each.map(({ output }) => output));
  const made = new Map(gradients(b, loss, outputsOfUses).map((gradient, index) => [at(outputsOfUses, index), gradient]));
  const outputs = paths.map((path, index) => {
    const { dtype, shape } = at(specs, index);
    const products = at(uses, index).map(({ input, output }) => {
      const dY = made.get(output);
      invariant(dY !== undefined, `${path} has a gradient`);
      return b.matmul(kind === 'squares' ? input : dY, dY, { transposeA: true }); // [m, n] or [n, n]
    });
    const total = products.reduce((left, right) => b.add(left, right));
    return [totalName(index), b.add(b.input(sumName(index), dtype, shape), kind === 'squares' ? b.mul(total, total) : total)] as const;
  });
  return optimizeGraph(b.graph(Object.fromEntries(outputs)));
}

/** The places where a linear layer stands. */
function usesOf(net: GraphNetwork, path: string): { readonly input: Value; readonly output: Value }[] {
  const [inputs, outputs] = [net.linearInputs.get(path), net.linearOutputs.get(path)];
  invariant(inputs !== undefined && outputs !== undefined, `${path} is not the weight of a linear layer`);
  return inputs.map((input, index) => ({ input, output: at(outputs, index) }));
}

/** What the statistics run on. */
export interface GradientSource {
  readonly engine: Engine;
  readonly model: Model;
  readonly weights: Readonly<Record<string, DeviceBuffer>>;
  readonly windows: AsyncIterable<CalibrationWindow>;
}

/**
 * One statistic of some layers over sample data, one sequence at a time: the square of a sum over windows is not the sum of the squares.
 *
 * @throws AppError `not_enough_samples` without a window of two tokens | `unsupported` for data without answers | `bad_weights` where a gradient is not finite | `cancelled`
 */
export async function* gradientStatistics(
  { engine, model, weights, windows }: GradientSource,
  paths: readonly string[],
  kind: GradientStatistic,
  progress: Pick<Progress, 'phase' | 'total'>,
  context: OperationContext,
): AsyncGenerator<{ readonly path: string; readonly sum: Float32Array; readonly windows: number }> {
  const parameters = parameterSpecs(model);
  const specs = paths.map((path) => gradientSum(parameters.get(path), kind));
  const sums = new RunningSums(engine, weights, specs);
  try {
    let numWindows = 0;
    let step = 0;
    for await (const window of windows) {
      const answered = lossWindow(window, model);
      for (const { sizes, inputs } of answered === undefined ? [] : rowsOfWindow(answered)) {
        throwIfCancelled(context.signal);
        await sums.add(windowKey(sizes), () => gradientSums(model, paths, specs, kind, sizes), inputs, context.signal);
        numWindows++;
      }
      context.report({ ...progress, step: ++step });
    }
    if (numWindows === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of two tokens. Give more text.');
    for (const [index, path] of paths.entries()) {
      const { data } = sums.read(index);
      invariant(data instanceof Float32Array, 'sums over gradients are float32');
      yield { path, sum: finite(data, [path], 'the gradients'), windows: numWindows };
    }
  } finally {
    await sums.release();
  }
}

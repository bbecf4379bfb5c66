// The graphs of calibration: a model up to what is looked at, and sums over the tokens or windows of one run.
import { at, invariant } from '#base';
import { type Graph, GraphBuilder, gradients, optimizeGraph, type Value } from '#graph';
import { causalNetwork, type GraphNetwork, graphNames, type Model, parameterSpecs } from '#models';
import { type SumSpec, sumName, totalName } from './calibration-sums.ts';

/** An input of linear layers, with the layers that read it. */
export interface Tap {
  readonly paths: string[];
  readonly width: number;
}

/** A graph with symbols for its sizes and the sums that it adds to, one a tap. */
export interface InputSums {
  readonly graph: Graph;
  readonly taps: readonly Tap[];
  readonly sums: readonly SumSpec[];
}

export type InputStatistic = 'moments' | 'magnitudes';

/** What each statistic adds up of an input x [N, D]. */
const statistics: {
  readonly [Kind in InputStatistic]: { shape(width: number): readonly number[]; of(b: GraphBuilder, x: Value): Value };
} = {
  moments: { shape: (width) => [width, width], of: (b, x) => b.matmul(x, x, { transposeA: true }) },
  magnitudes: { shape: (width) => [width], of: (b, x) => b.reduceSum(b.abs(x), [0]) },
};

/** The model up to the last input that is asked for; layers that read the same value share one sum. */
export function inputSums(model: Model, paths: readonly string[], kind: InputStatistic): InputSums {
  const { shape, of } = statistics[kind];
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', ['B', 'T']);
  const net = causalNetwork(b, model, tokens);
  const hidden = net.hidden(tokens);
  if (paths.some((path) => !net.linearInputs.has(path))) net.logits(hidden); // the head is a linear layer too
  const byValue = new Map<Value, Tap>();
  for (const path of paths) {
    const input = linearInput(net, path);
    const width = at(input.shape, input.shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of its input is not known`);
    const known = byValue.get(input);
    if (known === undefined) byValue.set(input, { paths: [path], width });
    else known.paths.push(path);
  }
  // Float64 products: the smallest directions of H decide what whitening keeps, and float32 sums would drown them.
  const outputs = [...byValue].map(([input, { width }], index) => {
    const x = b.cast(input, 'float64'); // [N, D]
    return [totalName(index), b.add(b.input(sumName(index), 'float64', shape(width)), of(b, x))] as const;
  });
  const taps = [...byValue.values()];
  return { graph: b.graph(Object.fromEntries(outputs)), taps, sums: taps.map(({ width }) => ({ dtype: 'float64', shape: shape(width) })) };
}

function linearInput(net: GraphNetwork, path: string): Value {
  const input = net.linearInputs.get(path);
  invariant(input !== undefined, `${path} is not the weight of a linear layer`);
  return input;
}

/** `squares`: (∂L/∂W)² [m, n]. `outputMoments`: Σ over tokens of dYᵀ·dY [n, n] for the layer's outputs y = x·W. */
export type GradientStatistic = 'squares' | 'outputMoments';

/** What one layer's sum holds. */
export function gradientSum(model: Model, path: string, kind: GradientStatistic): SumSpec {
  const [rows = 0, columns = 0] = parameterSpecs(model).get(path)?.shape ?? [];
  return { dtype: 'float32', shape: kind === 'squares' ? [rows, columns] : [columns, columns] };
}

/**
 * Gradients of L = −log p of one window of `length` tokens, without the first, squared or multiplied.
 *
 * The gradient of a weight is made from that of its outputs, xᵀ·dY: the same whatever the weight is stored as.
 * Inputs: tokens int64 [1, T], labels int64 [T-1].
 */
export function gradientSums(model: Model, paths: readonly string[], kind: GradientStatistic, length: number): Graph {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [1, length]);
  const labels = b.input(graphNames.labels, 'int64', [length - 1]);
  const net = causalNetwork(b, model, tokens);
  const logits = net.logits(b.slice(net.hidden(tokens), 0, 0, length - 1)); // [T-1, V]
  const loss = b.reduceSum(b.crossEntropy(logits, labels)[0], [0]);
  const made = gradients(
    b,
    loss,
    paths.map((path) => {
      const output = net.linearOutputs.get(path);
      invariant(output !== undefined, `${path} is not the weight of a linear layer`);
      return output;
    }),
  );
  const outputs = paths.map((path, index) => {
    const dY = at(made, index); // [N, n]
    const { dtype, shape } = gradientSum(model, path, kind);
    const square = (x: Value): Value => b.mul(x, x);
    const added =
      kind === 'squares'
        ? square(b.matmul(linearInput(net, path), dY, { transposeA: true })) // [m, n]
        : b.matmul(dY, dY, { transposeA: true }); // [n, n]
    return [totalName(index), b.add(b.input(sumName(index), dtype, shape), added)] as const;
  });
  return optimizeGraph(b.graph(Object.fromEntries(outputs)));
}

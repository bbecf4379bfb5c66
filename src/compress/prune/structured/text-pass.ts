// One pass over the calibration text with a graph whose outputs are summed: importances that need gradients or activations.
import { AppError, at, chosen, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Program } from '#engine';
import { GraphBuilder, gradients, optimizeGraph, type Value } from '#graph';
import {
  type BlockStack,
  borrowModel,
  causalNetwork,
  type GraphNetwork,
  graphNames,
  inPieces,
  type Model,
  taskOf,
  type UnitAxis,
} from '#models';
import { type HostTensor, toNumbers } from '#tensor';
import type { CompressionEnvironment } from '../../method.ts';

/** What a graph over one window [B, T] of tokens answers, all of it vectors that are summed over the windows. */
type PassGraph = (network: PassNetwork) => Readonly<Record<string, Value>>;

interface PassNetwork {
  readonly b: GraphBuilder;
  readonly net: GraphNetwork;
  /** After the last norm, rows [B*T, D]. */
  readonly hidden: Value;
  readonly tokens: Value;
  readonly batch: number;
  readonly length: number;
  /** D */
  readonly width: number;
  readonly vocabularySize: number;
}

/**
 * How much the loss would change, to first order, if a unit's activations became zero: Σ over sequences |Σ over tokens a·∂L/∂a|, for the inputs a
 * of all matrices that read the unit. For a head or a neuron this is the gradient of a gate of 1 in front of the matrix.
 *
 * One backward pass over the text gives all axes at once.
 *
 * @throws AppError `not_enough_samples` without text or where no window has two tokens | `bad_weights` where a gradient is not finite
 * @see P. Michel, O. Levy, G. Neubig, "Are sixteen heads really better than one?", NeurIPS 2019, eq. 2; P. Molchanov et al., "Importance
 * estimation for neural network pruning", CVPR 2019
 */
export async function firstOrderUnits(
  model: Model,
  axes: readonly UnitAxis[],
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<Map<string, Float64Array>> {
  return await textPass(model, environment, context, (network) => {
    const { b } = network;
    const readOf = axes.map((axis) => readValues(axis, network));
    const values = [...new Set(readOf.flatMap((reads) => reads.map(({ value }) => value)))];
    const slopes = new Map(gradients(b, nextTokenLoss(network), values).map((gradient, index) => [at(values, index), gradient]));
    const gateSlopes = axes.map((axis, index) => {
      const sums = at(readOf, index).map(({ value, width }) => gateSlope(network, value, slopes.get(value) ?? value, axis.size, width));
      const total = sums.reduce((left, right) => b.add(left, right)); // [B, units]
      return [axis.name, b.reduceSum(b.abs(total), [0])] as const;
    });
    return Object.fromEntries(gateSlopes);
  });
}

/** The same for whole blocks: a gate on what a block adds to the residual stream. */
export async function firstOrderBlocks(
  model: Model,
  stack: BlockStack,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<Float64Array> {
  const sums = await textPass(model, environment, context, (network) => {
    const { b } = network;
    const steps = blockSteps(stack, network.net);
    const slopes = gradients(
      b,
      nextTokenLoss(network),
      steps.map(({ result }) => result),
    );
    const gateSlopes = steps.map(({ input, result }, block) => {
      const added = b.sub(result, input);
      return [String(block), b.abs(gateSlope(network, added, at(slopes, block), 1, network.width))] as const;
    });
    return Object.fromEntries(gateSlopes.map(([name, slope]) => [name, b.reduceSum(slope, [0])]));
  });
  return perBlock(stack, sums);
}

/**
 * How much each block turns the residual stream: the mean over tokens of 1 − cos(its input, its result).
 *
 * @see X. Men et al., "ShortGPT: layers in large language models are more redundant than you expect", 2024, §3.1 (block influence)
 */
export async function blockInfluence(
  model: Model,
  stack: BlockStack,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<Float64Array> {
  const sums = await textPass(model, environment, context, ({ b, net, batch, length }) => {
    const product = (x: Value, y: Value): Value => b.reduceSum(b.mul(x, y), [1]); // [N]
    const influences = blockSteps(stack, net).map(({ input, result }, block) => {
      const norms = b.sqrt(b.maximum(b.mul(product(input, input), product(result, result)), smallestSquare));
      const cosines = b.reduceSum(b.div(product(input, result), norms), [0], true); // [1]
      return [String(block), b.mul(b.sub(batch * length, cosines), 1 / (batch * length))] as const;
    });
    return Object.fromEntries(influences);
  });
  return perBlock(stack, sums);
}

/** Under the root of the norms, so that a zero row has the cosine 0. */
const smallestSquare = 1e-30;

function perBlock({ size }: BlockStack, sums: ReadonlyMap<string, Float64Array>): Float64Array {
  return Float64Array.from({ length: size }, (_, block) => at(sums.get(String(block)) ?? [], 0));
}

function blockSteps({ inputTap, outputTaps }: BlockStack, net: GraphNetwork): { readonly input: Value; readonly result: Value }[] {
  const names = [inputTap, ...outputTaps];
  const tapped = (name: string): Value => {
    const value = net.taps.get(name);
    invariant(value !== undefined, `the architecture has no tap ${name}`);
    return value;
  };
  return outputTaps.map((name, block) => ({ input: tapped(at(names, block)), result: tapped(name) }));
}

interface ReadValue {
  readonly value: Value;
  /** Columns of one unit. */
  readonly width: number;
}

/** What the matrices read that lie on an axis, each value once. The head, tied or not, reads all of the residual stream. */
function readValues({ block, sides }: UnitAxis, { net, hidden }: PassNetwork): ReadValue[] {
  const reads = new Map<Value, number>();
  for (const { use, path, parts } of sides) {
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    if (use === 'read') for (const value of net.linearInputs.get(path) ?? []) reads.set(value, width);
  }
  if (block === undefined) reads.set(hidden, 1);
  return [...reads].map(([value, width]) => ({ value, width }));
}

/** Σ over the tokens of a sequence of a·∂L/∂a, for `units` of `width` columns: rows [B*T, units*width] -> [B, units]. */
function gateSlope({ b, batch, length }: PassNetwork, value: Value, slope: Value, units: number, width: number): Value {
  const products = b.reshape(b.mul(value, slope), [batch, length, units, width]);
  return b.reduceSum(products, [1, 3]);
}

/** Σ over sequences of the mean over their tokens of −log p(next token). */
function nextTokenLoss({ b, net, hidden, tokens, batch, length, width, vocabularySize }: PassNetwork): Value {
  const numPredicted = length - 1;
  const rows = b.reshape(b.slice(b.reshape(hidden, [batch, length, width]), 1, 0, numPredicted), [batch * numPredicted, width]);
  const labels = b.reshape(b.slice(tokens, 1, 1, length), [batch * numPredicted]);
  const sums = inPieces(b, rows, labels, vocabularySize).map(([piece, wanted]) =>
    b.reduceSum(b.crossEntropy(net.logits(piece), wanted)[0], [0]),
  );
  return b.mul(
    sums.reduce((left, right) => b.add(left, right)),
    1 / numPredicted,
  );
}

async function textPass(
  model: Model,
  { engine, calibration }: CompressionEnvironment,
  context: OperationContext,
  build: PassGraph,
): Promise<Map<string, Float64Array>> {
  if (calibration === undefined)
    throw new AppError('not_enough_samples', 'prune: this importance is measured on text, and there is no calibration text. Give data.');
  const { kind } = taskOf(model.config);
  if (kind !== 'causal')
    throw new AppError(
      'unsupported',
      `prune: this importance is measured on running text, and the model's task is ${kind}. Set importance to "magnitude" or, for ffn, "output"; name layers by remove.`,
    );
  const weights = borrowModel(engine, model);
  const programs = new Map<string, Program>();
  const sums = new Map<string, Float64Array>();
  try {
    let step = 0;
    for await (const window of calibration.tokenWindows()) {
      throwIfCancelled(context.signal);
      const [batch = 0, length = 0] = window.shape;
      if (length < 2) continue; // nothing to predict
      const key = `${batch}x${length}`;
      const program = programs.get(key) ?? (await engine.compile(passGraph(model, batch, length, build), { name: `importance ${key}` }));
      programs.set(key, program);
      const outputs = await program.run(
        chosen<DeviceBuffer | HostTensor>({ ...weights, [graphNames.tokens]: window }, program.inputNames),
        { signal: context.signal },
      );
      addOutputs(sums, outputs);
      context.report({ phase: 'importance', step: ++step });
    }
    if (step === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of two tokens. Give more text.');
    return sums;
  } finally {
    for (const program of programs.values()) await program.release();
    for (const buffer of Object.values(weights)) buffer.release();
  }
}

function passGraph(model: Model, batch: number, length: number, build: PassGraph): ReturnType<GraphBuilder['graph']> {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
  const net = causalNetwork(b, model, tokens);
  const { vocabularySize, width } = model.config;
  return optimizeGraph(b.graph(build({ b, net, hidden: net.hidden(tokens), tokens, batch, length, width, vocabularySize })));
}

/** Adds the outputs of one window and releases them. */
function addOutputs(sums: Map<string, Float64Array>, outputs: Readonly<Record<string, DeviceBuffer>>): void {
  for (const [name, buffer] of Object.entries(outputs)) {
    const tensor: HostTensor = buffer.read();
    buffer.release();
    const numbers = Float64Array.from(toNumbers(tensor));
    if (numbers.some((value) => !Number.isFinite(value)))
      throw new AppError('bad_weights', `prune: the importance of ${name} is not finite on the calibration text. Use another checkpoint.`);
    sums.set(
      name,
      (sums.get(name) ?? new Float64Array(numbers.length)).map((sum, index) => sum + at(numbers, index)),
    );
  }
}

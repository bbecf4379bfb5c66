// One pass over the calibration text with a graph whose outputs are summed: importances that need gradients or activations.
import { AppError, at, chosen, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Program } from '#engine';
import { GraphBuilder, gradients, optimizeGraph, type Value } from '#graph';
import { type BlockStack, borrowModel, type GraphNetwork, isOverTokens, type Model, parameterSpecs, type UnitAxis } from '#models';
import { type HostTensor, staticDim, toNumbers } from '#tensor';
import type { CompressionEnvironment } from '../../method.ts';
import { lossWindow, sumOfMeans, type WindowNetwork, type WindowSizes, windowKey, windowNetwork } from '../../window-loss.ts';

/** What a graph over one window of B sequences answers, all of it vectors that are summed over the windows. */
type PassGraph = (network: PassNetwork) => Readonly<Record<string, Value>>;

interface PassNetwork extends WindowNetwork {
  readonly b: GraphBuilder;
  readonly batch: number;
  /** D */
  readonly width: number;
  /** Parameters outside the blocks, such as heads. */
  readonly outside: ReadonlySet<string>;
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
  return await textPass(model, environment, context, true, (network) => {
    const { b } = network;
    const readOf = axes.map((axis) => readValues(axis, network));
    const values = [...new Set(readOf.flatMap((reads) => reads.map(({ value }) => value)))];
    const slopes = new Map(gradients(b, sumOfMeans(b, network.loss()), values).map((gradient, index) => [at(values, index), gradient]));
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
  const sums = await textPass(model, environment, context, true, (network) => {
    const { b } = network;
    const steps = blockSteps(stack, network.net);
    const slopes = gradients(
      b,
      sumOfMeans(b, network.loss()),
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
  const sums = await textPass(model, environment, context, false, ({ b, net, real, tokens }) => {
    const product = (x: Value, y: Value): Value => b.reduceSum(b.mul(x, y), [1]); // [N]
    const influences = blockSteps(stack, net).map(({ input, result }, block) => {
      const norms = b.sqrt(b.maximum(b.mul(product(input, input), product(result, result)), smallestSquare));
      const turns = b.sub(1, b.div(product(input, result), norms)); // [N]
      if (real === undefined || !isOverTokens(input, tokens)) return [String(block), b.reduceMean(turns, [0], true)] as const;
      const share = b.div(b.reduceSum(b.mul(turns, real), [0], true), b.maximum(b.reduceSum(real, [0], true), 1)); // [1]
      return [String(block), share] as const;
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
function readValues({ block, sides }: UnitAxis, { net, hidden, outside }: PassNetwork): ReadValue[] {
  const reads = new Map<Value, number>();
  for (const { use, path, parts } of sides) {
    const width = parts.reduce((sum, part) => sum + part.width, 0);
    // What heads read are rows of `hidden`.
    if (use === 'read' && !outside.has(path)) for (const value of net.linearInputs.get(path) ?? []) reads.set(value, width);
  }
  if (block === undefined) reads.set(hidden, 1);
  return [...reads].map(([value, width]) => ({ value, width }));
}

/** Σ over the tokens of a sequence of a·∂L/∂a, for `units` of `width` columns: rows [B*T, units*width] -> [B, units]. Padding has no slope. */
function gateSlope({ b, batch }: PassNetwork, value: Value, slope: Value, units: number, width: number): Value {
  const length = staticDim(at(value.shape, 0), 'rows') / batch;
  const products = b.reshape(b.mul(value, slope), [batch, length, units, width]);
  return b.reduceSum(products, [1, 3]);
}

async function textPass(
  model: Model,
  { engine, calibration }: CompressionEnvironment,
  context: OperationContext,
  needsLoss: boolean,
  build: PassGraph,
): Promise<Map<string, Float64Array>> {
  if (calibration === undefined)
    throw new AppError('not_enough_samples', 'prune: this importance is measured on text, and there is no calibration text. Give data.');
  const weights = borrowModel(engine, model);
  const programs = new Map<string, Program>();
  const sums = new Map<string, Float64Array>();
  try {
    let step = 0;
    for await (const window of calibration.sampleWindows()) {
      throwIfCancelled(context.signal);
      const sample = lossWindow(window, model, needsLoss);
      if (sample === undefined) continue; // nothing to predict
      const key = windowKey(sample.sizes);
      const program = programs.get(key) ?? (await engine.compile(passGraph(model, sample.sizes, build), { name: `importance ${key}` }));
      programs.set(key, program);
      const outputs = await program.run(chosen<DeviceBuffer | HostTensor>({ ...weights, ...sample.inputs }, program.inputNames), {
        signal: context.signal,
      });
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

function passGraph(model: Model, sizes: WindowSizes, build: PassGraph): ReturnType<GraphBuilder['graph']> {
  const b = new GraphBuilder();
  const outside = new Set([...parameterSpecs(model).values()].flatMap(({ path, block }) => (block === undefined ? [path] : [])));
  const network = windowNetwork(b, model, sizes);
  return optimizeGraph(b.graph(build({ ...network, b, batch: sizes.batch, width: model.config.width, outside })));
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

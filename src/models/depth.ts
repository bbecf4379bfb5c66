// How often blocks are applied: each once, or as often as each position decides (Universal Transformer).
import { at } from '#base';
import type { Emitter, Value } from '#graph';
import { float32, type Shape } from '#tensor';
import type { Network } from './architecture.ts';
import type { Halting, ModelConfig } from './config.ts';
import type { ParameterSpec } from './model.ts';

/** Names of intermediate values beside the blocks' results. */
export const depthTaps = {
  /** What the first block is given, rows [N, D]. */
  input: 'embed',
  /** What the model itself answers where a side network stands beside it, rows [N, D]. */
  output: 'output',
  /** Blocks that each position went through, and the remainder at which it halted, [N]: what the ponder cost is the mean of. */
  ponder: 'halting.ponder',
  /** Blocks that each position went through, [N]. */
  steps: 'halting.steps',
  /** Share of a block's result in the output, [N, 1]. */
  weight: (block: number): string => `halting.weight.${block}`,
} as const;

/** The parameters of halting: a logit of every state, which starts at σ(1) = 0.73 everywhere. */
export function haltingParameters({ halting, width: D }: ModelConfig): ParameterSpec[] {
  if (halting === undefined) return [];
  return [
    { path: 'halting.weight', role: 'linear', shape: [D, 1], initial: 0 },
    { path: 'halting.bias', role: 'vector', shape: [1], initial: 1 },
  ];
}

/** Applies the blocks to x, rows [N, D] of a batch [B, T]; `block` is one of them by its index. */
export function runBlocks(config: ModelConfig, net: Network, x: Value, batch: Shape, block: (index: number, x: Value) => Value): Value {
  const apply = (index: number, input: Value): Value => net.at(`h.${index}`, () => block(index, input));
  net.tap(depthTaps.input, x);
  if (net.runBlocks === undefined && config.halting !== undefined) return runHalting(config, config.halting, net, x, batch, apply);
  return runStack(net, 'h.', config.layers, x, apply);
}

/** Applies the blocks of one stack one after the other, unless the network's maker says otherwise. `prefix` is `BlockStack.prefix`. */
export function runStack(net: Network, prefix: string, layers: number, x: Value, apply: (index: number, x: Value) => Value): Value {
  if (net.runBlocks !== undefined) return net.runBlocks(x, apply, prefix);
  let state = x;
  for (let index = 0; index < layers; index++) state = apply(index, state);
  return state;
}

/** What one step of halting hands to the next. */
export interface HaltingState {
  /** Rows [N, D]: what the next block is given. */
  readonly state: Value;
  /** Rows [N, D]: the weighted sum so far. */
  readonly output: Value;
  /** [N, 1]: 1 where the position goes on. */
  readonly isRunning: Value;
  /** [N, 1]: 1 less the halting probabilities so far. */
  readonly left: Value;
}

export function firstHaltingState(b: Emitter, x: Value): HaltingState {
  const one = b.broadcastTo(b.scalar(1, 'float32'), [at(x.shape, 0), 1]);
  return { state: x, output: b.mul(x, 0), isRunning: one, left: one };
}

/**
 * One step: `stepped` is what the block made of `before.state`.
 *
 * @param isLast - whether everybody halts now; a value float32 [] of 1 or 0 where that is only known when the graph runs
 * @returns the state for the next step, the share of `stepped` in the output, and 1 where the position halts now, both [N, 1]
 */
export function haltingStep(
  net: Network,
  epsilon: number,
  before: HaltingState,
  stepped: Value,
  isLast: boolean | Value,
): HaltingState & { readonly weight: Value; readonly halts: Value } {
  const { b } = net;
  const { left, isRunning } = before;
  const probability = isLast === true ? left : b.sigmoid(net.at('halting', () => net.linear('halting', stepped)));
  const after = b.sub(left, probability);
  const isOpen = isLast === true ? b.mul(left, 0) : b.cast(b.less(epsilon, after), 'float32');
  const goesOn = typeof isLast === 'boolean' ? isOpen : b.mul(isOpen, b.sub(1, isLast));
  const weight = b.mul(isRunning, b.where(b.less(0.5, goesOn), probability, left));
  return {
    state: b.where(b.less(0.5, isRunning), stepped, before.state),
    output: b.add(before.output, b.mul(weight, stepped)),
    isRunning: b.mul(isRunning, goesOn),
    left: after,
    weight,
    halts: b.mul(isRunning, b.sub(1, goesOn)),
  };
}

/**
 * output = Σ weight_t·h_t with weights that sum to 1 at every position: the halting probability of each step, and what is left of 1 at the
 * step where the position halts. The last block halts everybody, so that a single one is a plain block. The state of a position that has
 * halted is copied from step to step and goes on to serve others as key and value.
 */
function runHalting(
  { layers, width }: ModelConfig,
  { epsilon, signals }: Halting,
  net: Network,
  x: Value,
  batch: Shape,
  apply: (index: number, input: Value) => Value,
): Value {
  const { b } = net;
  let current = firstHaltingState(b, x);
  let steps = b.mul(current.left, 0);
  let remainders = steps;
  for (let index = 0; index < layers; index++) {
    const wave = signals ? b.constant(float32([width], stepSignal(index, width))) : undefined;
    const input = wave === undefined ? current.state : addSignals(b, current.state, net.positions, wave, [...batch, width]);
    const made = haltingStep(net, epsilon, current, apply(index, input), index === layers - 1);
    net.tap(depthTaps.weight(index), made.weight);
    steps = b.add(steps, current.isRunning);
    remainders = b.add(remainders, b.mul(made.halts, current.left));
    current = made;
  }
  const rows = [at(x.shape, 0)];
  net.tap(depthTaps.steps, b.reshape(steps, rows));
  net.tap(depthTaps.ponder, b.reshape(b.add(steps, remainders), rows));
  return current.output;
}

function frequencies(width: number): Float32Array {
  return Float32Array.from({ length: Math.ceil(width / 2) }, (_, index) => 10_000 ** ((-2 * index) / width));
}

/** Sinusoids of a step (from 0, which counts as 1), [D]: sines, then cosines. */
export function stepSignal(step: number, width: number): Float32Array {
  const angles = frequencies(width).map((frequency) => (step + 1) * frequency);
  return Float32Array.of(...angles.map(Math.sin), ...angles.map(Math.cos)).slice(0, width);
}

/** Adds sinusoids of the position, and those of the step [D], to rows of [B, T, D]. */
export function addSignals(b: Emitter, x: Value, positions: Value, wave: Value, shape: Shape): Value {
  const width = Number(at(shape, 2));
  const waves = frequencies(width);
  const angles = b.mul(b.reshape(b.cast(positions, 'float32'), [...positions.shape, 1]), b.constant(float32([waves.length], waves)));
  const axis = angles.shape.length - 1;
  const position = b.slice(b.concat([b.sin(angles), b.cos(angles)], axis), axis, 0, width);
  return b.reshape(b.add(b.add(b.reshape(x, shape), position), wave), x.shape);
}

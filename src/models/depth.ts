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
  input: 'h.input',
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
  if (config.halting !== undefined) return runHalting(config, config.halting, net, x, batch, apply);
  let state = x;
  for (let index = 0; index < config.layers; index++) state = apply(index, state);
  return state;
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
  const one = b.broadcastTo(b.scalar(1, 'float32'), [at(x.shape, 0), 1]); // [N, 1]
  let state = x;
  let isRunning = one;
  let left = one; // 1 - the probabilities so far
  let steps = one;
  let remainders = b.mul(one, 0);
  let output: Value | undefined;
  for (let index = 0; index < layers; index++) {
    const stepped = apply(index, signals ? addSignals(b, state, net.positions, index, [...batch, width]) : state); // [N, D]
    const isLast = index === layers - 1;
    const probability = isLast ? left : b.sigmoid(net.at('halting', () => net.linear('halting', stepped))); // [N, 1]
    const after = b.sub(left, probability);
    const goesOn = isLast ? b.mul(one, 0) : b.cast(b.less(epsilon, after), 'float32');
    const halts = b.mul(isRunning, b.sub(1, goesOn));
    const weight = b.mul(isRunning, b.where(b.less(0.5, goesOn), probability, left));
    net.tap(depthTaps.weight(index), weight);
    const part = b.mul(weight, stepped);
    output = output === undefined ? part : b.add(output, part);
    remainders = b.add(remainders, b.mul(halts, left));
    state = index === 0 ? stepped : b.where(b.less(0.5, isRunning), stepped, state);
    isRunning = b.mul(isRunning, goesOn);
    steps = isLast ? steps : b.add(steps, isRunning);
    left = after;
  }
  const rows = [at(x.shape, 0)];
  net.tap(depthTaps.steps, b.reshape(steps, rows));
  net.tap(depthTaps.ponder, b.reshape(b.add(steps, remainders), rows));
  return output ?? x;
}

/** Adds sinusoids of the position and of the step (from 1) to rows of [B, T, D]. */
function addSignals(b: Emitter, x: Value, positions: Value, step: number, shape: Shape): Value {
  const width = Number(at(shape, 2));
  const frequencies = Float32Array.from({ length: Math.ceil(width / 2) }, (_, index) => 10_000 ** ((-2 * index) / width));
  const half = [frequencies.length];
  const angles = b.mul(b.reshape(b.cast(positions, 'float32'), [...positions.shape, 1]), b.constant(float32(half, frequencies)));
  const waves = (of: Value): Value => {
    const axis = of.shape.length - 1;
    return b.slice(b.concat([b.sin(of), b.cos(of)], axis), axis, 0, width);
  };
  const stepAngles = b.constant(
    float32(
      half,
      frequencies.map((frequency) => (step + 1) * frequency),
    ),
  );
  return b.reshape(b.add(b.add(b.reshape(x, shape), waves(angles)), waves(stepAngles)), x.shape);
}

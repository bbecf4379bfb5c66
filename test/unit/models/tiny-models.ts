// Tiny models of both architectures, and running their graphs on the reference engine.
import { Random } from '#base';
import type { Engine } from '#engine';
import { createReferenceEngine } from '#engine/reference';
import type { Graph } from '#graph';
import {
  type Gpt2Config,
  initializeModel,
  type LlamaConfig,
  type Model,
  modelInputs,
  type Parameter,
  parameterSpecs,
  replaceParameters,
} from '#models';
import { float32, type HostTensor, int64, toNumbers } from '#tensor';

export const tinyGpt2: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 23,
  width: 6,
  layers: 2,
  heads: 2,
  feedForwardWidth: 10,
  maxPositions: 12,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [0],
  activation: 'geluTanh',
};

export const tinyLlama: LlamaConfig = {
  architecture: 'llama',
  vocabularySize: 19,
  width: 10,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 4,
  feedForwardWidth: 7,
  maxPositions: 12,
  tiedHead: false,
  normEpsilon: 1e-5,
  endTokens: [2],
  rotaryBase: 10000,
  rotaryScaling: { kind: 'none' },
  activation: 'silu',
  attentionBias: false,
  feedForwardBias: true,
};

export function randomTensor(random: Random, shape: readonly number[], scale = 0.4): HostTensor<'float32'> {
  const length = shape.reduce((product, size) => product * size, 1);
  return float32(
    shape,
    Float32Array.from({ length }, () => scale * random.normal()),
  );
}

/** A model whose every parameter, biases and gains too, shows in its results. */
export function tinyModel(config: Gpt2Config | LlamaConfig, seed = 1): Model {
  const random = new Random(seed);
  const model = initializeModel(config, random, 0.4);
  const vectors = [...parameterSpecs(model).values()].filter(({ role }) => role === 'vector');
  return replaceParameters(
    model,
    vectors.map(({ path, shape }): Parameter => ({ path, kind: 'dense', settings: {}, tensors: { value: randomTensor(random, shape) } })),
  );
}

/** Runs a graph of `model` once and reads its outputs. */
export async function runGraph(
  graph: Graph,
  model: Model,
  inputs: Readonly<Record<string, HostTensor>>,
  engine: Engine = createReferenceEngine(),
): Promise<Record<string, HostTensor>> {
  const program = await engine.compile(graph);
  const wanted = new Set(program.inputNames);
  const all = { ...Object.fromEntries(modelInputs(model)), ...inputs };
  const results = await program.run(Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name))));
  const tensors = Object.fromEntries(Object.entries(results).map(([name, buffer]) => [name, buffer.read()]));
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return tensors;
}

export function tokenRows(rows: readonly (readonly number[])[]): HostTensor<'int64'> {
  return int64([rows.length, rows[0]!.length], rows.flat());
}

export function largestDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  let worst = left.length === right.length ? 0 : Number.POSITIVE_INFINITY;
  for (let index = 0; index < right.length; index++) worst = Math.max(worst, Math.abs(left[index]! - right[index]!));
  return worst;
}

/** One row of the last axis but one: tensor [..., V] seen as rows. */
export function rowOf(tensor: HostTensor, row: number): number[] {
  const width = tensor.shape.at(-1)!;
  return Array.from(toNumbers(tensor).slice(row * width, (row + 1) * width));
}

// Training with 8-bit products: off unless asked for, near to training in floats, exact in what it promises, refused where it has no use.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ErrorCode, quietContext } from '#base';
import { type DistillSettings, distillModel, distillOnPolicy, distillSettings, onPolicySettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { type Graph, gradientName, printGraph, topologicalOrder } from '#graph';
import { declarations, type Gpt2Config, type Model, modelInputs, trainableNames } from '#models';
import { type HostTensor, int64, toNumbers } from '#tensor';
import { buildGradientGraph, crossEntropyObjective, type Products, trainModel, trainSettings } from '#train';
import { fingerprint, MemoryKeeper, tinyCorpus, tinyModel, tinySettings } from './tiny-training.ts';

const vocabularySize = 288;
const config: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize,
  width: 32,
  layers: 2,
  heads: 4,
  feedForwardWidth: 128,
  maxPositions: 16,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [0],
  activation: 'geluTanh',
};
const model = tinyModel(config);
const corpus = tinyCorpus(600, vocabularySize);
const objective = crossEntropyObjective();
const kinds: readonly Products[] = ['int8', 'int8PerTensor', 'int8All'];
const coded = (code: ErrorCode, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) });

let onnx: Engine;
/** Why trainings in integers cannot be tried here. */
let skips: string | undefined;
beforeAll(async () => {
  onnx = await createOnnxEngine({ device: 'cpu', threads: 1 });
  if (!onnx.hasFastInt8) skips = 'this processor has neither VNNI nor AMX';
});
afterEach(() => {
  expect(onnx.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => onnx.dispose());

const [batch, length] = [2, 8];
const graphOf = (products?: Products, student: Model = model): Graph =>
  buildGradientGraph(declarations(student), objective, { batch, length, trained: trainableNames(student), accumulates: false, products })
    .graph;
const numRounded = (graph: Graph, kind = 'roundedMatmul'): number => topologicalOrder(graph).filter(({ op }) => op === kind).length;

function inputsOf(graph: Graph): Record<string, HostTensor> {
  const ids = Array.from({ length: batch * length }, (_, index) => (index * 37 + 5) % vocabularySize);
  const given: Record<string, HostTensor> = {
    ...Object.fromEntries(modelInputs(model)),
    tokens: int64([batch, length], ids),
    labels: int64([batch, length], [...ids.slice(1), 3]),
  };
  return Object.fromEntries(graph.inputs.map(({ name }) => [name, given[name]!]));
}

/** ‖actual − expected‖ / ‖expected‖ */
function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let index = 0; index < expected.length; index++) {
    difference += (actual[index]! - expected[index]!) ** 2;
    size += expected[index]! ** 2;
  }
  return Math.sqrt(difference / size);
}

describe('the gradient graph', () => {
  it('is what it was unless 8-bit products are asked for', () => {
    const shape = (graph: Graph): string => printGraph(graph);
    expect(shape(graphOf('float32'))).toBe(shape(graphOf()));
    expect(numRounded(graphOf())).toBe(0);
  });

  it.each(kinds)('rounds both products of all four matrices of a block, and the head only forward: %s', (products) => {
    expect(numRounded(graphOf(products))).toBe(2 * 4 * 2 + 1);
    expect(numRounded(graphOf(products), 'roundedGradient')).toBe(products === 'int8All' ? 2 * 4 : 0);
  });

  it.each(kinds)('has gradients near those in floats: %s', async (products) => {
    const [exact, rounded] = [graphOf(), graphOf(products)];
    const expected = await evaluateOnHost(exact, inputsOf(exact));
    const actual = await evaluateOnHost(rounded, inputsOf(rounded));
    expect(Math.abs(actual['loss']!.data[0]! - expected['loss']!.data[0]!)).toBeLessThan(0.02);
    for (const name of trainableNames(model)) {
      // Softmax ignores the biases of keys, whose part of the gradient is rounding alone.
      const bound = name.endsWith('attn.qkv.bias') ? 0.1 : 0.06;
      expect(distance(actual[gradientName(name)]!.data, expected[gradientName(name)]!.data), name).toBeLessThan(bound);
    }
  });

  it.each(kinds)('computes on ONNX Runtime what the reference does: %s', async (products) => {
    const graph = graphOf(products);
    const expected = await evaluateOnHost(graph, inputsOf(graph));
    const program = await onnx.compile(graph);
    const results = await program.run(inputsOf(graph));
    for (const [name, buffer] of Object.entries(results)) {
      // A number that lies between two codes may fall to either side: single codes differ, not their size.
      expect(distance(toNumbers(buffer.read()), expected[name]!.data), name).toBeLessThan(0.01);
      buffer.release();
    }
    await program.release();
  });
});

describe('training with 8-bit products', () => {
  const lossOf = async (products: Products, engine = onnx): Promise<number> => {
    const settings = trainSettings({ ...tinySettings({ steps: 60 }), products });
    return (await trainModel({ model, objective, corpus, settings }, engine, quietContext)).finalLoss;
  };

  it('learns as it does in floats', async ({ skip }) => {
    if (skips !== undefined) return skip(skips);
    const exact = await lossOf('float32');
    for (const products of kinds) expect(Math.abs((await lossOf(products)) - exact)).toBeLessThan(0.1);
  });

  it('goes on from a checkpoint bit for bit', async ({ skip }) => {
    if (skips !== undefined) return skip(skips);
    const settings = tinySettings({ steps: 8, checkpointEvery: 5, gradientAccumulation: 2, products: 'int8' });
    const checkpoints = new MemoryKeeper();
    const request = { model, objective, corpus, settings, checkpoints };
    const straight = await trainModel(request, onnx, quietContext);
    const resumed = await trainModel(request, onnx, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('is refused where floats are as fast, before anything is uploaded', async () => {
    const slow = new Proxy(onnx, { get: (engine, key) => (key === 'hasFastInt8' ? false : Reflect.get(engine, key, engine)) });
    await expect(
      trainModel({ model, objective, corpus, settings: tinySettings({ products: 'int8' }) }, slow, quietContext),
    ).rejects.toThrow(coded('unsupported', /products: int8 needs 8-bit products/));
    const settings = distillSettings({ ...tinySettings(), teacherProducts: 'int8' });
    await expect(distillModel({ student: model, teacher: model, corpus, settings }, slow, quietContext)).rejects.toThrow(
      coded('unsupported', /teacherProducts: int8 needs/),
    );
  });

  it('has a field in the settings only where it is asked for', () => {
    expect(trainSettings({ products: 'float32' })).toEqual(trainSettings({}));
    expect(distillSettings({ products: 'float32' })).toEqual(distillSettings({}));
    expect(distillSettings({ products: 'int8' })).toMatchObject({ products: 'int8' });
    expect(() => trainSettings({ products: 'int4' as 'int8' })).toThrow(
      coded('invalid_argument', /products: must be one of float32, int8/),
    );
  });
});

describe('a teacher with 8-bit products', () => {
  const distill = async (changes: Partial<DistillSettings>) => {
    const settings = distillSettings({ ...tinySettings({ steps: 40, learningRate: 0.01 }), ...changes });
    return await distillModel({ student: model, teacher: tinyModel(config, 2), corpus, settings }, onnx, quietContext);
  };

  it('teaches nearly the same, and stays as it is', async ({ skip }) => {
    if (skips !== undefined) return skip(skips);
    const [exact, rounded] = [await distill({}), await distill({ teacherProducts: 'int8' })];
    expect(Math.abs(rounded.finalLoss - exact.finalLoss)).toBeLessThan(0.05);
    expect(fingerprint(rounded.model)).not.toBe(fingerprint(exact.model));
  });

  it('judges and helps to draw what the student learns from, and a run goes on exactly', async ({ skip }) => {
    if (skips !== undefined) return skip(skips);
    const settings = distillSettings({ ...tinySettings({ steps: 4, checkpointEvery: 2 }), products: 'int8', teacherProducts: 'int8' });
    const request = {
      student: model,
      teacher: tinyModel(config, 2),
      corpus,
      settings,
      onPolicy: onPolicySettings({ share: 0.6, promptTokens: 3, maxNewTokens: 4, temperature: 1 }, model, 8),
      policyGradient: { teacherShare: 0.2 },
      checkpoints: new MemoryKeeper(),
    };
    const straight = await distillOnPolicy(request, onnx, quietContext);
    const resumed = await distillOnPolicy(request, onnx, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('stands beside a student with 8-bit products', async ({ skip }) => {
    if (skips !== undefined) return skip(skips);
    const [exact, rounded] = [await distill({}), await distill({ teacherProducts: 'int8', products: 'int8' })];
    expect(Math.abs(rounded.finalLoss - exact.finalLoss)).toBeLessThan(0.1);
  });
});

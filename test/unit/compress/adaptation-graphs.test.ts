// What adaptation costs and computes in the training graph: low-rank updates before and after they are merged, gates, and a frozen model without a gradient.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createReferenceEngine, evaluateOnHost } from '#engine/reference';
import { gradientName, topologicalOrder } from '#graph';
import {
  borrowModel,
  type Gpt2Config,
  initializeModel,
  ladderPaths,
  type Model,
  modelInputs,
  replaceParameters,
  sharedParameter,
} from '#models';
import { float32, type HostTensor, int64 } from '#tensor';
import { crossEntropyObjective, type TrainingScheme } from '#train';
import { randomSide, withLadder } from '../../../src/compress/ladder/first-weights.ts';
import { FrozenAnswers } from '../../../src/compress/ladder/frozen-answers.ts';
import { ladderOf } from '../../../src/compress/ladder/side-sizes.ts';
import { lowRankUpdates, merged, updatedMatrices } from '../../../src/compress/parameter-efficient/low-rank-update.ts';
import { buildGradientGraph, type GradientGraph } from '../../../src/train/gradient-graph.ts';
import { schemeName } from '../../../src/train/scheme.ts';
import { gpt2Config, llamaConfig, tinyModel } from './tiny-model.ts';

const sizes = { batch: 2, length: 6, accumulates: false };
const batch = {
  tokens: int64([2, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  labels: int64([2, 6], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]),
};

function graphOf(model: Model, trained: readonly string[], scheme?: TrainingScheme): GradientGraph {
  return buildGradientGraph(model, crossEntropyObjective(), { ...sizes, trained, scheme });
}

async function evaluated(
  model: Model,
  trained: readonly string[],
  scheme?: TrainingScheme,
  tensors: ReadonlyMap<string, HostTensor<'float32'>> = new Map(scheme?.tensors?.map(({ name, initial }) => [name, initial])),
): ReturnType<typeof evaluateOnHost> {
  const { graph } = graphOf(model, trained, scheme);
  const ofScheme = Object.fromEntries([...tensors].map(([name, tensor]) => [schemeName(name), tensor]));
  const all: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), ...ofScheme, ...batch };
  const wanted = new Set(graph.inputs.map(({ name }) => name));
  return await evaluateOnHost(graph, Object.fromEntries(Object.entries(all).filter(([name]) => wanted.has(name))));
}

const lossOf = async (...given: Parameters<typeof evaluated>): Promise<number> => Number((await evaluated(...given))['loss']!.data[0]);

describe('low-rank updates', () => {
  const settings = { rank: 2, alpha: 3 };
  const random = new Random(5);

  it.each([gpt2Config, llamaConfig])('begin as the model itself; merged they are the same model as beside it', async (config) => {
    const model = tinyModel(config);
    const matrices = updatedMatrices(model, settings);
    const scheme = lowRankUpdates(model, matrices, settings, 1);
    expect(await lossOf(model, [], scheme)).toBeCloseTo(await lossOf(model, []), 12);
    const factors = new Map(
      scheme.tensors!.map(({ name, initial }) => [
        name,
        float32(
          initial.shape,
          Float32Array.from(initial.data, () => 0.3 * random.normal()),
        ),
      ]),
    );
    const apart = await lossOf(model, [], scheme, factors);
    const whole = replaceParameters(model, merged(model, matrices, settings, factors));
    expect(Math.abs(apart - (await lossOf(model, [])))).toBeGreaterThan(0.1);
    expect(Math.abs((await lossOf(whole, [])) - apart)).toBeLessThan(1e-5);
  });

  it('of a matrix that layers share stand at every place of it', async () => {
    const model = tinyModel();
    const shared = replaceParameters(model, [sharedParameter('h.1.mlp.fc.weight', 'h.0.mlp.fc.weight')]);
    const only = { ...settings, include: ['h.0.mlp.fc.weight'] };
    const matrices = updatedMatrices(shared, only);
    const scheme = lowRankUpdates(shared, matrices, only, 1);
    const factors = new Map(
      scheme.tensors!.map(({ name, initial }) => [
        name,
        float32(
          initial.shape,
          Float32Array.from(initial.data, () => 0.3 * random.normal()),
        ),
      ]),
    );
    const whole = replaceParameters(shared, merged(shared, matrices, only, factors));
    expect(Math.abs((await lossOf(whole, [])) - (await lossOf(shared, [], scheme, factors)))).toBeLessThan(1e-5);
  });
});

describe('a side network in training', () => {
  const deep = (layers: number): Model => initializeModel({ ...gpt2Config, layers } satisfies Gpt2Config, new Random(1), 0.3);
  const beside = (model: Model, layers: readonly number[] = [0, 1]): Model => {
    const ladder = ladderOf(model, { reduction: 2, layers, mixesOutput: false });
    return withLadder(model, ladder, randomSide(model, ladder, 1));
  };
  const added = (model: Model): string[] => [...model.parameters.keys()].filter((path) => path.startsWith('ladder.'));

  it('gives every gate a gradient from the first step on', async () => {
    const model = beside(tinyModel());
    const gradient = (await evaluated(model, added(model)))[gradientName(ladderPaths.gates)]!;
    expect(gradient.shape).toEqual([2]);
    for (const each of gradient.data) expect(Math.abs(Number(each))).toBeGreaterThan(1e-6);
  });

  it('has no gradient of the model, and as many nodes behind the loss however deep the model is', () => {
    const behindForward = (layers: number): { outputs: string[]; nodes: number } => {
      const model = beside(deep(layers));
      const { graph } = graphOf(model, added(model));
      const forward = topologicalOrder({ inputs: graph.inputs, outputs: graph.outputs.filter(({ name }) => name === 'loss') });
      return { outputs: graph.outputs.map(({ name }) => name), nodes: topologicalOrder(graph).length - forward.length };
    };
    const [two, six] = [behindForward(2), behindForward(6)];
    expect(two.outputs.filter((name) => !name.includes('ladder.'))).toEqual(['loss']);
    expect(six).toEqual(two);
  });

  it('needs none of the model when its answers are kept', async () => {
    const model = beside(deep(4), [1, 3]);
    const engine = createReferenceEngine();
    const store = { size: 0, read: async () => undefined, write: async () => true, close: async () => {} };
    const answers = new FrozenAnswers(engine, model, store, 'float32');
    const { graph } = graphOf(model, added(model), answers);
    const ofModel = topologicalOrder(graph).flatMap((node) =>
      graph.inputs.filter(({ value }) => value.node === node).map(({ name }) => name),
    );
    expect(ofModel.filter((name) => name.startsWith('h.'))).toEqual([]);
    expect(ofModel).toContain('embed.token.weight'); // the head
    // The same loss and gradients as with the model in the graph.
    const weights = borrowModel(engine, model);
    const fed = await answers.batchInputs(batch, weights, new AbortController().signal);
    for (const buffer of Object.values(weights)) buffer.release();
    const split = await evaluated(model, added(model), answers, new Map(Object.entries(fed) as [string, HostTensor<'float32'>][]));
    const whole = await evaluated(model, added(model));
    for (const [name, { data }] of Object.entries(whole))
      for (const [index, value] of Array.from(data, Number).entries())
        expect(Math.abs(value - Number(split[name]!.data[index])), name).toBeLessThan(1e-6);
    await answers.release();
  });
});

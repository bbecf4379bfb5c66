// Shared parameters: one stored weight under several paths, its gradient, its checks, and the axes that it lies on.
import { describe, expect, it } from 'vitest';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder, gradients, type Value } from '#graph';
import {
  buildLogitsGraph,
  causalNetwork,
  checkModel,
  denseParameter,
  fastestForm,
  type Model,
  materializeParameter,
  modelInputs,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  sharedParameter,
  sharedUsers,
  storedFreeAxes,
  storedTensors,
  trainableNames,
  untieHead,
} from '#models';
import { float32, sizeOf, toNumbers } from '#tensor';
import { largestDifference, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

const threeLayers = { ...tinyGpt2, layers: 3 };

/** Blocks 1 and 2 are block 0. */
function allShared(model: Model, paths: (path: string) => boolean = () => true): Model {
  const shared = [...parameterSpecs(model).values()].filter(({ path, block }) => block !== undefined && block > 0 && paths(path));
  return replaceParameters(
    model,
    shared.map(({ path }) => sharedParameter(path, path.replace(/^h\.\d/, 'h.0'))),
  );
}

/** The same function with every weight stored where it is used. */
function unshared(model: Model): Model {
  return replaceParameters(
    model,
    [...model.parameters.keys()].map((path) => denseParameter(path, materializeParameter(model, path))),
  );
}

const tokens = tokenRows([
  [3, 1, 4, 1, 5],
  [9, 2, 6, 5, 3],
]);

describe.each([
  ['gpt2', threeLayers],
  ['llama', { ...tinyLlama, layers: 3 }],
  ['llama with a tied head', { ...tinyLlama, layers: 3, tiedHead: true }],
])('a shared %s', (_, config) => {
  const model = allShared(tinyModel(config));

  it('computes what it would with the weights written out', async () => {
    checkModel(model);
    const graph = buildLogitsGraph(model, { batch: 2, length: 5 });
    const { logits } = await runGraph(graph, model, { tokens });
    const whole = unshared(model);
    const { logits: expected } = await runGraph(buildLogitsGraph(whole, { batch: 2, length: 5 }), whole, { tokens });
    expect(largestDifference(toNumbers(logits!), toNumbers(expected!))).toBe(0);
    expect(graph.inputs.filter(({ name }) => name.startsWith('h.')).every(({ name }) => name.startsWith('h.0.'))).toBe(true);
  });

  it('stores, counts and trains every weight once', () => {
    const one = tinyModel({ ...config, layers: 1 });
    expect(parameterCounts(model).stored).toBe(parameterCounts(one).stored);
    expect(parameterCounts(model).logical).toBe(parameterCounts(tinyModel(config)).logical);
    expect([...storedTensors(model).keys()]).toEqual([...storedTensors(one).keys()]);
    expect(trainableNames(model)).toEqual(trainableNames(one));
  });

  it('has as gradient of a stored weight the sum of those of its uses', async () => {
    const gradientsOf = async (which: Model): Promise<Record<string, Float64Array>> => {
      const b = new GraphBuilder();
      const ids = b.input('tokens', 'int64', [2, 5]);
      const network = causalNetwork(b, which, ids);
      const logits = network.logits(network.hidden(ids));
      const loss = b.reduceSum(b.mul(b.softmax(logits), b.sin(b.reshape(logits, logits.shape))), [0, 1]);
      const names = [...network.parameterInputs.keys()];
      const made = gradients(b, loss, [...network.parameterInputs.values()]);
      const graph = b.graph(Object.fromEntries(made.map((value, index): [string, Value] => [names[index]!, value])));
      const results = await evaluateOnHost(graph, { ...Object.fromEntries(modelInputs(which)), tokens });
      return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
    };
    const [together, apart] = [await gradientsOf(model), await gradientsOf(unshared(model))];
    for (const [path, users] of sharedUsers(model)) {
      const sum = apart[path]!.map((value, index) => users.reduce((total, user) => total + apart[user]![index]!, value));
      expect(largestDifference(together[path]!, sum)).toBeLessThan(1e-9);
      expect(Math.max(...sum.map(Math.abs))).toBeGreaterThan(1e-4);
    }
  });
});

describe('checkModel', () => {
  const model = tinyModel(threeLayers);
  const broken = (path: string, of: unknown): (() => void) => {
    const parameter = { ...sharedParameter(path, ''), settings: { of: of as string } };
    return () => checkModel(replaceParameters(allShared(model), [parameter]));
  };
  it.each([
    [
      'itself shared',
      'h.2.mlp.fc.weight',
      'h.1.mlp.fc.weight',
      /config_mismatch.*h\.2\.mlp\.fc\.weight.*itself shared.*h\.0\.mlp\.fc\.weight/,
    ],
    ['missing', 'h.2.mlp.fc.weight', 'h.7.mlp.fc.weight', /config_mismatch.*h\.7\.mlp\.fc\.weight, which the model does not have/],
    [
      'of another shape',
      'h.2.mlp.fc.weight',
      'h.0.mlp.proj.weight',
      /shape_mismatch.*h\.2\.mlp\.fc\.weight \[6, 10\] and h\.0\.mlp\.proj\.weight \[10, 6\]/,
    ],
    ['used otherwise', 'h.2.mlp.fc.weight', 'embed.token.weight', /config_mismatch.*linear parameter and the other a embedding/],
    ['not named', 'h.2.mlp.fc.weight', 3, /config_mismatch.*setting "of", got 3/],
    ['the weight itself', 'h.0.mlp.fc.weight', 'h.0.mlp.fc.weight', /config_mismatch.*itself shared/],
  ])('refuses an owner that is %s', (_, path, of, message) => {
    expect(broken(path, of)).toThrow(message);
  });
});

describe('what works on parameters', () => {
  it('finds the hidden axes whose units can move in what is stored: shared as a whole, or not at all', () => {
    const model = tinyModel(threeLayers);
    const names = (which: Model): string[] => storedFreeAxes(which).map(({ name }) => name);
    expect(names(model)).toEqual(['h.0.mlp', 'h.1.mlp', 'h.2.mlp']);
    expect(names(allShared(model))).toEqual(['h.0.mlp']);
    expect(names(allShared(model, (path) => path.includes('attn')))).toEqual(['h.0.mlp', 'h.1.mlp', 'h.2.mlp']);
    expect(names(allShared(model, (path) => path.includes('mlp.fc')))).toEqual([]);
    expect(names(allShared(model, (path) => path.includes('mlp') && path.startsWith('h.1')))).toEqual(['h.0.mlp', 'h.2.mlp']);
    expect(storedFreeAxes(allShared(model))[0]).toMatchObject({ columns: ['h.0.mlp.fc.weight'], rows: ['h.0.mlp.proj.weight'] });
  });

  it('unties the head of a table that is stored elsewhere, and serves shared factors in their fastest form', async () => {
    const square = { ...tinyGpt2, vocabularySize: 12, maxPositions: 12 };
    const model = replaceParameters(tinyModel(square), [sharedParameter('embed.token.weight', 'embed.position.weight')]);
    checkModel(model);
    const free = untieHead(model);
    checkModel(free);
    const inputs = { tokens: tokenRows([[3, 1, 4]]) };
    const sizes = { batch: 1, length: 3 };
    const [a, b] = [
      await runGraph(buildLogitsGraph(model, sizes), model, inputs),
      await runGraph(buildLogitsGraph(free, sizes), free, inputs),
    ];
    expect(largestDifference(toNumbers(a['logits']!), toNumbers(b['logits']!))).toBeLessThan(1e-5);

    const kronecker = replaceParameters(allShared(tinyModel(threeLayers)), [
      {
        path: 'h.0.mlp.fc.weight',
        kind: 'kronecker',
        settings: { terms: 4, innerRows: 3, innerColumns: 5 },
        tensors: {
          outer: float32(
            [4, 2, 2],
            new Float32Array(16).map((_, index) => Math.sin(index)),
          ),
          inner: float32(
            [4, 3, 5],
            new Float32Array(60).map((_, index) => Math.cos(index)),
          ),
        },
      },
    ]);
    checkModel(kronecker);
    const fast = fastestForm(kronecker);
    expect(fast.parameters.get('h.0.mlp.fc.weight')!.kind).toBe('dense');
    expect(fast.parameters.get('h.2.mlp.fc.weight')!.kind).toBe('shared');
    expect(sizeOf(materializeParameter(kronecker, 'h.2.mlp.fc.weight').shape)).toBe(60);
  });
});

// Side networks, adapters and prompts in tiny models of every architecture: what they compute, with a cache too.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder } from '#graph';
import {
  type AlbertConfig,
  type BertConfig,
  buildLogitsGraph,
  cacheTensors,
  causalNetwork,
  checkConfig,
  checkModel,
  encoderNetwork,
  initializeModel,
  type Ladder,
  ladderPaths,
  type Model,
  type ModelConfig,
  modelInputs,
  parameterSpecs,
  replaceParameters,
} from '#models';
import { float32, type HostTensor } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { Sequences } from '#test/sequences';
import { randomTensor, rowOf, runGraph, tinyGpt2, tinyLlama, tokenRows } from './tiny-models.ts';

const bert: BertConfig = {
  architecture: 'bert',
  family: 'bert',
  vocabularySize: 23,
  width: 8,
  layers: 2,
  heads: 2,
  feedForwardWidth: 12,
  maxPositions: 12,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [],
  activation: 'gelu',
  tokenTypes: 2,
  padToken: 0,
  task: { kind: 'masked' },
};
const { family: _, ...common } = bert;
const albert: AlbertConfig = { ...common, architecture: 'albert', embeddingWidth: 6 };
const ladderOf = (config: ModelConfig, changes: Partial<Ladder> = {}): Ladder => ({
  layers: [0, 1],
  width: config.width / 2,
  heads: config.architecture === 'llama' ? 2 : 1,
  keyValueHeads: 1,
  feedForwardWidth: 5,
  mixesOutput: false,
  ...changes,
});
const configs = { gpt2: tinyGpt2, llama: tinyLlama, bert, albert } as const;
const tokens = tokenRows([
  [3, 1, 4, 1, 5],
  [9, 2, 6, 5, 3],
]);

/** A model whose every parameter shows in its results. */
function model(config: ModelConfig, seed = 1): Model {
  checkConfig(config);
  const random = new Random(seed);
  const made = initializeModel(config, random, 0.4);
  const shown = [...parameterSpecs(made).values()].filter(({ role, initial }) => role === 'vector' || initial !== undefined);
  return replaceParameters(
    made,
    shown.map(({ path, shape }) => ({ path, kind: 'dense', settings: {}, tensors: { value: randomTensor(random, shape) } })),
  );
}

function withValue(of: Model, path: string, value: HostTensor): Model {
  return replaceParameters(of, [{ path, kind: 'dense', settings: {}, tensors: { value } }]);
}

/** Hidden states and taps of the whole sequences. */
async function states(of: Model): Promise<Record<string, Float64Array>> {
  const b = new GraphBuilder();
  const ids = b.input('tokens', 'int64', [2, 5]);
  const isText = of.config.architecture === 'gpt2' || of.config.architecture === 'llama';
  const mask = { dtype: 'bool', shape: [2, 5], data: Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1, 0, 0) } as const;
  const net = isText
    ? causalNetwork(b, of, ids)
    : encoderNetwork(b, of, { tokens: ids, mask: b.input('mask', 'bool', [2, 5]), tokenTypes: undefined });
  const hidden = net.hidden(ids);
  const inputs = { ...Object.fromEntries(modelInputs(of)), tokens, ...(isText ? {} : { mask }) };
  const results = await evaluateOnHost(b.graph({ ...Object.fromEntries(net.taps), hidden }), inputs);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
}

const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

describe('a side network', () => {
  it.each(Object.keys(configs) as (keyof typeof configs)[])('reads the blocks of a %s and answers in their place', async (name) => {
    const config = configs[name];
    const plain = model(config);
    const withLadder = model({ ...config, ladder: ladderOf(config) });
    checkModel(withLadder);
    const backbone = replaceParameters(withLadder, plain.parameters.values());
    const [before, after] = [await states(plain), await states(backbone)];
    for (const tap of ['embed', 'h.0', 'h.1']) expectAllClose(after[tap]!, before[tap]!, { absolute: 0, relative: 0 });
    expect(Array.from(after['hidden']!)).not.toEqual(Array.from(before['hidden']!));
    // Each ladder changes the answer.
    for (const index of [0, 1]) {
      const path = `${ladderPaths.down(index)}.weight`;
      const cut = withValue(backbone, path, randomTensor(new Random(9), [config.width, config.width / 2]));
      expect(Array.from((await states(cut))['hidden']!)).not.toEqual(Array.from(after['hidden']!));
    }
  });

  it.each(Object.keys(configs) as (keyof typeof configs)[])('of a %s ignores its ladders where every gate is 1', async (name) => {
    const config = configs[name];
    const open = withValue(model({ ...config, ladder: ladderOf(config) }), ladderPaths.gates, float32([2], [Infinity, Infinity]));
    const answer = (await states(open))['hidden']!;
    for (const index of [0, 1]) {
      const other = withValue(open, `${ladderPaths.down(index)}.weight`, randomTensor(new Random(9), [config.width, config.width / 2]));
      expect(Array.from((await states(other))['hidden']!)).toEqual(Array.from(answer));
    }
  });

  it('gives the answer of the model itself where the last gate is 0', async () => {
    const config = { ...tinyGpt2, ladder: ladderOf(tinyGpt2, { mixesOutput: true, layers: [1] }) };
    const closed = withValue(model(config), ladderPaths.gates, float32([2], [0, -Infinity]));
    const { ladder: _ladder, ...plain } = config;
    const kept = new Map([...closed.parameters].filter(([path]) => !path.startsWith('ladder.')));
    const [with_, without] = [await states(closed), await states({ config: plain, parameters: kept })];
    expectAllClose(with_['hidden']!, without['hidden']!, { absolute: 1e-12, relative: 1e-12 });
  });

  it.each(['gpt2', 'llama'] as const)('decodes with a cache of its own as it reads whole texts (%s)', async (name) => {
    const config = { ...configs[name], ladder: ladderOf(configs[name], { mixesOutput: true }) };
    const of = model(config);
    expect(cacheTensors(of, 1, 8)).toHaveLength(2 * (2 + 2));
    const row = [3, 1, 4, 1, 5];
    const whole = (await runGraph(buildLogitsGraph(of, { batch: 1, length: 5 }), of, { tokens: tokenRows([row]) }))['logits']!;
    const runner = await Sequences.create(engine, of, { name: 'tiny', contextTokens: 12 });
    for (const [index, next] of [row.slice(0, 3), [row[3]!], [row[4]!]].entries()) {
      const result = (await runner.run([{ id: 1, tokens: next, wantsLogits: 'last' }])).get(1);
      if (result === undefined || result instanceof AppError) throw result ?? new Error('no logits');
      expectAllClose([...result], rowOf(whole, index + 2), { absolute: 2e-5, relative: 1e-4 });
    }
    await runner.dispose();
  });

  it('is refused where it cannot stand, by name', () => {
    const bad = (changes: Partial<Ladder>): void => checkConfig({ ...tinyGpt2, ladder: ladderOf(tinyGpt2, changes) });
    expect(() => bad({ layers: [1, 0] })).toThrow('ladder.layers must be ascending indices of 0..1, got 1, 0');
    expect(() => bad({ layers: [2] })).toThrow('ladder.layers');
    expect(() => bad({ width: 7 })).toThrow("ladder.width 7 is above the model's 6");
    expect(() => bad({ heads: 2 })).toThrow('ladder has 2 heads over 1');
  });
});

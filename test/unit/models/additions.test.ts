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
  buildPairLogitsGraph,
  cacheTensors,
  causalNetwork,
  checkConfig,
  checkModel,
  type EncoderDecoderConfig,
  encoderNetwork,
  initializeModel,
  type Ladder,
  ladderPaths,
  type Model,
  type ModelConfig,
  modelInputs,
  parameterSpecs,
  promptIds,
  promptPath,
  replaceParameters,
} from '#models';
import { float32, type HostTensor, sizeOf, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { Sequences } from '#test/sequences';
import { tinySequences } from '#test/tiny-pairs';
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
const pairConfig: EncoderDecoderConfig = {
  ...tinySequences,
  vocabularySize: 23,
  feedForwardWidth: 12,
  encoder: { layers: 1, heads: 2, headWidth: 4, feedForwardWidth: 12 },
  maxPositions: 12,
  positions: { kind: 'sinusoidal', form: 'marian' },
  headBias: true,
  scaledEmbedding: true,
};
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
async function states(of: Model, texts = tokens, lengths = [5, 3]): Promise<Record<string, Float64Array>> {
  const b = new GraphBuilder();
  const T = texts.shape[1]!;
  const ids = b.input('tokens', 'int64', [2, T]);
  const isText = of.config.architecture === 'gpt2' || of.config.architecture === 'llama';
  const isReal = lengths.flatMap((length) => Array.from({ length: T }, (_, index) => (index < length ? 1 : 0)));
  const mask = { dtype: 'bool', shape: [2, T], data: Uint8Array.from(isReal) } as const;
  const net = isText
    ? causalNetwork(b, of, ids)
    : encoderNetwork(b, of, { tokens: ids, mask: b.input('mask', 'bool', [2, T]), tokenTypes: undefined });
  const hidden = net.hidden(ids);
  const inputs = { ...Object.fromEntries(modelInputs(of)), tokens: texts, ...(isText ? {} : { mask }) };
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
    await expectSameWithCache(of, []);
  });

  it('is refused where it cannot stand, by name', () => {
    const bad = (changes: Partial<Ladder>): void => checkConfig({ ...tinyGpt2, ladder: ladderOf(tinyGpt2, changes) });
    expect(() => bad({ layers: [1, 0] })).toThrow('ladder.layers must be ascending indices of 0..1, got 1, 0');
    expect(() => bad({ layers: [2] })).toThrow('ladder.layers');
    expect(() => bad({ width: 7 })).toThrow("ladder.width 7 is above the model's 6");
    expect(() => bad({ heads: 2 })).toThrow('ladder has 2 heads over 1');
  });
});

describe('adapters', () => {
  it.each(Object.keys(configs) as (keyof typeof configs)[])('stand behind both parts of every block of a %s', async (name) => {
    const config = configs[name];
    const plain = model(config);
    const adapted = replaceParameters(model({ ...config, adapters: { width: 3 } }), plain.parameters.values());
    checkModel(adapted);
    const added = [...adapted.parameters.keys()].filter((path) => !plain.parameters.has(path));
    expect(added).toHaveLength((name === 'albert' ? 1 : 2) * 2 * 4);
    const own = (await states(adapted))['hidden']!;
    const none = replaceParameters(
      adapted,
      added.filter((path) => path.includes('.up.')).map((path) => zero(adapted, path)),
    );
    expectAllClose((await states(none))['hidden']!, (await states(plain))['hidden']!, { absolute: 0, relative: 0 });
    for (const path of added.filter((each) => each.endsWith('up.bias')))
      expect(Array.from((await states(replaceParameters(adapted, [zero(adapted, path)])))['hidden']!)).not.toEqual(Array.from(own));
  });

  it('stand behind the three parts of a decoder too, and begin as if they were not there', async () => {
    const plain = model(pairConfig);
    const adapted = initializeModel({ ...pairConfig, adapters: { width: 3 } }, new Random(1));
    const added = [...adapted.parameters.keys()].filter((path) => !plain.parameters.has(path));
    expect(added).toHaveLength(5 * 4);
    const inputs = {
      source: tokenRows([[3, 1, 4, 2]]),
      sourceMask: { dtype: 'bool', shape: [1, 4], data: Uint8Array.of(1, 1, 1, 1) },
      tokens: tokenRows([[1, 5, 9]]),
    } as const;
    const logits = async (of: Model): Promise<Float64Array> =>
      Float64Array.from(
        (await runGraph(buildPairLogitsGraph(of, { batch: 1, length: 3, sourceLength: 4 }), of, inputs))['logits']!.data,
        Number,
      );
    const own = await logits(plain);
    expectAllClose(await logits(replaceParameters(adapted, plain.parameters.values())), own, { absolute: 0, relative: 0 });
    for (const path of added.filter((each) => each.endsWith('up.bias'))) {
      const { shape } = adapted.parameters.get(path)!.tensors['value']!;
      const shown = withValue(replaceParameters(adapted, plain.parameters.values()), path, randomTensor(new Random(2), shape));
      expect(Array.from(await logits(shown))).not.toEqual(Array.from(own));
    }
    expect(() => checkConfig({ ...pairConfig, prompt: { length: 2 } })).toThrow('an encoder-decoder reads two');
    expect(() => checkConfig({ ...pairConfig, ladder: ladderOf(tinyGpt2) })).toThrow('an encoder-decoder has two');
  });

  it('begin as if they were not there', () => {
    const { parameters } = initializeModel({ ...tinyGpt2, adapters: { width: 3 } }, new Random(1));
    for (const [path, { tensors }] of parameters)
      if (path.includes('.adapter.up.')) expect(Array.from(toNumbers(tensors['value']!)).every((value) => value === 0)).toBe(true);
  });

  it('are part of decoding with a cache', async () => {
    await expectSameWithCache(model({ ...tinyGpt2, adapters: { width: 3 } }), []);
  });
});

describe('a trained prompt', () => {
  it.each(Object.keys(configs) as (keyof typeof configs)[])('of a %s is as good as tokens with the same rows', async (name) => {
    const config = configs[name];
    const plain = model(config);
    const prompted = model({ ...config, prompt: { length: 2 } });
    const table = plain.parameters.get('embed.token.weight')!.tensors['value']!;
    const width = table.shape[1]!;
    const rows = [7, 8].flatMap((token) => Array.from(toNumbers(table).slice(token * width, (token + 1) * width)));
    const same = replaceParameters(prompted, [
      ...plain.parameters.values(),
      { path: promptPath, kind: 'dense', settings: {}, tensors: { value: float32([2, width], rows) } },
    ]);
    const texts = tokenRows([
      [3, 1, 4],
      [9, 2, 6],
    ]);
    const longer = tokenRows([
      [7, 8, 3, 1, 4],
      [7, 8, 9, 2, 6],
    ]);
    const whole = (await states(plain, longer, [5, 4]))['hidden']!;
    const D = config.width;
    const behind = [...whole.slice(2 * D, 5 * D), ...whole.slice(7 * D, 10 * D)];
    expectAllClose((await states(same, texts, [3, 2]))['hidden']!, behind, { absolute: 1e-12, relative: 1e-12 });
  });

  it('counts its positions: texts have fewer', () => {
    const of = model({ ...tinyGpt2, prompt: { length: 4 } });
    expect(() => buildLogitsGraph(of, { batch: 1, length: 9 })).toThrow('9 tokens are more than the 8 positions');
    buildLogitsGraph(of, { batch: 1, length: 8 });
  });

  it.each(['gpt2', 'llama'] as const)('is the beginning of every sequence with a cache (%s)', async (name) => {
    const of = model({ ...configs[name], prompt: { length: 3 } });
    expect(promptIds(of.config)).toEqual([0, 1, 2].map((row) => of.config.vocabularySize + row));
    await expectSameWithCache(of, promptIds(of.config));
  });

  it('is refused where it cannot stand', () => {
    expect(() => checkConfig({ ...tinyGpt2, prompt: { length: 12 } })).toThrow(
      'prompt.length must be a positive integer below maxPositions 12',
    );
    expect(() => checkConfig({ ...tinyGpt2, adapters: { width: 0 } })).toThrow('adapters.width must be a positive integer, got 0');
    expect(() => checkConfig({ ...tinyGpt2, prompt: { length: 2 }, ladder: ladderOf(tinyGpt2) })).toThrow('cannot stand in one model');
  });
});

describe('padding on the left', () => {
  it.each([{ prompt: { length: 3 } }, { adapters: { width: 3 } }, { ladder: ladderOf(tinyGpt2) }])(
    'changes nothing (%j)',
    async (added) => {
      const of = model({ ...tinyGpt2, ...added });
      const plain = await runGraph(buildLogitsGraph(of, { batch: 1, length: 3 }), of, { tokens: tokenRows([[3, 1, 4]]) });
      const padded = await runGraph(buildLogitsGraph(of, { batch: 1, length: 5 }, { leftPadded: true }), of, {
        tokens: tokenRows([[0, 0, 3, 1, 4]]),
        mask: { dtype: 'bool', shape: [1, 5], data: Uint8Array.of(0, 0, 1, 1, 1) },
        positions: tokenRows([[0, 0, 0, 1, 2]]),
      });
      for (const row of [0, 1, 2])
        expectAllClose(rowOf(padded['logits']!, row + 2), rowOf(plain['logits']!, row), { absolute: 1e-5, relative: 1e-4 });
    },
  );
});

function zero(of: Model, path: string) {
  const { shape } = of.parameters.get(path)!.tensors['value']!;
  return { path, kind: 'dense', settings: {}, tensors: { value: float32(shape, new Float32Array(sizeOf(shape))) } };
}

/** Logits of a text token by token, as of the whole text. */
async function expectSameWithCache(of: Model, front: readonly number[]): Promise<void> {
  const row = [3, 1, 4, 1, 5];
  const whole = (await runGraph(buildLogitsGraph(of, { batch: 1, length: 5 }), of, { tokens: tokenRows([row]) }))['logits']!;
  const runner = await Sequences.create(engine, of, { name: 'tiny', contextTokens: 12 });
  for (const [index, next] of [[...front, ...row.slice(0, 3)], [row[3]!], [row[4]!]].entries()) {
    const result = (await runner.run([{ id: 1, tokens: next, wantsLogits: 'last' }])).get(1);
    if (result === undefined || result instanceof AppError) throw result ?? new Error('no logits');
    expectAllClose([...result], rowOf(whole, index + 2), { absolute: 5e-5, relative: 1e-4 });
  }
  await runner.dispose();
}

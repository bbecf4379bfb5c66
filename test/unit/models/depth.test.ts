// Adaptive halting and the narrow embedding, in tiny models: invariants of the weights, gradients, and decoding with a cache.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, Random } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateOnHost } from '#engine/reference';
import { GraphBuilder, gradients, type Value } from '#graph';
import {
  architectureOf,
  buildLogitsGraph,
  causalNetwork,
  checkConfig,
  checkModel,
  depthTaps,
  type EncoderDecoderConfig,
  type Gpt2Config,
  GraphNetwork,
  initializeModel,
  isEncoderDecoder,
  type LlamaConfig,
  type Model,
  modelInputs,
  type Network,
  parameterCounts,
  parameterSpecs,
  replaceParameters,
  untieHead,
  uploadModel,
} from '#models';
import { float32, type HostTensor, hostTensor, sizeOf, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { albertConfig, bertConfig } from '#test/encoders';
import { repeatedBlock } from '#test/repeated-block';
import { Sequences } from '#test/sequences';
import { crossEntropyObjective } from '#train';
import { buildGradientGraph } from '../../../src/train/gradient-graph.ts';
import { largestDifference, randomTensor, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from './tiny-models.ts';

type Config = Gpt2Config | LlamaConfig;
const halting = { epsilon: 0.01, ponderCost: 0.01, signals: false };
const safe = { kind: 'safe', width: 4, heads: 2 } as const;
const tokens = tokenRows([
  [3, 1, 4, 1, 5],
  [9, 2, 6, 5, 3],
]);

/** One block applied up to `layers` times, whose halting probabilities spread widely. */
function universal(config: Config, layers: number, changes: Partial<typeof halting> = {}, scale = 2, bias = -1): Model {
  const model = repeatedBlock(tinyModel({ ...config, layers, halting: { ...halting, ...changes } }));
  return replaceParameters(model, [
    {
      ...model.parameters.get('halting.weight')!,
      tensors: { value: randomTensor(new Random(3), [config.width, 1], scale) },
    },
    { ...model.parameters.get('halting.bias')!, tensors: { value: float32([1], [bias]) } },
  ]);
}

/** Values of the network by tap, with all logits. */
async function tapsOf(model: Model): Promise<Record<string, Float64Array>> {
  const b = new GraphBuilder();
  const ids = b.input('tokens', 'int64', [2, 5]);
  const net = causalNetwork(b, model, ids);
  const logits = net.logits(net.hidden(ids));
  const results = await evaluateOnHost(b.graph({ ...Object.fromEntries(net.taps), logits }), {
    ...Object.fromEntries(modelInputs(model)),
    tokens,
  });
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
}

const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

/** Logits after each of the tokens, fed one by one after a prompt of so many. */
async function withCache(on: Engine, model: Model, row: readonly number[], promptTokens: number): Promise<number[][]> {
  const runner = await Sequences.create(on, model, { name: 'tiny', contextTokens: row.length + 7 });
  const logits: number[][] = [];
  for (const next of [row.slice(0, promptTokens), ...row.slice(promptTokens).map((token) => [token])]) {
    const result = (await runner.run([{ id: 1, tokens: next, wantsLogits: 'last' }])).get(1);
    if (result === undefined || result instanceof AppError) throw result ?? new Error('no logits');
    logits.push([...result]);
  }
  await runner.dispose();
  return logits;
}

async function expectCacheAgrees(model: Model, row: readonly number[] = [3, 1, 4, 1, 5], promptTokens = 2, on = engine): Promise<void> {
  const graph = buildLogitsGraph(model, { batch: 1, length: row.length });
  const { logits } = await runGraph(graph, model, { tokens: tokenRows([row]) }, engine);
  const V = model.config.vocabularySize;
  const cached = await withCache(on, model, row, promptTokens);
  for (const [index, each] of cached.entries()) {
    const last = promptTokens - 1 + index;
    const wanted = toNumbers(logits!).slice(last * V, (last + 1) * V);
    expectAllClose(each, wanted, { absolute: 1e-4, relative: 1e-4, what: `token ${last}` });
  }
}

describe.each<[string, Config]>([
  ['gpt2', tinyGpt2],
  ['llama', tinyLlama],
])('a %s that halts', (_, config) => {
  it('gives every position weights that sum to 1 and at most T steps, some early', async () => {
    for (const signals of [false, true]) {
      const taps = await tapsOf(universal(config, 5, { signals }));
      const weights = Array.from({ length: 5 }, (_, block) => taps[depthTaps.weight(block)]!);
      const steps = taps[depthTaps.steps]!;
      for (let position = 0; position < 10; position++) {
        const each = weights.map((weight) => weight[position]!);
        expect(each.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
        expect(Math.min(...each)).toBeGreaterThanOrEqual(0);
        expect(each.findLastIndex((weight) => weight !== 0) + 1).toBe(steps[position]);
        expect(taps[depthTaps.ponder]![position]).toBeCloseTo(steps[position]! + each[steps[position]! - 1]!, 12);
      }
      expect(Math.max(...steps)).toBeLessThanOrEqual(5);
      expect(new Set(steps).size).toBeGreaterThan(1);
    }
  });

  it('is a plain block with one step, and plain blocks where nobody halts', async () => {
    const one = universal(config, 1);
    const { halting: _none, ...plainConfig } = one.config;
    const plain: Model = {
      config: plainConfig as Config,
      parameters: new Map([...one.parameters].filter(([path]) => !path.startsWith('halting'))),
    };
    checkModel(plain);
    expect(largestDifference((await tapsOf(one))['logits']!, (await tapsOf(plain))['logits']!)).toBe(0);
    const never = universal(config, 3);
    const late = replaceParameters(never, [
      { ...never.parameters.get('halting.weight')!, tensors: { value: float32([config.width, 1], new Float32Array(config.width)) } },
      { ...never.parameters.get('halting.bias')!, tensors: { value: float32([1], [-40]) } },
    ]);
    const { halting: _also, ...deepConfig } = late.config;
    const deep: Model = {
      config: deepConfig as Config,
      parameters: new Map([...late.parameters].filter(([path]) => !path.startsWith('halting'))),
    };
    expect(largestDifference((await tapsOf(late))['logits']!, (await tapsOf(deep))['logits']!)).toBeLessThan(1e-9);
  });

  it('is what its definition says, one position after the other', async () => {
    const model = universal(config, 5);
    const D = config.width;
    const inputs: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), tokens };
    /** A part of the model on given rows [N, D]. */
    const run = async (state: Float64Array, part: 'block' | 'end'): Promise<Float64Array> => {
      const b = new GraphBuilder();
      const ids = b.input('tokens', 'int64', [2, 5]);
      const given = b.input('given', 'float64', [10, D]);
      let made: Value | undefined;
      const net = new GraphNetwork(b, model, {
        positions: b.range(5),
        attention: { kind: 'causal' },
        runBlocks: (_, apply) => {
          made = part === 'block' ? apply(0, b.cast(given, 'float32')) : undefined;
          return b.cast(given, 'float32');
        },
      });
      const logits = net.logits(net.hidden(ids));
      const { result } = await evaluateOnHost(b.graph({ result: made ?? logits }), {
        ...inputs,
        given: hostTensor('float64', [10, D], state),
      });
      return Float64Array.from(result!.data);
    };
    const taps = await tapsOf(model);
    const weight = Float64Array.from(toNumbers(inputs['halting.weight']!), Number);
    const state = Float64Array.from(taps[depthTaps.input]!);
    const output = new Float64Array(10 * D);
    const sums = new Float64Array(10);
    const hasHalted = new Array<boolean>(10).fill(false);
    for (let step = 1; step <= 5; step++) {
      const stepped = await run(state, 'block');
      for (let position = 0; position < 10; position++) {
        if (hasHalted[position]) continue;
        const row = stepped.subarray(position * D, (position + 1) * D);
        state.set(row, position * D);
        const p = 1 / (1 + Math.exp(1 - row.reduce((sum, value, index) => sum + value * weight[index]!, 0)));
        hasHalted[position] = step === 5 || sums[position]! + p >= 0.99;
        const share = hasHalted[position] ? 1 - sums[position]! : p;
        sums[position]! += p;
        for (let k = 0; k < D; k++) output[position * D + k]! += share * row[k]!;
      }
    }
    expect(largestDifference(taps['logits']!, await run(output, 'end'))).toBeLessThan(1e-6);
  });

  it('has the gradients of central differences, ponder cost included', async () => {
    const model = universal(config, 4, { ponderCost: 0.3 }, 0.7);
    const { graph, metricNames } = buildGradientGraph(model, crossEntropyObjective(), {
      batch: 2,
      length: 5,
      trained: ['halting.weight', 'h.0.attn.out.weight', 'halting.bias'],
      accumulates: false,
    });
    expect(metricNames).toEqual(['loss', 'ponder']);
    const labels = tokenRows([
      [1, 4, 1, 5, 9],
      [2, 6, 5, 3, 5],
    ]);
    const inputs: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), tokens, labels };
    const results = await evaluateOnHost(graph, inputs);
    for (const name of ['halting.weight', 'halting.bias', 'h.0.attn.out.weight']) {
      const gradient = Float64Array.from(results[`gradient:${name}`]!.data, Number);
      const { shape, data } = inputs[name]!;
      for (const element of [0, sizeOf(shape) - 1]) {
        const lossAt = async (shift: number): Promise<number> => {
          const moved = Float32Array.from(data, Number);
          moved[element]! += shift;
          const { loss } = await evaluateOnHost(graph, { ...inputs, [name]: hostTensor('float32', shape, moved) });
          return Number(loss!.data[0]);
        };
        const step = 2 ** -10;
        expect(gradient[element]!).toBeCloseTo(((await lossAt(step)) - (await lossAt(-step))) / (2 * step), 3);
      }
    }
    expect(Number(results['ponder']!.data[0])).toBeGreaterThan(1);
  });

  it('decodes with a cache what it computes without', async () => {
    for (const signals of [false, true]) await expectCacheAgrees(universal(config, 4, { signals }));
  });

  it('leaves out the positions of a long prompt that have halted, and they still serve the others', async () => {
    for (const signals of [false, true]) {
      const model = universal({ ...config, maxPositions: 100 }, 8, { signals }, 0.5, 1.5);
      const row = Array.from({ length: 83 }, (_, index) => (index * index * 7 + index) % 19);
      const runs: string[] = [];
      await expectCacheAgrees(model, row, 80, watched(runs));
      expect(runs.slice(0, runs.indexOf('end'))).toContain('partialStep');
    }
  });
});

/** The engine, with the names of the programs that run. */
function watched(runs: string[]): Engine {
  return new Proxy(engine, {
    get: (target, key: keyof Engine) => {
      if (key !== 'compile') return typeof target[key] === 'function' ? (target[key] as () => void).bind(target) : target[key];
      return async (...args: Parameters<Engine['compile']>): Promise<Program> => {
        const program = await target.compile(...args);
        return new Proxy(program, {
          get: (inner, name: keyof Program) => {
            if (name === 'run') runs.push(inner.name.split(' ').at(-1)!);
            return typeof inner[name] === 'function' ? (inner[name] as () => void).bind(inner) : inner[name];
          },
        });
      };
    },
  });
}

describe('serving a model that halts', () => {
  const halts = (bias: number): Model => {
    const model = universal(tinyGpt2, 6);
    return replaceParameters(model, [
      { ...model.parameters.get('halting.weight')!, tensors: { value: float32([6, 1], new Float32Array(6)) } },
      { ...model.parameters.get('halting.bias')!, tensors: { value: float32([1], [bias]) } },
    ]);
  };

  it.each([
    [20, 1],
    [1, 2],
    [-1, 4],
    [-9, 6],
  ])('runs no block once everybody has halted: a bias of %i needs %i of 6', async (bias, blocks) => {
    const runs: string[] = [];
    const runner = await Sequences.create(watched(runs), halts(bias), { name: 'tiny', contextTokens: 12 });
    await runner.run([{ id: 1, tokens: [3, 1, 4], wantsLogits: 'last' }]);
    await runner.run([{ id: 1, tokens: [1], wantsLogits: 'last' }]);
    await runner.dispose();
    const one = ['begin', ...Array.from({ length: blocks }, () => 'step'), ...(blocks < 6 ? ['fill'] : []), 'end'];
    expect(runs).toEqual([...one, ...one]);
    await expectCacheAgrees(halts(bias));
  });

  it('hands over no weight that a part does not read, whatever its size', async () => {
    await expectCacheAgrees(universal({ ...tinyGpt2, width: 264, heads: 2 }, 2, {}, 0.1));
  });

  it('gives sequences in one batch what each gets alone, from packed weights and from buffers', async () => {
    const model = universal(tinyGpt2, 5);
    const prompts = [
      [3, 1, 4],
      [9, 2, 6, 5],
    ];
    const decode = async (rows: readonly (readonly number[])[], weights?: Record<string, DeviceBuffer>): Promise<number[][]> => {
      const runner = await Sequences.create(engine, model, {
        name: 'tiny',
        contextTokens: 12,
        ...(weights === undefined ? {} : { weights }),
      });
      for (const [id, prompt] of rows.entries()) await runner.run([{ id, tokens: prompt, wantsLogits: 'none' }]);
      const results = await runner.run(rows.map((_, id) => ({ id, tokens: [7], wantsLogits: 'last' })));
      await runner.dispose();
      return rows.map((_, id) => [...(results.get(id) as Float32Array)]);
    };
    const together = await decode(prompts);
    const apart = [...(await decode([prompts[0]!])), ...(await decode([prompts[1]!]))];
    const weights = uploadModel(engine, model);
    const shared = await decode(prompts, weights);
    for (const buffer of Object.values(weights)) buffer.release();
    for (const [id, logits] of together.entries()) {
      expectAllClose(logits, apart[id]!, { absolute: 1e-4, relative: 1e-4, what: `sequence ${id}` });
      expectAllClose(logits, shared[id]!, { absolute: 1e-4, relative: 1e-4, what: `sequence ${id} from buffers` });
    }
  });
});

describe.each<[string, Config]>([
  ['gpt2', { ...tinyGpt2, embedding: safe }],
  ['llama with a tied head', { ...tinyLlama, tiedHead: true, embedding: safe }],
  ['llama', { ...tinyLlama, embedding: safe }],
])('a narrow embedding of %s', (_, config) => {
  const model = tinyModel(config);

  it('stores a table of its width, decodes with a cache of its own shape, and trains', async () => {
    checkModel(model);
    expect(model.parameters.get('embed.token.weight')!.tensors['value']!.shape).toEqual([config.vocabularySize, 4]);
    await expectCacheAgrees(model);
    const b = new GraphBuilder();
    const ids = b.input('tokens', 'int64', [2, 5]);
    const net = causalNetwork(b, model, ids);
    const loss = b.reduceSum(b.sin(net.logits(net.hidden(ids))), [0, 1]);
    const made = gradients(b, loss, [...net.parameterInputs.values()]);
    const graph = b.graph(Object.fromEntries(made.map((value, index): [string, Value] => [`g${index}`, value])));
    const results = await evaluateOnHost(graph, { ...Object.fromEntries(modelInputs(model)), tokens });
    for (const { data } of Object.values(results))
      expect(Float64Array.from(data, Number).some((value) => Math.abs(value) > 1e-8)).toBe(true);
    expect(made).toHaveLength(parameterSpecs(model).size);
  });

  it('counts less than a table, and gives up a tied head for two factors', async () => {
    const wide = { ...config, vocabularySize: 5000 };
    const { embedding: _, ...plain } = wide;
    const random = (which: Config): number => parameterCounts(tinyModel(which)).stored;
    expect(random(wide)).toBeLessThan(random(plain as Config));
    const free = untieHead(model);
    checkModel(free);
    const sizes = { batch: 2, length: 5 };
    const [a, b] = [
      await runGraph(buildLogitsGraph(model, sizes), model, { tokens }),
      await runGraph(buildLogitsGraph(free, sizes), free, { tokens }),
    ];
    expect(largestDifference(toNumbers(a['logits']!), toNumbers(b['logits']!))).toBeLessThan(1e-5);
  });
});

describe('the blocks of a stack', () => {
  const bart: EncoderDecoderConfig = {
    architecture: 'encoderDecoder',
    vocabularySize: 23,
    width: 8,
    layers: 2,
    heads: 2,
    feedForwardWidth: 12,
    maxPositions: 12,
    normEpsilon: 1e-5,
    endTokens: [2],
    encoder: { layers: 3, heads: 2, headWidth: 4, feedForwardWidth: 10 },
    headWidth: 4,
    norm: 'layer',
    normPlacement: 'after',
    biases: true,
    gated: false,
    activation: 'gelu',
    embeddingNorm: true,
    finalNorm: false,
    positions: { kind: 'learned', offset: 2 },
    scaledEmbedding: false,
    scaledScores: true,
    scaledHead: false,
    headBias: true,
    headTransform: false,
    tiedHead: true,
    startToken: 2,
    padToken: 1,
  };
  const rowsOf = async (b: GraphBuilder, model: Model, result: Value): Promise<Float64Array> => {
    const results = await evaluateOnHost(b.graph({ result }), { ...Object.fromEntries(modelInputs(model)), tokens });
    return Float64Array.from(results['result']!.data, Number);
  };
  const encoder = initializeModel(bertConfig({ kind: 'embed', pooling: 'mean', normalize: false }), new Random(2), 0.3);
  const shared = initializeModel(albertConfig({ kind: 'embed', pooling: 'mean', normalize: false }), new Random(2), 0.3);
  const cases: readonly [string, Model, readonly string[]][] = [
    ['GPT-2', tinyModel(tinyGpt2), ['h.']],
    ['Llama', tinyModel(tinyLlama), ['h.']],
    ['BERT', encoder, ['h.']],
    ['ALBERT', shared, ['h.']],
    ['BART', initializeModel(bart, new Random(2), 0.3), ['encoder.h.', 'decoder.h.']],
  ];

  it.each(cases)('run as the maker of the network says: %s', async (_, model, stacks) => {
    const hidden = async (order: ((size: number) => readonly number[]) | undefined): Promise<[Float64Array, string[]]> => {
      const b = new GraphBuilder();
      const seen: string[] = [];
      const ids = b.input('tokens', 'int64', [2, 5]);
      const mask = b.cast(b.constant(float32([2, 5], new Float32Array(10).fill(1))), 'bool');
      const sizes = new Map(
        architectureOf(model.config)
          .blockStacks(model.config)
          .map(({ prefix, size }) => [prefix, size]),
      );
      const runBlocks: Network['runBlocks'] = (x, block, stack) => {
        seen.push(stack);
        return (order?.(sizes.get(stack) ?? model.config.layers) ?? []).reduce((state, index) => block(index, state), x);
      };
      const net = new GraphNetwork(b, model, {
        positions: b.range(5),
        attention: { kind: 'causal', keyMask: mask },
        ...(order && { runBlocks }),
      });
      if (!isEncoderDecoder(model.config)) return [await rowsOf(b, model, net.hidden(ids)), seen];
      const rows = net.encode(ids);
      const decoder = net.beside({
        positions: b.range(5),
        attention: { kind: 'causal' },
        source: { kind: 'encoded', rows, keyMask: mask },
        ...(order && { runBlocks }),
      });
      return [await rowsOf(b, model, decoder.hidden(ids)), seen];
    };
    const forwards = (size: number): number[] => Array.from({ length: size }, (__, index) => index);
    const [[usual], [same, seen], [twice], [none]] = [
      await hidden(undefined),
      await hidden(forwards),
      await hidden((size) => [...forwards(size), 0]),
      await hidden(() => []),
    ];
    expect(seen).toEqual(stacks);
    expect(same).toEqual(usual);
    expect(largestDifference(twice, usual)).toBeGreaterThan(1e-3);
    expect(largestDifference(none, usual)).toBeGreaterThan(1e-3);
  });
});

it('names the field of a configuration that cannot be', () => {
  const faults: [Partial<Config>, RegExp][] = [
    [{ embedding: { ...safe, width: 5 } }, /bad_config.*embedding\.width 5 is not a multiple of embedding\.heads 2/],
    [{ embedding: { ...safe, width: 0 } }, /bad_config.*embedding\.width/],
    [{ halting: { ...halting, epsilon: 1 } }, /bad_config.*halting\.epsilon/],
    [{ halting: { ...halting, ponderCost: -1 } }, /bad_config.*halting\.ponderCost/],
  ];
  for (const [changes, message] of faults) expect(() => checkConfig({ ...tinyGpt2, ...changes } as Config)).toThrow(message);
});

// Served answers against whole sequences without a cache: the same greedy tokens, however a model is stored and whatever the cache does.
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { buildLogitsGraph, type Gpt2Config, initializeModel, type LlamaConfig, type Model, replaceParameters, weightsOf } from '#models';
import { LoadedModel } from '#serve';
import { float32, toNumbers } from '#tensor';
import { repeatedBlock } from '#test/repeated-block';
import { randomTensor, tinyGpt2, tinyLlama, tinyModel, tokenRows } from '../models/tiny-models.ts';
import { byteTokenizer } from './fakes.ts';

const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ bufferBytes: 0, programs: 0 });
  await engine.dispose();
});

const sizes = { vocabularySize: 23, maxPositions: 64, width: 32, heads: 4, endTokens: [22] };
const gpt2: Gpt2Config = { ...tinyGpt2, ...sizes, feedForwardWidth: 64, tiedHead: false };
const llama: LlamaConfig = { ...tinyLlama, ...sizes, headWidth: 8, feedForwardWidth: 48 };

const steps: Readonly<Record<string, readonly object[]>> = {
  'low rank': [{ lowRank: { rank: 12, include: ['*'] } }],
  Kronecker: [{ kronecker: { ratio: 0.5 } }],
  '2:4 pruned': [{ prune: { pattern: '2:4' } }],
  'pruned heads and neurons': [
    { prune: { structure: 'heads', ratio: 0.5, include: ['h.1.*'] } },
    { prune: { structure: 'ffn', ratio: 0.5 } },
  ],
  'shared layers': [{ share: { scheme: 'sequence', uniqueLayers: 1 } }],
  '8 bits': [{ quantize: { bits: 8, include: ['*'], groupSize: 16 } }],
  '4 bits': [{ quantize: { bits: 4, include: ['*'], groupSize: 16 } }],
  'fixed 8-bit integers': [{ quantize: { method: 'static', include: ['*'] } }],
  'ternary weights': [{ quantize: { scheme: 'ternary', include: ['*'], groupSize: 16 } }],
  'low rank in 4 bits': [{ lowRank: { rank: 16, include: ['*'] } }, { quantize: { bits: 4, include: ['*'], groupSize: 16 } }],
};

/** Without biases, which would choose the same token everywhere. */
function dense(config: Gpt2Config | LlamaConfig): Model {
  return initializeModel(config, new Random(1), 0.5);
}

/** One block applied up to so many times, whose halting probabilities spread widely. */
function halting(layers: number, changes: Partial<LlamaConfig> = {}, signals = true): Model {
  const model = repeatedBlock(tinyModel({ ...llama, ...changes, layers, halting: { epsilon: 0.01, ponderCost: 0.01, signals } }));
  return replaceParameters(model, [
    { ...model.parameters.get('halting.weight')!, tensors: { value: randomTensor(new Random(3), [llama.width, 1], 2) } },
    { ...model.parameters.get('halting.bias')!, tensors: { value: float32([1], [-1]) } },
  ]);
}

async function compressed(model: Model, list: readonly object[]): Promise<Model> {
  const calibration = new WindowCalibration(engine, async function* () {
    yield tokenRows(Array.from({ length: 4 }, (_, row) => Array.from({ length: 8 }, (_, index) => (7 * row + 3 * index) % 22)));
  });
  return (await compressModel(model, parseRecipe({ steps: list }, methods), { engine, calibration }, quietContext)).model;
}

const cases: (readonly [string, () => Promise<Model>])[] = [
  ['gpt2, dense', async () => dense(gpt2)],
  ['llama, dense', async () => dense(llama)],
  ['llama, a window of 8 positions', async () => dense({ ...llama, slidingWindow: { size: 8, layers: [true, false] } })],
  ['llama, halting', async () => halting(3)],
  ['llama, halting, further applications written in groups', async () => halting(14)],
  ['llama, halting, steps without signals', async () => halting(8, {}, false)],
  [
    'llama, halting, windows in one of two layers',
    async () => halting(4, { slidingWindow: { size: 4, layers: [true, false, true, false] } }, false),
  ],
  ...Object.entries(steps).flatMap(([name, list]) => [
    [`gpt2, ${name}`, () => compressed(dense(gpt2), list)] as const,
    [`llama, ${name}`, () => compressed(dense(llama), list)] as const,
  ]),
];

/** Beginnings that several share, in lengths on both sides of a block; and one that shares nothing. */
const common = Array.from({ length: 20 }, (_, index) => (5 * index + 3) % 22);
const prompts = [
  [...common, 1, 2],
  [...common, 7],
  [...common.slice(0, 17), 4, 4, 4, 4, 4],
  [9, 8, 7],
  [...common, 1, 2],
  common.slice(0, 16),
];
const answerTokens = 14;

async function served(model: Model, blocks: number): Promise<{ tokens: number[][]; cached: number }> {
  const tokenizer = { ...byteTokenizer, vocabularySize: 23, decode: () => '' };
  const layerBytes = 2 * 4 * 16 * 32 * model.config.layers;
  const loaded = await LoadedModel.load(engine, model, { tokenizer, slots: 3, prefillTokens: 7, cacheBytes: blocks * layerBytes });
  let cached = 0;
  const answer = async (prompt: readonly number[]): Promise<number[]> => {
    const tokens: number[] = [];
    for await (const event of loaded.generate({ prompt, maxNewTokens: answerTokens, ignoreEnd: true }))
      if (event.kind === 'token') tokens.push(event.token.id);
      else if (event.kind === 'finished') cached += event.usage.cachedPromptTokens;
    return tokens;
  };
  const tokens = await Promise.all(prompts.map(answer));
  await loaded.unload();
  return { tokens, cached };
}

/** Greedy tokens by whole sequences, with the weights frozen as they are when serving. */
async function whole(model: Model): Promise<number[][]> {
  const graph = buildLogitsGraph(model, { batch: 1, length: 'T' });
  const program = await engine.compile(graph, {
    frozen: weightsOf(model, graph),
  });
  const answers: number[][] = [];
  for (const prompt of prompts) {
    const tokens = [...prompt];
    while (tokens.length < prompt.length + answerTokens) {
      const results = await program.run({ tokens: tokenRows([tokens]) });
      const last = Array.from(toNumbers(results['logits']!.read()).slice(-model.config.vocabularySize), Number);
      for (const buffer of Object.values(results)) buffer.release();
      tokens.push(last.indexOf(Math.max(...last)));
    }
    answers.push(tokens.slice(prompt.length));
  }
  await program.release();
  return answers;
}

describe.each(cases)('%s', (_, make) => {
  it('answers the same tokens as whole sequences: in batches, in pieces, from copied beginnings, and after losing its place', async () => {
    const model = await make();
    const wanted = await whole(model);
    const roomy = await served(model, 100);
    expect(roomy.tokens).toEqual(wanted);
    expect(roomy.cached).toBeGreaterThan(3 * 16);
    // Room for two sequences while they are short: the third waits, and the second loses its place as they grow.
    expect((await served(model, 5)).tokens).toEqual(wanted);
    // The tokens are not all one, which would agree with anything.
    expect(new Set(wanted.flat()).size).toBeGreaterThan(2);
  });
});

// A cache of 8-bit codes against one of floats: nearly the same answers, in a quarter of the memory, whatever the cache does.
import { afterAll, describe, expect, it } from 'vitest';
import { at, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { type CacheFormat, initializeModel, type Model } from '#models';
import { LoadedModel, type LoadOptions } from '#serve';
import { Sequences } from '#test/sequences';
import { tinyGpt2, tinyLlama } from '../models/tiny-models.ts';
import { byteTokenizer } from './fakes.ts';

const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ bufferBytes: 0, programs: 0 });
  await engine.dispose();
});

const sizes = { vocabularySize: 258, maxPositions: 96, width: 64, heads: 4, endTokens: [257] };
const gpt2: Model = initializeModel({ ...tinyGpt2, ...sizes, feedForwardWidth: 64, tiedHead: false }, new Random(1), 0.1);
const llama: Model = initializeModel({ ...tinyLlama, ...sizes, headWidth: 16, feedForwardWidth: 48 }, new Random(1), 0.1);
/** Heads that are half as wide as codes want them. */
const narrow: Model = initializeModel({ ...tinyLlama, ...sizes, headWidth: 8, feedForwardWidth: 48 }, new Random(1), 0.1);

const text = (length: number, seed: number): number[] => {
  const random = new Random(seed);
  return Array.from({ length }, () => random.integer(200));
};

/** Logits after every run: a long prompt, pieces of one, and steps of rows of different lengths. */
async function answers(model: Model, cache: CacheFormat): Promise<Float32Array[]> {
  const sequences = await Sequences.create(engine, model, { name: cache, contextTokens: 64, cache });
  const all: Float32Array[] = [];
  const run = async (...shares: readonly (readonly [id: number, tokens: readonly number[]])[]): Promise<void> => {
    const results = await sequences.run(shares.map(([id, tokens]) => ({ id, tokens, wantsLogits: 'last' })));
    for (const [id] of shares) {
      const logits = results.get(id);
      if (!(logits instanceof Float32Array)) throw logits ?? new Error('no logits');
      all.push(logits.slice());
    }
  };
  await run([1, text(30, 1)]);
  await run([2, text(5, 2)]);
  await run([2, text(20, 3)]);
  for (let step = 0; step < 4; step++) await run([1, text(1, 10 + step)], [2, text(1, 20 + step)]);
  await run([1, text(3, 4)]);
  await sequences.dispose();
  return all;
}

function distance(left: Float32Array, right: Float32Array): number {
  const difference = left.reduce((sum, value, index) => sum + (value - at([...right], index)) ** 2, 0);
  return Math.sqrt(difference / right.reduce((sum, value) => sum + value ** 2, 0));
}

async function generated(model: Model, options: Partial<LoadOptions>, prompts: readonly (readonly number[])[], draft?: Model) {
  const common = { tokenizer: byteTokenizer, contextTokens: 64, slots: 4, ...options };
  const loaded = await LoadedModel.load(engine, model, common);
  const drafter = draft === undefined ? undefined : await LoadedModel.load(engine, draft, common);
  const tokens: number[][] = [];
  let numCached = 0;
  for (const prompt of prompts) {
    const made: number[] = [];
    const request = { prompt, maxNewTokens: 8, ignoreEnd: true, sampling: { temperature: 0 } };
    for await (const event of loaded.generate(request, undefined, drafter)) {
      if (event.kind === 'token') made.push(event.token.id);
      else if (event.kind === 'finished') numCached += event.usage.cachedPromptTokens;
    }
    tokens.push(made);
  }
  const { blocks, cacheBytes } = loaded.memory();
  await loaded.unload();
  await drafter?.unload();
  return { tokens, blocks, cacheBytes, numCached };
}

describe('a cache of 8-bit codes', () => {
  it.each([
    ['GPT-2', gpt2],
    ['Llama', llama],
    ['narrow heads', narrow],
  ])('moves the logits of %s by less than three per cent', async (_name, model) => {
    const [exact, coded] = [await answers(model, 'float32'), await answers(model, 'int8')];
    expect(coded).toHaveLength(exact.length);
    for (const [index, logits] of coded.entries()) expect(distance(logits, at(exact, index)), `run ${index}`).toBeLessThan(0.03);
  });

  it('takes a quarter of the memory, so four times as many blocks fit', async () => {
    const prompts = [text(20, 1)];
    const cacheBytes = 40_000;
    const [exact, coded] = [
      await generated(llama, { cacheBytes, cache: 'float32' }, prompts),
      await generated(llama, { cacheBytes, cache: 'int8' }, prompts),
    ];
    expect(coded.cacheBytes * 4).toBe(exact.cacheBytes);
    expect(coded.blocks.total).toBeGreaterThanOrEqual(Math.min(16, 4 * exact.blocks.total));
  });

  it('goes on from the beginning that an earlier prompt left', async () => {
    const first = text(40, 1);
    const prompts = [first, [...first.slice(0, 35), ...text(4, 2)], first];
    const reused = await generated(llama, { cache: 'int8' }, prompts);
    expect(reused.numCached).toBeGreaterThan(60);
    const fresh = await generated(llama, { cache: 'int8' }, prompts.slice(1, 2));
    // Later ones may differ: what lies in the cache was rounded, and a whole prompt reads itself before it is.
    expect(reused.tokens[1]?.[0]).toBe(fresh.tokens[0]?.[0]);
  });

  it('checks what a draft proposes', async () => {
    const prompts = [text(20, 1), text(30, 2)];
    const draft = initializeModel({ ...gpt2.config, layers: 1 } as typeof gpt2.config, new Random(1), 0.1);
    const alone = await generated(gpt2, { cache: 'int8' }, prompts);
    const drafted = await generated(gpt2, { cache: 'int8' }, prompts, draft);
    expect(drafted.tokens).toEqual(alone.tokens);
  });
});

// Decoding of quantized models: with a cache and without one, by the runtime's own kernels and by plain operators.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { buildLogitsGraph, type Model, modelInputs, weightsOf } from '#models';
import { toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { Sequences } from '#test/sequences';
import { tinyGpt2, tinyLlama, tinyModel, tokenRows } from '../models/tiny-models.ts';

const engine = await createOnnxEngine({ device: 'cpu' });
const reference = createReferenceEngine();
afterAll(async () => {
  await engine.dispose();
  await reference.dispose();
});

const all = { include: ['*'], groupSize: 16 };
const wideGpt2 = { ...tinyGpt2, width: 32, heads: 4, feedForwardWidth: 64 };
const wideLlama = { ...tinyLlama, width: 32, headWidth: 8, feedForwardWidth: 48 };
const recipes = [8, 4, 3, 2].map((bits) => [`${bits} bits`, [{ quantize: { bits, ...all } }]] as const);
/** Rounded to fixed ranges, so that a token's logits do not depend on what else is in the batch. */
const integers = [['fixed 8-bit integers', [{ quantize: { method: 'static', include: ['*'] } }]]] as const;
const fewest = (['ternary', 'binary'] as const).map((scheme) => [`${scheme} weights`, [{ quantize: { scheme, ...all } }]] as const);
const lowRank = [['low rank in 4 bits', [{ lowRank: { rank: 12, include: ['*'] } }, { quantize: { bits: 4, ...all } }]]] as const;

async function quantized(model: Model, steps: readonly object[]): Promise<Model> {
  const calibration = new WindowCalibration(reference, async function* () {
    yield tokenRows([
      [3, 1, 4, 1, 5, 9, 2, 6],
      [5, 3, 5, 8, 9, 7, 9, 3],
      [2, 3, 8, 4, 6, 2, 6, 4],
    ]);
  });
  return (await compressModel(model, parseRecipe({ steps }, methods), { engine: reference, calibration }, quietContext)).model;
}

function largest(logits: Float32Array): number {
  return logits.reduce((best, value, index) => (value > logits[best]! ? index : best), 0);
}

/** Eight greedy tokens after the prompt, each with the logits that it was chosen by. */
async function withCache(model: Model, prompt: readonly number[]): Promise<{ tokens: number[]; logits: Float32Array[] }> {
  const runner = await Sequences.create(engine, model, { name: 'tiny', contextTokens: 12 });
  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  let next = prompt;
  while (tokens.length < 8) {
    const result = (await runner.run([{ id: 1, tokens: next, wantsLogits: 'last' }])).get(1);
    if (result === undefined || result instanceof AppError) throw result ?? new Error('no logits');
    logits.push(result);
    tokens.push(largest(result));
    next = tokens.slice(-1);
  }
  await runner.dispose();
  return { tokens, logits };
}

/** The same by whole sequences, with the weights frozen as they are when serving. */
async function withoutCache(model: Model, prompt: readonly number[]): Promise<{ tokens: number[]; logits: Float32Array[] }> {
  const graph = buildLogitsGraph(model, { batch: 1, length: 'T' });
  const wanted = new Set(graph.inputs.map(({ name }) => name));
  const program = await engine.compile(graph, { frozen: new Map([...modelInputs(model)].filter(([name]) => wanted.has(name))) });
  const tokens: number[] = [];
  const logits: Float32Array[] = [];
  while (tokens.length < 8) {
    const results = await program.run({ tokens: tokenRows([[...prompt, ...tokens]]) });
    const every = toNumbers(results['logits']!.read()) as Float32Array;
    for (const buffer of Object.values(results)) buffer.release();
    const last = every.slice(-model.config.vocabularySize);
    logits.push(last);
    tokens.push(largest(last));
  }
  await program.release();
  return { tokens, logits };
}

describe.each([...recipes, ...integers, ...fewest, ...lowRank])('a model in %s', (_, steps) => {
  it.each([
    ['gpt2', wideGpt2],
    ['llama', wideLlama],
  ])('decodes the same tokens with a cache as without: %s', async (_, config) => {
    const model = await quantized(tinyModel(config), steps);
    const [cached, whole] = [await withCache(model, [3, 1, 4]), await withoutCache(model, [3, 1, 4])];
    expect(cached.tokens).toEqual(whole.tokens);
    for (const [index, logits] of cached.logits.entries())
      expectAllClose(logits, whole.logits[index]!, { absolute: 1e-3, relative: 1e-3, what: `token ${index}` });
  });

  it('is near the plain evaluation when served, whose kernels round activations', async () => {
    const model = await quantized(tinyModel(wideGpt2), steps);
    const { logits } = await withCache(model, [3, 1, 4]);
    const graph = buildLogitsGraph(model, { batch: 1, length: 3 });
    const frozen = weightsOf(model, graph);
    const plain = await (await reference.compile(graph, { frozen })).run({ tokens: tokenRows([[3, 1, 4]]) });
    const wanted = toNumbers(plain['logits']!.read()).slice(-model.config.vocabularySize);
    const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
    expect(norm(logits[0]!.map((value, index) => value - wanted[index]!)) / norm(wanted)).toBeLessThan(0.05);
  });
});

describe('a model in 8-bit integers whose ranges are those of each batch', () => {
  it.each([
    ['gpt2', wideGpt2],
    ['llama', wideLlama],
  ])('answers nearly as the model that it was made of: %s', async (_, config) => {
    const before = tinyModel(config);
    const after = await quantized(before, [{ quantize: { method: 'dynamic', include: ['*'] } }]);
    const [made, wanted] = [(await withCache(after, [3, 1, 4])).logits[0]!, (await withCache(before, [3, 1, 4])).logits[0]!];
    const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    expect(norm(made.map((value, index) => value - wanted[index]!)) / norm(wanted)).toBeLessThan(0.05);
  });
});

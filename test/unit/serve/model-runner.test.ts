// Cached decoding against uncached logits, and batches of unequal lengths.
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { buildLogitsGraph, type Model, parameterSpecs, replaceParameters, uploadModel } from '#models';
import { blockTokens, type Deliver, ModelRunner } from '#serve';
import { toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { Sequences } from '#test/sequences';
import { randomTensor, rowOf, runGraph, tinyGpt2, tinyLlama, tinyModel, tokenRows } from '../models/tiny-models.ts';

/** Every matrix inside the blocks, and the embedding, as two factors. */
function asLowRank(model: Model): Model {
  const random = new Random(5);
  const matrices = [...parameterSpecs(model).values()].filter(({ role }) => role !== 'vector');
  return replaceParameters(
    model,
    matrices.map(({ path, shape: [rows = 0, columns = 0] }) => ({
      path,
      kind: 'lowRank',
      settings: { rank: 3 },
      tensors: { left: randomTensor(random, [rows, 3], 0.6), right: randomTensor(random, [3, columns], 0.6) },
    })),
  );
}

const models: readonly (readonly [string, Model])[] = [
  ['gpt2', tinyModel(tinyGpt2)],
  ['llama', tinyModel(tinyLlama)],
  ['low-rank gpt2', asLowRank(tinyModel(tinyGpt2))],
  ['low-rank llama', asLowRank(tinyModel(tinyLlama))],
];

/** Logits after every token, without a cache, on the reference engine: [T][V]. */
async function uncached(model: Model, tokens: readonly number[]): Promise<number[][]> {
  const graph = buildLogitsGraph(model, { batch: 1, length: tokens.length });
  const { logits } = await runGraph(graph, model, { tokens: tokenRows([tokens]) });
  return tokens.map((_, position) => rowOf(logits!, position));
}

/** The logits of one sequence; its error is thrown. */
function logitsOf(results: ReadonlyMap<number, Float32Array | AppError>, id: number): Float32Array {
  const result = results.get(id);
  if (result === undefined || result instanceof AppError) throw result ?? new Error(`no logits of ${id}`);
  return result;
}

/** Keeps logits and errors. */
const keptIn =
  (results: Map<number, Float32Array | AppError>): Deliver =>
  (id, result) => {
    if (result instanceof Float32Array || result instanceof AppError) results.set(id, result);
  };

const tolerance = { absolute: 1e-4, relative: 1e-4 };
const sequences = new Map([
  [1, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]],
  [2, [7, 7, 2]],
  [3, [11, 0, 16, 2, 2, 14, 4, 9]],
  [4, [6, 5, 4, 3, 2, 1, 0]],
]);

describe.each([
  ['reference', async () => createReferenceEngine()],
  ['onnx', () => createOnnxEngine({ device: 'cpu' })],
] as const)('ModelRunner on %s', (_, createEngine) => {
  const engines: Engine[] = [];
  async function setUp(model: Model): Promise<{ engine: Engine; runner: Sequences }> {
    const engine = await createEngine();
    engines.push(engine);
    return { engine, runner: await Sequences.create(engine, model, { name: 'tiny', contextTokens: 12 }) };
  }
  afterAll(async () => {
    for (const engine of engines) await engine.dispose();
  });

  async function step(runner: Sequences, id: number, tokens: readonly number[]): Promise<Float32Array> {
    return logitsOf(await runner.run([{ id, tokens, wantsLogits: 'last' }]), id);
  }

  it.each(models)('has the logits of a run without a cache, token by token: %s', async (_, model) => {
    const { runner } = await setUp(model);
    const tokens = sequences.get(1)!;
    const wanted = await uncached(model, tokens);
    expectAllClose(await step(runner, 1, tokens.slice(0, 4)), wanted[3]!, tolerance);
    for (let position = 4; position < tokens.length; position++)
      expectAllClose(await step(runner, 1, [tokens[position]!]), wanted[position]!, { ...tolerance, what: `position ${position}` });
    await runner.dispose();
  });

  it.each(models.slice(0, 2))('runs a prompt in pieces as in one: %s', async (_, model) => {
    const { runner } = await setUp(model);
    const tokens = sequences.get(1)!;
    const wanted = await uncached(model, tokens);
    expect(await runner.run([{ id: 1, tokens: tokens.slice(0, 3), wantsLogits: 'none' }])).toEqual(new Map());
    expectAllClose(await step(runner, 1, tokens.slice(3, 8)), wanted[7]!, tolerance);
    expectAllClose(await step(runner, 1, tokens.slice(8, 10)), wanted[9]!, tolerance);
    expectAllClose(await step(runner, 1, tokens.slice(10, 11)), wanted[10]!, tolerance);
    await runner.dispose();
  });

  it.each(models)('answers the logits after every token of a share: %s', async (_, model) => {
    const { runner } = await setUp(model);
    const tokens = sequences.get(1)!;
    const wanted = await uncached(model, tokens);
    await step(runner, 1, tokens.slice(0, 2));
    const all = logitsOf(await runner.run([{ id: 1, tokens: tokens.slice(2, 7), wantsLogits: 'all' }]), 1);
    expectAllClose(all, wanted.slice(2, 7).flat(), tolerance);
    expectAllClose(await step(runner, 1, [tokens[7]!]), wanted[7]!, tolerance);
    await runner.dispose();
  });

  it.each(models.slice(0, 2))('forgets what stands behind the place where a sequence goes on: %s', async (_, model) => {
    const { runner } = await setUp(model);
    const tokens = sequences.get(1)!;
    const wanted = await uncached(model, tokens);
    const at = async (start: number, run: readonly number[]): Promise<Float32Array> =>
      logitsOf(await runner.run([{ id: 1, tokens: run, start, wantsLogits: 'last' }]), 1);
    await at(0, tokens.slice(0, 4));
    await at(4, [9, 9, 9, 9, 9]); // of these none stays
    expectAllClose(await at(4, tokens.slice(4, 6)), wanted[5]!, tolerance);
    await at(6, [8]);
    expectAllClose(await at(6, [tokens[6]!]), wanted[6]!, { ...tolerance, what: 'one token' });
    await runner.dispose();
  });

  it.each(models)('decodes sequences of different lengths together as one by one, also when some come and go: %s', async (_, model) => {
    const { engine, runner } = await setUp(model);
    const wanted = new Map<number, number[][]>();
    for (const [id, tokens] of sequences) wanted.set(id, await uncached(model, tokens));
    const done = new Map<number, number>();
    const prompt = async (id: number, length: number): Promise<void> => {
      expectAllClose(await step(runner, id, sequences.get(id)!.slice(0, length)), wanted.get(id)![length - 1]!, tolerance);
      done.set(id, length);
    };
    const decode = async (ids: readonly number[]): Promise<void> => {
      const results = await runner.run(ids.map((id) => ({ id, tokens: [sequences.get(id)![done.get(id) ?? 0]!], wantsLogits: 'last' })));
      for (const id of ids) {
        const position = done.get(id) ?? 0;
        expectAllClose(logitsOf(results, id), wanted.get(id)![position]!, { ...tolerance, what: `sequence ${id} at ${position}` });
        done.set(id, position + 1);
      }
    };
    await prompt(1, 5);
    await decode([1]);
    await prompt(3, 2);
    await decode([1, 3]);
    await decode([2, 3, 1]); // 2 begins with one token
    await decode([2, 1]); // 3 sits out and loses nothing
    await prompt(4, 3);
    await decode([4, 3, 2, 1]);
    runner.release(2);
    await decode([1, 3]); // a row has no sequence
    runner.release(1);
    await decode([3, 4]); // half of the rows had none: packed
    done.delete(2);
    await prompt(2, 2);
    await decode([2, 3, 4]);
    await runner.dispose();
    expect(engine.counters()).toMatchObject({ bufferBytes: 0, programs: 0 });
  });

  it('counts the memory of the cache, copies it once into other sizes, and gives it back', async () => {
    const { engine, runner: sequences } = await setUp(tinyModel(tinyLlama));
    const { runner } = sequences;
    const oneBlock = 2 * 2 * (2 * blockTokens * 8) * 4; // layers, key and value, [G, S, K padded to 8], float32
    await step(sequences, 1, [1, 2]);
    expect(runner.cacheBytes).toBe(oneBlock);
    await step(sequences, 2, [1, 2, 3]);
    expect(runner.cacheBytes).toBe(2 * oneBlock);
    const before = await step(sequences, 2, [4]);
    await runner.arrange({ rows: 3, columns: 2, from: [1, undefined, 0] });
    expect(engine.counters().bufferBytes).toBe(6 * oneBlock);
    const run = async (row: number, start: number, tokens: readonly number[]): Promise<Float32Array> => {
      const results = new Map<number, Float32Array | AppError>();
      const shares = [{ id: 7, row, start, tokens, wantsLogits: 'last' as const }];
      await runner.run({ copies: [], lengths: [3, 0, 2], shares }, keptIn(results));
      return logitsOf(results, 7);
    };
    // Sequence 2 lies in row 0 now, and its last token runs once more.
    expectAllClose(await run(0, 3, [4]), before, tolerance);
    await runner.arrange({ rows: 1, columns: 1, from: [2] });
    expectAllClose(await run(0, 2, [9]), (await uncached(tinyModel(tinyLlama), [1, 2, 9]))[2]!, tolerance);
    runner.clear();
    expect(engine.counters().bufferBytes).toBe(0);
    await sequences.dispose();
  });

  it('finds the best token where the logits are, for who wants nothing else, alone and beside others', async () => {
    const model = tinyModel(tinyLlama);
    const { engine, runner } = await setUp(model);
    const wanted = async (tokens: readonly number[]) => {
      const logits = (await uncached(model, tokens)).at(-1)!;
      const logit = Math.max(...logits);
      return { id: logits.indexOf(logit), logit: expect.closeTo(logit, 4) };
    };
    await runner.run([{ id: 1, tokens: [3, 1, 4], wantsLogits: 'none' }]);
    await runner.run([{ id: 2, tokens: [7, 7], wantsLogits: 'none' }]);
    const expected = [await wanted([3, 1, 4, 1]), await wanted([7, 7, 2])];
    const before = engine.counters().deviceToHostBytes;
    expect([
      ...(
        await runner.best(
          new Map([
            [1, 1],
            [2, 2],
          ]),
        )
      ).values(),
    ]).toEqual(expected);
    // An id and a logit each.
    if (engine.name === 'onnx') expect(engine.counters().deviceToHostBytes - before).toBe(2 * (8 + 4));
    expect((await runner.best(new Map([[2, 5]]))).get(2)).toEqual(await wanted([7, 7, 2, 5]));
    const both = await runner.run([
      { id: 1, tokens: [5], wantsLogits: 'best' },
      { id: 2, tokens: [6], wantsLogits: 'last' },
    ]);
    // One that wants logits has all be read, and whoever wants only the best finds it there.
    expectAllClose(logitsOf(both, 1), (await uncached(model, [3, 1, 4, 1, 5]))[4]!, tolerance);
    await runner.dispose();
    expect(engine.counters().programs).toBe(0);
  });

  it('goes on from a copy of another row, and from an earlier place of its own', async () => {
    const model = tinyModel(tinyGpt2);
    const { runner: sequences } = await setUp(model);
    await step(sequences, 1, [3, 1, 4, 1]);
    await step(sequences, 2, [6]);
    const results = new Map<number, Float32Array | AppError>();
    const shares = [
      { id: 1, row: 0, start: 2, tokens: [5], wantsLogits: 'last' as const },
      { id: 2, row: 1, start: 3, tokens: [9, 2], wantsLogits: 'all' as const },
    ];
    const step2 = { copies: [{ from: 0, to: 1 }], lengths: [2, 3], shares };
    await sequences.runner.run(step2, keptIn(results));
    expectAllClose(logitsOf(results, 1), (await uncached(model, [3, 1, 5]))[2]!, tolerance);
    expectAllClose(logitsOf(results, 2), (await uncached(model, [3, 1, 4, 9, 2])).slice(3).flat(), tolerance);
    await sequences.dispose();
  });

  it('loses the cache and nothing else when the device has no memory for it', async () => {
    const model = tinyModel(tinyGpt2);
    const engine = await createEngine();
    engines.push(engine);
    let isFull = false;
    const narrow: Engine = {
      name: 'narrow',
      runtime: engine.runtime,
      device: 'cpu',
      nativeProducts: [],
      hasFastInt8: engine.hasFastInt8,
      compile: (graph, options) => engine.compile(graph, options),
      planRun: (graph, options) => engine.planRun(graph, options),
      upload: (tensor) => engine.upload(tensor),
      borrow: (tensor) => engine.borrow(tensor),
      counters: () => engine.counters(),
      dispose: () => engine.dispose(),
      allocate: (type) => {
        if (isFull) throw new AppError('out_of_memory', 'no room.');
        return engine.allocate(type);
      },
    };
    const runner = await ModelRunner.create(narrow, model, { name: 'tiny', contextTokens: 12 });
    isFull = true;
    await expect(runner.arrange({ rows: 1, columns: 1, from: [undefined] })).rejects.toThrow(/out_of_memory/);
    expect(runner.cacheBytes).toBe(0);
    isFull = false;
    await runner.arrange({ rows: 1, columns: 1, from: [undefined] });
    expect(runner.cacheBytes).toBeGreaterThan(0);
    await runner.dispose();
    expect(engine.counters().bufferBytes).toBe(0);
  });

  it('refuses to write behind a cache', async () => {
    const { runner } = await setUp(tinyModel(tinyGpt2));
    await step(runner, 1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]);
    await expect(step(runner, 1, [4, 5, 6, 7, 8])).rejects.toThrow(/17 tokens do not fit a cache of 16/);
    await runner.dispose();
  });

  it('uses weights that are on the device already, and leaves them there', async () => {
    const engine = await createEngine();
    engines.push(engine);
    const model = tinyModel(tinyGpt2);
    const weights = uploadModel(engine, model);
    const before = engine.counters().bufferBytes;
    const runner = await Sequences.create(engine, model, { name: 'shared', contextTokens: 12, weights });
    expect(runner.runner.weightBytes).toBe(before);
    expectAllClose(await step(runner, 1, [3, 1, 4]), (await uncached(model, [3, 1, 4]))[2]!, tolerance);
    await runner.dispose();
    expect(engine.counters().bufferBytes).toBe(before);
    expect(toNumbers(weights['norm.bias']!.read())).toHaveLength(6);
  });
});

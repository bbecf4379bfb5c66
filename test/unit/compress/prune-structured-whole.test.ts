// Models with layers of different sizes in the rest of the program: stored, exported, served, distilled, measured.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { type AppError, quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { defaultDistillation, distillModel, distillSettings } from '#distill';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { measureLatency } from '#evaluate';
import { buildLogitsGraph, type Model, modelInputs, storedTensors } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { expectAllClose } from '#test/allclose';
import { Sequences } from '#test/sequences';
import { temporaryFolder } from '#test/temporary';
import { rowOf, runGraph, tokenRows } from '../models/tiny-models.ts';
import { tinyTokenizer } from '../store/models.ts';
import { itWithPython, runPython } from '../store/python.ts';
import { tinyCorpus } from '../train/tiny-training.ts';
import { logitsOf, sampleTokens, withRandomVectors } from './structured-models.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
afterAll(() => engine.dispose());
const calibration = new WindowCalibration(engine, tinyWindows());
const tolerance = { absolute: 1e-4, relative: 1e-4 };

/** Heads and neurons that differ from block to block; the second block is the smaller one in both. */
const uneven = [
  { prune: { structure: 'heads', ratio: 0.5, include: ['h.1.*'] } },
  { prune: { structure: 'ffn', ratio: 0.625, spread: 'global' } },
];
const narrow = [{ prune: { structure: 'width', ratio: 0.75 } }];

async function compressed(model: Model, steps: readonly object[]): Promise<Model> {
  return (await compressModel(model, parseRecipe({ steps }, methods), { engine, calibration }, quietContext)).model;
}

const gpt2 = withRandomVectors(tinyModel(gpt2Config));
const llama = withRandomVectors(tinyModel({ ...llamaConfig, attentionBias: true, feedForwardBias: true }));
const models: readonly (readonly [string, Model])[] = [
  ['gpt2, uneven', await compressed(gpt2, uneven)],
  ['gpt2, uneven and thin', await compressed(gpt2, [...uneven, { lowRank: { rank: 3 } }])],
  [
    'gpt2, three of four heads, and three quarters of the width',
    await compressed(gpt2, [...narrow, { prune: { structure: 'heads', ratio: 0.75 } }]),
  ],
  ['gpt2, one layer', await compressed(gpt2, [{ prune: { structure: 'layers', ratio: 0.5 } }])],
  ['llama, uneven', await compressed(llama, uneven)],
  ['llama, narrow', await compressed(llama, narrow)],
];

async function storedAndReloaded(model: Model): Promise<Model> {
  const root = temporaryFolder();
  const content = { model, tokenizerFiles: tinyTokenizer(model.config.vocabularySize), generation: {}, meta: {} };
  await (await LocalStore.open(root)).saveArtefact('pruned', content);
  const loaded = await (await LocalStore.open(root)).loadArtefact('pruned');
  return loaded.model;
}

describe.each(models)('%s', (name, model) => {
  it('is itself after the store', async () => {
    const loaded = await storedAndReloaded(model);
    expect(loaded.config).toEqual(model.config);
    expect(storedTensors(loaded)).toEqual(storedTensors(model));
  });

  it('is exported to Hugging Face with the same logits, padded where transformers has one size for all', async () => {
    const folder = join(temporaryFolder(), 'hf');
    const { padded } = await exportHuggingFace(model, tinyTokenizer(model.config.vocabularySize), folder);
    if (name.includes('uneven')) expect(padded.join()).toMatch(/h\.1\.attn: \d of|h\.1\.attn: \d key-value heads padded with zeros to \d/);
    if (name === 'llama, narrow' || name === 'gpt2, one layer') expect(padded).toEqual([]);
    const { model: opened } = await importHuggingFace(folder);
    expect(opened.config.layerShapes).toBeUndefined();
    expectAllClose(await logitsOf(opened), await logitsOf(model), tolerance);
  });

  it('is exported to ONNX with the same logits, at its own sizes', async () => {
    const folder = temporaryFolder();
    await writeOnnxModel(buildLogitsGraph(model, { batch: 'B', length: 'T' }), {
      initializers: new Map(modelInputs(model)),
      path: folder,
      name,
    });
    const session = await InferenceSession.create(join(folder, 'model.onnx'));
    const { logits } = await session.run({ tokens: new Tensor('int64', sampleTokens.data, [2, 9]) });
    expectAllClose(logits!.data as Float32Array, await logitsOf(model), tolerance);
  });

  it('answers with caches what it answers without', async () => {
    const runner = await Sequences.create(engine, model, { name: 'pruned', contextTokens: 12 });
    const sequences = new Map([
      [1, [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]],
      [2, [7, 7, 2, 38, 12, 4]],
      [3, [11, 0, 16]],
    ]);
    const wanted = new Map<number, number[][]>();
    for (const [id, tokens] of sequences) {
      const { logits } = await runGraph(buildLogitsGraph(model, { batch: 1, length: tokens.length }), model, {
        tokens: tokenRows([tokens]),
      });
      wanted.set(
        id,
        tokens.map((_, position) => rowOf(logits!, position)),
      );
      const prompt = { id, tokens: tokens.slice(0, 2), wantsLogits: 'last' } as const;
      check(id, 1, (await runner.run([prompt])).get(id));
    }
    // Decoding side by side, the shorter ones leaving: caches are appended and packed.
    for (let position = 2; position < 10; position++) {
      const shares = [...sequences].flatMap(([id, tokens]) =>
        position < tokens.length ? [{ id, tokens: [tokens[position]!], wantsLogits: 'last' } as const] : [],
      );
      const results = await runner.run(shares);
      for (const { id } of shares) check(id, position, results.get(id));
      for (const [id, tokens] of sequences) if (position === tokens.length - 1) runner.release(id);
    }
    await runner.dispose();

    function check(id: number, position: number, result: Float32Array | AppError | undefined): void {
      if (!(result instanceof Float32Array)) throw result ?? new Error(`no logits of ${id}`);
      expectAllClose(result, wanted.get(id)![position]!, tolerance);
    }
  });

  it('is measured', async () => {
    const [result] = await measureLatency(model, engine, quietContext, { batches: [1], promptTokens: 4, prefillRuns: 1, decodeSteps: 1 });
    expect(result!.prefillMs).toBeGreaterThan(0);
  });

  it('learns from its teacher', async () => {
    const teacher = name.startsWith('gpt2') ? gpt2 : llama;
    const divergences: number[] = [];
    const train = { steps: 24, batchSize: 8, sequenceLength: 12, learningRate: 3e-4, warmupSteps: 0, checkpointEvery: 0 };
    const { model: student } = await distillModel(
      {
        student: model,
        teacher,
        corpus: tinyCorpus(600, 40),
        settings: distillSettings({ ...defaultDistillation, ...train, alpha: 1 }),
      },
      engine,
      {
        ...quietContext,
        report: ({ metrics }) => divergences.push(...(metrics?.['divergence'] === undefined ? [] : [metrics['divergence']])),
      },
    );
    expect(student.config).toEqual(model.config);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(divergences.length).toBeGreaterThan(8);
    expect(mean(divergences.slice(-4))).toBeLessThan(0.9 * mean(divergences.slice(0, 4)));
  });
});

describe('a shape that Hugging Face cannot say', () => {
  it('is refused by name, with the way out', async () => {
    const model = await compressed(gpt2, narrow);
    const folder = join(temporaryFolder(), 'hf');
    await expect(exportHuggingFace(model, new Map(), folder)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/4 heads of width 4 do not fit the width 12.*Export to ONNX, or prune the heads to 3/),
    });
    await expect(importHuggingFace(folder)).rejects.toMatchObject({ code: 'file_not_found' });
    expect((await storedAndReloaded(model)).config).toEqual(model.config);
  });
});

itWithPython('transformers computes the logits of exported pruned models', async () => {
  const root = temporaryFolder();
  mkdirSync(join(root, 'models'));
  for (const [index, [, model]] of models.entries()) await exportHuggingFace(model, new Map(), join(root, 'models', String(index)));
  const all = (await runPython('hugging-face/transformers_oracle.py', 'logits', join(root, 'models'))) as Record<string, number[]>;
  for (const [index, [, model]] of models.entries()) {
    const graph = buildLogitsGraph(model, { batch: 2, length: 20 });
    const tokens = tokenRows([0, 1].map((row) => Array.from({ length: 20 }, (_, column) => ((row * 20 + column) * 7) % 40)));
    const { logits } = await runGraph(graph, model, { tokens });
    expectAllClose(all[String(index)]!, logits!.data as Float32Array, tolerance);
  }
});

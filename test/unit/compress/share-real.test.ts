// Sharing in a trained model, on the default engine: it learns with one copy of its weights, and every form of it computes the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { buildLogitsGraph, type Model, modelInputs, parameterCounts, storedTensors } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { Sequences } from '#test/sequences';
import { repositoryRoot } from '#test/shared';
import { textFromStrings, tokenizeCorpus, WindowSampler } from '#text';
import { temporaryFolder } from '../../support/temporary.ts';

const tolerance = { absolute: 1e-4, relative: 1e-4 };

describe.each(['wiki-gpt2-7m', 'stories260K'] as const)('%s', async (name) => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());
  const { model: teacher, tokenizerFiles } = await importHuggingFace(fixtureModelFolder(name));
  const text = readFileSync(join(repositoryRoot, 'test/fixtures/text/distill.txt'), 'utf8').slice(0, 60_000);
  const corpus = await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer(name), quietContext);
  const calibration = new WindowCalibration(engine, async function* () {
    const sampler = new WindowSampler(corpus.tokens, { batch: 4, window: 64, seed: 1 });
    for (let drawn = 0; drawn < 4; drawn++) yield sampler.next().tokens;
  });
  const tokens = [...corpus.tokens.slice(100, 116)].map(Number);
  const [L, V] = [teacher.config.layers, teacher.config.vocabularySize];
  const blockNumbers = parameterCounts(teacher).storedInBlocks / L;

  async function shared(settings: object, ...later: readonly object[]): Promise<Model> {
    const recipe = parseRecipe({ steps: [{ share: settings }, ...later] }, methods);
    return (await compressModel(teacher, recipe, { engine, calibration }, quietContext)).model;
  }

  async function logitsOf(model: Model): Promise<Float32Array> {
    const graph = buildLogitsGraph(model, { batch: 1, length: 16 });
    const program = await engine.compile(graph);
    const inputs = new Map([...modelInputs(model), ['tokens', int64([1, 16], tokens)] as const]);
    const results = await program.run(Object.fromEntries(program.inputNames.map((input) => [input, inputs.get(input)!])));
    const logits = Float32Array.from(toNumbers(results['logits']!.read()), Number);
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
    return logits;
  }

  const cases: [string, object, number][] = [
    ['all', { scheme: 'all' }, 1],
    ['sequence', { scheme: 'sequence', uniqueLayers: 2, from: 'average' }, 2],
    ['cycle', { scheme: 'cycle', uniqueLayers: 3 }, 3],
    ['cycleReversed', { scheme: 'cycleReversed', uniqueLayers: 2 }, 2],
    ['cycle that adds depth', { scheme: 'cycle', uniqueLayers: L, layers: 2 * L }, L],
  ];
  it.each(cases)('stores %s once: its size is that of the stored layers', async (_, settings, stored) => {
    const model = await shared(settings);
    const used = L === 5 && 'uniqueLayers' in settings && settings.uniqueLayers === 2 ? 2 : stored;
    expect(parameterCounts(model).storedInBlocks).toBe(used * blockNumbers);
  });

  it.each<[string, object]>([
    ['sandwich', { scheme: 'sandwich', from: 'similar' }],
    ['cycle', { scheme: 'cycle', uniqueLayers: 2, from: 'average' }],
    ['all, halting', { scheme: 'all', halting: { signals: true }, from: 'similar', similarity: 'cka' }],
    ['narrow embedding', { scheme: 'sandwich', embedding: { width: 32, heads: 4 } }],
  ])('learns, and is the same saved, exported and served: %s', async (_, settings) => {
    const student = await shared(settings);
    const losses: number[] = [];
    const report = ({ metrics }: { readonly metrics?: Readonly<Record<string, number>> }): void => {
      if (metrics?.['loss'] !== undefined) losses.push(metrics['loss']);
    };
    const { model } = await distillModel(
      {
        student,
        teacher,
        corpus,
        settings: distillSettings({ steps: 20, batchSize: 4, sequenceLength: 32, learningRate: 1e-3, warmupSteps: 2, checkpointEvery: 0 }),
      },
      engine,
      { ...quietContext, report },
    );
    expect(losses.at(-1)!).toBeLessThan(0.95 * losses[0]!);
    expect([...storedTensors(model).keys()]).toEqual([...storedTensors(student).keys()]);
    expect(parameterCounts(model)).toEqual(parameterCounts(student));
    const logits = await logitsOf(model);

    const store = await LocalStore.open(temporaryFolder());
    await store.saveArtefact('shared', { model, tokenizerFiles, generation: {}, meta: {} });
    const { model: loaded } = await store.loadArtefact('shared');
    expect(loaded.config).toEqual(model.config);
    expectAllClose(await logitsOf(loaded), logits, { ...tolerance, what: 'stored' });

    const folder = join(temporaryFolder(), 'hf');
    if (model.config.halting !== undefined || model.config.embedding !== undefined)
      await expect(exportHuggingFace(model, tokenizerFiles, folder)).rejects.toMatchObject({ code: 'unsupported' });
    else {
      await exportHuggingFace(model, tokenizerFiles, folder);
      const { model: again } = await importHuggingFace(folder);
      expect(parameterCounts(again).storedInBlocks).toBe(L * blockNumbers);
      expectAllClose(await logitsOf(again), logits, { ...tolerance, what: 'Hugging Face' });
    }

    const onnx = temporaryFolder();
    const bytes = await writeOnnxModel(buildLogitsGraph(model, { batch: 'B', length: 'T' }), {
      initializers: new Map(modelInputs(model)),
      path: onnx,
      name: 'shared',
    });
    expect(bytes).toBeLessThan(4 * parameterCounts(model).stored + 1e6);
    const session = await InferenceSession.create(join(onnx, 'model.onnx'));
    const ids = new Tensor('int64', BigInt64Array.from(tokens, BigInt), [1, 16]);
    expectAllClose((await session.run({ tokens: ids }))['logits']!.data as Float32Array, logits, { ...tolerance, what: 'ONNX' });
    await session.release();

    const runner = await Sequences.create(engine, model, { name: 'shared', contextTokens: 16 });
    expect(runner.runner.weightBytes).toBeLessThanOrEqual(4 * parameterCounts(model).stored);
    for (const [start, end] of [[0, 12], ...[12, 13, 14, 15].map((at) => [at, at + 1])] as [number, number][]) {
      const served = (await runner.run([{ id: 1, tokens: tokens.slice(start, end), wantsLogits: 'last' }])).get(1);
      if (served === undefined || served instanceof AppError) throw served ?? new Error('no logits');
      expectAllClose(served, logits.subarray((end - 1) * V, end * V), { ...tolerance, what: `served token ${end - 1}` });
    }
    await runner.dispose();
  });

  it('starts a narrow embedding at the best factors of the trained table', async () => {
    const width = name === 'stories260K' ? 16 : 48;
    const model = await shared({ embedding: { width } });
    const factors = (
      await compressModel(
        teacher,
        parseRecipe({ steps: [{ lowRank: { rank: width, include: ['embed.token.weight'] } }] }, methods),
        { engine },
        quietContext,
      )
    ).model;
    // Both round the same function to 16 bits; the activation is not quite a line.
    const [narrow, plain] = [await logitsOf(model), await logitsOf(factors)];
    const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
    if (teacher.config.tiedHead) expect(norm(narrow.map((value, index) => value - plain[index]!)) / norm(plain)).toBeLessThan(0.05);
    expect(parameterCounts(model).storedBytes).toBeLessThan(parameterCounts(teacher).storedBytes);
  });
});

// Pruning of trained models on the default engine: exact in every form that they are stored in, and the expected order of the methods.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { buildLogitsGraph, denseParameter, type Model, modelInputs, parameterCounts, replaceParameters, storedTensors } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { castTensor, type HostTensor, int64, rawBytes } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { type FixtureModel, fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { repositoryRoot } from '#test/shared';
import { temporaryFolder } from '#test/temporary';
import { textFromStrings, tokenizeCorpus } from '#text';
import { runGraph } from '../models/tiny-models.ts';

/** One block is enough to be exact, and all of them would take minutes. */
const include = ['h.1.*'];

describe.each<FixtureModel>(['wiki-gpt2-7m', 'stories260K'])('%s', async (name) => {
  const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
  afterAll(() => engine.dispose());
  const { model, tokenizerFiles, generation } = await importHuggingFace(fixtureModelFolder(name));
  const tokenizer = fixtureTokenizer(name);
  const read = (file: string): string => readFileSync(join(repositoryRoot, 'test/fixtures/text', file), 'utf8');
  const corpus = await tokenizeCorpus(textFromStrings([read('distill.txt').slice(0, 40_000)]), tokenizer, quietContext);
  const heldOut = await tokenizeCorpus(textFromStrings([read('evaluate.txt').slice(0, 8000)]), tokenizer, quietContext);
  const calibration = new WindowCalibration(engine, async function* () {
    for (let start = 0; start + 1024 <= Math.min(corpus.tokens.length, 2048); start += 1024)
      yield int64([8, 128], Array.from(corpus.tokens.slice(start, start + 1024), Number));
  });
  const tokens: HostTensor<'int64'> = int64([2, 16], Array.from(heldOut.tokens.slice(0, 32), Number));

  async function compressed(...steps: readonly object[]): Promise<Model> {
    return (await compressModel(model, parseRecipe({ steps }, methods), { engine, calibration }, quietContext)).model;
  }

  async function logitsOf(which: Model): Promise<ArrayLike<number | bigint>> {
    return (await runGraph(buildLogitsGraph(which, { batch: 2, length: 16 }), which, { tokens }, engine))['logits']!.data;
  }

  it.each([
    ['half of the weights', [{ prune: { sparsity: 0.5, method: 'sparsegpt', include } }]],
    ['2:4, embeddings too', [{ prune: { pattern: '2:4', include: [...include, 'embed.token.weight'] } }]],
    ['low-rank factors', [{ lowRank: { ratio: 0.5, include } }, { prune: { sparsity: 0.5, method: 'wanda', include } }]],
  ])('gives the same logits stored, exported and as it was made: %s', async (_, steps) => {
    const pruned = await compressed(...steps);
    const expected = await logitsOf(pruned);
    const closeness = { absolute: 1e-4 };

    const root = temporaryFolder();
    const store = await LocalStore.open(root);
    await store.saveArtefact('pruned', { model: pruned, tokenizerFiles, generation, meta: {} });
    const stored = (await store.loadArtefact('pruned')).model;
    const bytesOf = (which: Model): Map<string, Buffer> =>
      new Map([...storedTensors(which)].map(([tensorName, tensor]) => [tensorName, Buffer.from(rawBytes(tensor))]));
    const kept = bytesOf(stored);
    expect([...bytesOf(pruned)].filter(([tensorName, bytes]) => kept.get(tensorName)?.equals(bytes) !== true)).toEqual([]);
    const [weights] = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('model.safetensors'));
    const fileBytes = statSync(join(root, weights!)).size;
    // The header names every tensor.
    expect(fileBytes - parameterCounts(pruned).storedBytes).toBeGreaterThan(0);
    expect(fileBytes - parameterCounts(pruned).storedBytes).toBeLessThan(20_000);
    expectAllClose(await logitsOf(stored), expected, closeness);

    const folder = join(temporaryFolder(), 'hf');
    await exportHuggingFace(pruned, tokenizerFiles, folder);
    const { model: reopened } = await importHuggingFace(folder);
    expectAllClose(await logitsOf(reopened), expected, closeness);

    const onnxFolder = temporaryFolder();
    const graph = buildLogitsGraph(pruned, { batch: 'B', length: 'T' });
    await writeOnnxModel(graph, { initializers: new Map(modelInputs(pruned)), path: onnxFolder, name: 'pruned' });
    const session = await InferenceSession.create(join(onnxFolder, 'model.onnx'), { intraOpNumThreads: 1 });
    const results = await session.run({ tokens: new Tensor('int64', tokens.data, tokens.shape) });
    expectAllClose(results['logits']?.data as Float32Array, expected, closeness);
    await session.release();
  });

  it('exports half-precision weights as such: bitmaps are no numbers', async () => {
    const folder = join(temporaryFolder(), 'hf');
    const half = await compressed({ quantize: { bits: 16, include: ['*'] } }, { prune: { sparsity: 0.5 } });
    const vectors = [...half.parameters.values()].filter(({ tensors }) => tensors['value']?.dtype === 'float32');
    const allHalf = replaceParameters(
      half,
      vectors.map(({ path, tensors }) => denseParameter(path, castTensor(tensors['value']!, 'float16'))),
    );
    await exportHuggingFace(allHalf, tokenizerFiles, folder);
    const { model: reopened } = await importHuggingFace(folder);
    expect(new Set([...reopened.parameters.values()].map(({ tensors }) => tensors['value']!.dtype))).toEqual(new Set(['float16']));
    expectAllClose(await logitsOf(reopened), await logitsOf(allHalf), { absolute: 1e-4 });
  });

  it('loses least of the outputs by SparseGPT, and more in groups of four', async () => {
    const lost = async (settings: object): Promise<number> => {
      const step = methods['prune']!.step({ ...settings, include }, 'prune');
      const { layers } = (await step.apply(model, { engine, calibration }, quietContext)).report;
      return layers.reduce((sum, { outputError }) => sum + outputError!, 0) / layers.length;
    };
    const sparseGpt = await lost({ sparsity: 0.5, method: 'sparsegpt' });
    expect(sparseGpt).toBeLessThan(0.9 * (await lost({ sparsity: 0.5, method: 'wanda' })));
    expect(sparseGpt).toBeLessThan(await lost({ pattern: '2:4', method: 'sparsegpt' }));
  });
});

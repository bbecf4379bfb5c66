// Compressing encoders: calibration in which padding does not count, every method on BERT and ALBERT, and one answer wherever they are stored.
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, type InputMoments, methods, parseRecipe, selectMatrices, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { multiply } from '#linalg';
import { buildTaskGraph, encoderInputs, encoderNetwork, type Model, modelInputs, parameterCounts } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { type HostTensor, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { albertConfig, bertConfig, tinyEncoder, tinyPadded, tinyTexts, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import { padTexts } from '#text';
import { transposeFlat } from './matrices.ts';
import { llamaConfig, tinyModel } from './tiny-model.ts';

const texts = tinyTexts(6);
const models: readonly (readonly [string, Model])[] = [
  ['BERT', tinyEncoder(bertConfig(twoLabels))],
  ['ALBERT', tinyEncoder(albertConfig({ kind: 'masked' }))],
  ['ALBERT for sentences', tinyEncoder(albertConfig({ kind: 'embed', pooling: 'mean', normalize: true }))],
];

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(async () => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

async function momentsOf(model: Model, calibration: WindowCalibration, paths: readonly string[]): Promise<InputMoments[]> {
  const all: InputMoments[] = [];
  for await (const moments of calibration.inputMoments(model, paths, quietContext)) all.push(moments);
  return all;
}

async function answer(model: Model): Promise<ArrayLike<number>> {
  const program = await engine.compile(buildTaskGraph(model, { batch: 'B', length: 'T' }));
  const batch = padTexts(texts, 13, 0);
  const all: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), ...batch };
  const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, all[name]!])));
  const [first] = Object.values(results);
  const numbers = withoutPadding(Float64Array.from(toNumbers(first!.read())), first!.shape, batch.mask.data);
  for (const buffer of Object.values(results)) buffer.release();
  await program.release();
  return numbers;
}

function withoutPadding(numbers: Float64Array, shape: readonly number[], mask: Uint8Array): Float64Array {
  if (shape.length < 3) return numbers;
  const width = shape[2]!;
  return numbers.filter((_, index) => mask[Math.floor(index / width)] === 1);
}

const recipes: readonly (readonly [string, object])[] = [
  ['lowRank', { lowRank: { ratio: 0.6, method: 'whitened' } }],
  ['kronecker', { kronecker: { ratio: 0.5 } }],
  ['quantize', { quantize: { bits: 8, method: 'gptq', groupSize: 16 } }],
];

describe('calibration over padded texts', () => {
  it.each(models)('of %s counts no padding, however much there is', async (_, model) => {
    const paths = selectMatrices(model, {}).map(({ path }) => path);
    const short = await momentsOf(model, new WindowCalibration(engine, tinyPadded(texts)), paths);
    const long = await momentsOf(model, new WindowCalibration(engine, tinyPadded(texts, 21)), paths);
    const real = texts.reduce((sum, { ids }) => sum + ids.length, 0);
    expect(short.flatMap((each) => each.paths).sort()).toEqual([...paths].sort());
    for (const [index, { paths: layers, gram, tokens }] of short.entries()) {
      const applications = model.config.architecture === 'albert' && layers[0]!.startsWith('h.') ? 3 : 1;
      expect(tokens).toBe(real * applications);
      expectAllClose(long[index]!.gram, gram, { relative: 1e-4, absolute: 1e-4, what: layers.join() });
    }
  });

  it('sums over all places of shared parameters', async () => {
    const model = tinyEncoder(albertConfig({ kind: 'masked' }));
    const path = 'h.0.mlp.proj.weight';
    const [moments] = await momentsOf(model, new WindowCalibration(engine, tinyPadded(texts)), [path]);
    const b = new GraphBuilder();
    const inputs = encoderInputs(b, model, { batch: 6, length: 13 });
    const net = encoderNetwork(b, model, inputs);
    net.hidden(inputs.tokens);
    const applied = net.linearInputs.get(path)!;
    expect(applied).toHaveLength(3);
    const program = await engine.compile(b.graph(Object.fromEntries(applied.map((x, layer) => [`x${layer}`, x]))));
    const batch = padTexts(texts, 13, 0);
    const all: Record<string, HostTensor> = { ...Object.fromEntries(modelInputs(model)), ...batch };
    const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, all[name]!])));
    const width = 32;
    const wanted = new Float64Array(width * width);
    for (const buffer of Object.values(results)) {
      const rows = withoutPadding(Float64Array.from(toNumbers(buffer.read())), [6, 13, width], batch.mask.data);
      multiply(transposeFlat(rows, rows.length / width, width), rows, width, rows.length / width, width).forEach((value, index) => {
        wanted[index]! += value;
      });
      buffer.release();
    }
    await program.release();
    expectAllClose(moments!.gram, wanted, { relative: 1e-4, absolute: 1e-4 });
  });

  it('counts one row a text before the head of a classifier', async () => {
    const model = tinyEncoder(bertConfig(twoLabels));
    const [pooler] = await momentsOf(model, new WindowCalibration(engine, tinyPadded(texts)), ['pooler.weight']);
    expect(pooler).toMatchObject({ paths: ['pooler.weight'], tokens: texts.length });
  });

  it('refuses padded texts for a model that generates', async () => {
    const calibration = new WindowCalibration(engine, tinyPadded(texts));
    const refused = momentsOf(tinyModel(llamaConfig), calibration, ['h.0.attn.q.weight']);
    await expect(refused).rejects.toMatchObject({ code: 'unsupported', message: /padded texts are for encoders/ });
  });
});

describe.each(models)('%s', (_, model) => {
  it.each(recipes)('is made smaller by %s and answers alike from the store, from Hugging Face and from ONNX', async (name, step) => {
    const calibration = new WindowCalibration(engine, tinyPadded(texts));
    const recipe = parseRecipe({ steps: [step] }, methods);
    const { model: compressed } = await compressModel(model, recipe, { engine, calibration }, quietContext);
    expect(parameterCounts(compressed).storedBytes).toBeLessThan(parameterCounts(model).storedBytes);
    const wanted = await answer(compressed);
    expect(Array.from(wanted).every(Number.isFinite)).toBe(true);
    const tolerance = { absolute: 1e-4, what: name };

    const folder = temporaryFolder();
    const store = await LocalStore.open(join(folder, 'store'));
    await store.saveArtefact('small', { model: compressed, tokenizerFiles: new Map(), generation: {}, meta: {} });
    const { model: loaded } = await store.loadArtefact('small');
    expect(loaded.config).toEqual(model.config);
    expectAllClose(await answer(loaded), wanted, { absolute: 0 });

    await exportHuggingFace(loaded, new Map(), join(folder, 'hf'));
    expectAllClose(await answer((await importHuggingFace(join(folder, 'hf'), { tokenizer: 'optional' })).model), wanted, tolerance);

    const graph = buildTaskGraph(loaded, { batch: 'B', length: 'T' });
    await writeOnnxModel(graph, { initializers: new Map(modelInputs(loaded)), path: join(folder, 'onnx'), name: 'small' });
    const session = await InferenceSession.create(join(folder, 'onnx/model.onnx'));
    expect([...session.inputNames].sort()).toEqual(['mask', 'tokenTypes', 'tokens']);
    const { tokens, mask, tokenTypes } = padTexts(texts, 13, 0);
    const results = await session.run({
      tokens: new Tensor('int64', tokens.data, tokens.shape),
      mask: new Tensor('bool', mask.data, mask.shape),
      tokenTypes: new Tensor('int64', tokenTypes.data, tokenTypes.shape),
    });
    const [output] = Object.values(results);
    const numbers = withoutPadding(Float64Array.from(output!.data as Float32Array), output!.dims, mask.data);
    // Kernels of 8-bit products round their inputs where the weights are constants.
    expectAllClose(numbers, wanted, name === 'quantize' ? { absolute: 0.05 } : tolerance);
    await session.release();
  });
});

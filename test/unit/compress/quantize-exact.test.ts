// A quantized model means the same wherever it goes: stored and loaded again, exported as ONNX, written out in floats.
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import { buildLogitsGraph, denseParameter, type Model, materializeParameter, modelInputs, replaceParameters } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { type HostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { temporaryFolder } from '#test/temporary';
import { tinyTokenizer } from '../store/models.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from './tiny-model.ts';

const clock = { nowMs: () => Date.UTC(2026, 0, 2), monotonicMs: () => 0 };
const engine = await createOnnxEngine({ device: 'cpu' });
afterAll(() => engine.dispose());
const calibration = new WindowCalibration(engine, tinyWindows());
const tolerance = { absolute: 1e-4, relative: 1e-4 };

const tokens: HostTensor<'int64'> = int64(
  [2, 12],
  Array.from({ length: 24 }, (_, index) => (index * 7) % 40),
);

async function logitsOf(model: Model, isFrozen = false): Promise<ArrayLike<number>> {
  const graph = buildLogitsGraph(model, { batch: 2, length: 12 });
  const wanted = new Set(graph.inputs.map(({ name }) => name));
  const inputs = new Map([...modelInputs(model)].filter(([name]) => wanted.has(name)));
  const program = await engine.compile(graph, isFrozen ? { frozen: inputs } : {});
  const { logits } = await program.run(isFrozen ? { tokens } : { ...Object.fromEntries(inputs), tokens });
  const numbers = toNumbers(logits!.read());
  logits!.release();
  await program.release();
  return numbers;
}

async function exportedLogits(model: Model): Promise<ArrayLike<number>> {
  const folder = temporaryFolder();
  const graph = buildLogitsGraph(model, { batch: 'B', length: 'T' });
  await writeOnnxModel(graph, { initializers: new Map(modelInputs(model)), path: folder, name: 'model' });
  const session = await InferenceSession.create(join(folder, 'model.onnx'));
  const { logits } = await session.run({ tokens: new Tensor('int64', tokens.data, tokens.shape) });
  await session.release();
  return logits!.data as Float32Array;
}

const recipes = [
  { bits: 4, groupSize: 16, method: 'awq', include: ['*'] },
  { method: 'dynamic', include: ['*'] },
  { method: 'static', include: ['*'], perChannel: false },
  { method: 'smoothquant', activations: 'static' },
  { scheme: 'ternary', groupSize: 16, include: ['*'] },
  { scheme: 'binary', groupSize: 16, include: ['*'] },
];

describe.each([
  ['gpt2', gpt2Config],
  ['llama', llamaConfig],
])('a quantized %s', (_, config) => {
  it.each(recipes)('gives the same logits loaded again, exported as ONNX and written out in floats: %j', async (settings) => {
    const recipe = parseRecipe({ steps: [{ quantize: settings }] }, methods);
    const { model } = await compressModel(tinyModel(config), recipe, { engine, calibration }, quietContext);
    const wanted = await logitsOf(model);

    const store = await LocalStore.open(temporaryFolder(), { clock });
    await store.saveArtefact('made', { model, tokenizerFiles: tinyTokenizer(40), generation: {}, meta: {} });
    const { model: loaded } = await store.loadArtefact('made');
    expect([...loaded.parameters]).toEqual([...model.parameters]);
    expectAllClose(await logitsOf(loaded), wanted, { ...tolerance, what: 'loaded' });

    expectAllClose(await exportedLogits(model), wanted, { ...tolerance, what: 'ONNX' });
    // The kernels that serving picks for weights that never change may round activations where the plain ones do not.
    if (!('bits' in settings || settings.scheme === 'ternary'))
      expectAllClose(await logitsOf(model, true), wanted, { ...tolerance, what: 'frozen' });

    // Floats stand for the weights alone: activations are not rounded there.
    const dense = replaceParameters(
      model,
      [...model.parameters.keys()].map((path) => denseParameter(path, materializeParameter(model, path))),
    );
    const folder = join(temporaryFolder(), 'folder');
    await exportHuggingFace(model, tinyTokenizer(40), folder);
    expectAllClose(await logitsOf((await importHuggingFace(folder)).model), await logitsOf(dense), { ...tolerance, what: 'Hugging Face' });
  });
});

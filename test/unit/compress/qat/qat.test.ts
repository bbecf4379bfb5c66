// The step of recipes: it learns what rounding lost, goes on where it was stopped, its result goes wherever a model goes, and faults have names.
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { createOnnxEngine, writeOnnxModel } from '#engine/onnx';
import {
  buildLogitsGraph,
  checkModel,
  denseParameter,
  isEncoded,
  type Model,
  materializeParameter,
  modelInputs,
  replaceParameters,
} from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { type HostTensor, int64, toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { temporaryFolder } from '#test/temporary';
import { recipeMethods } from '../../../../src/jobs/distill-step.ts';
import { abortAfter, runRecipe, storedBytesOf } from '../../../support/recipe-runs.ts';
import { tinyTokenizer } from '../../store/models.ts';
import { tinyCorpus } from '../../train/tiny-training.ts';
import { gpt2Config, tinyModel } from '../tiny-model.ts';

const engine = await createOnnxEngine({ threads: 1 });
afterAll(() => engine.dispose());

const model = tinyModel();
const corpus = tinyCorpus(600, gpt2Config.vocabularySize);
const training = { steps: 6, batchSize: 2, sequenceLength: 8, learningRate: 0.01, checkpointEvery: 1, warmupSteps: 1 };

const run = (settings: object, folder?: string, context = quietContext) =>
  runRecipe({ engine, model, corpus, steps: [{ qat: { training, ...settings } }], context, ...(folder === undefined ? {} : { folder }) });

const tokens: HostTensor<'int64'> = int64(
  [2, 12],
  Array.from({ length: 24 }, (_, index) => (index * 7) % 40),
);

async function logitsOf(which: Model): Promise<ArrayLike<number>> {
  const graph = buildLogitsGraph(which, { batch: 2, length: 12 });
  const program = await engine.compile(graph);
  const inputs = Object.fromEntries([...modelInputs(which)].filter(([name]) => program.inputNames.includes(name)));
  const { logits } = await program.run({ ...inputs, tokens });
  const read = toNumbers(logits!.read());
  logits!.release();
  await program.release();
  return read;
}

async function exportedLogits(which: Model): Promise<ArrayLike<number>> {
  const folder = temporaryFolder();
  await writeOnnxModel(buildLogitsGraph(which, { batch: 'B', length: 'T' }), {
    initializers: new Map(modelInputs(which)),
    path: folder,
    name: 'model',
  });
  const session = await InferenceSession.create(join(folder, 'model.onnx'));
  const { logits } = await session.run({ tokens: new Tensor('int64', tokens.data, tokens.shape) });
  await session.release();
  return logits!.data as Float32Array;
}

/** The three losses that the report names. */
function lossesOf(note = ''): [number, number, number] {
  const found = /loss on training text ([\d.]+) as given, ([\d.]+) rounded without training and ([\d.]+) after training/.exec(note);
  return [Number(found?.[1]), Number(found?.[2]), Number(found?.[3])];
}

const cases = [
  { bits: 4, groupSize: 16, stepSize: 'learned' },
  { bits: 8, activations: 'learned' },
  { bits: 8, activations: 'dynamic' },
  { scheme: 'ternary', threshold: 'absmean', activations: 'token', lambdaSteps: 3, groupSize: 16 },
  { scheme: 'binary', groupSize: 16, ternarySteps: 3, include: ['*'] },
];

describe('quantization-aware training', () => {
  it.each([
    { bits: 2, groupSize: 16 },
    { bits: 2, groupSize: 16, stepSize: 'learned' },
    { scheme: 'ternary', groupSize: 16 },
    { scheme: 'binary', groupSize: 16 },
  ])('wins back what rounding lost: %j', async (settings) => {
    const taught = await runRecipe({
      engine,
      model,
      corpus,
      steps: [
        { distill: { ...training, teacher: 'none', steps: 120 } },
        { qat: { ...settings, training: { ...training, teacher: 'none', steps: 60, checkpointEvery: 0 } } },
      ],
    });
    const [whole, rounded, trained] = lossesOf(taught.report.steps[1]?.note);
    expect(rounded).toBeGreaterThan(whole + 0.05);
    expect(trained).toBeLessThan(rounded - 0.5 * (rounded - whole));
  });

  it('stores codes alone of the chosen matrices, and says what they cost', async () => {
    const { model: made, report } = await run({ bits: 4, groupSize: 16 });
    checkModel(made);
    const encoded = [...made.parameters.values()].filter(isEncoded).map(({ path }) => path);
    const layers = report.steps[0]?.layers ?? [];
    expect(layers.map(({ path }) => path)).toEqual(encoded);
    expect(encoded).toHaveLength(8);
    for (const layer of layers) {
      expect(layer.kindAfter).toBe('dense, trained 4 bits');
      expect(layer.bytesAfter).toBeLessThan(layer.bytesBefore / 5);
      expect(layer.weightError).toBeGreaterThan(0);
    }
    expect(made.parameters.get('embed.token.weight')?.tensors['value']?.dtype).toBe('float32');
  });

  it.each(cases)('gives the same logits loaded again, exported as ONNX and written out in floats: %j', async (settings) => {
    const { model: made } = await run(settings);
    const wanted = await logitsOf(made);
    const tolerance = { absolute: 1e-4, relative: 1e-4 };
    const store = await LocalStore.open(temporaryFolder(), { clock: { nowMs: () => 0, monotonicMs: () => 0 } });
    await store.saveArtefact('made', { model: made, tokenizerFiles: tinyTokenizer(40), generation: {}, meta: {} });
    const { model: loaded } = await store.loadArtefact('made');
    expect([...loaded.parameters]).toEqual([...made.parameters]);
    expectAllClose(await logitsOf(loaded), wanted, { ...tolerance, what: 'loaded' });
    expectAllClose(await exportedLogits(made), wanted, { ...tolerance, what: 'ONNX' });

    const dense = replaceParameters(
      made,
      [...made.parameters.keys()].map((path) => denseParameter(path, materializeParameter(made, path))),
    );
    const folder = join(temporaryFolder(), 'hf');
    const notes = await exportHuggingFace(made, tinyTokenizer(40), folder);
    const { model: imported } = await importHuggingFace(folder);
    expectAllClose(await logitsOf(imported), await logitsOf(dense), { ...tolerance, what: 'Hugging Face' });
    const roundsInputs = 'activations' in settings;
    expect(notes.dropped.length > 0).toBe(roundsInputs);
    if (!roundsInputs) expectAllClose(await logitsOf(dense), wanted, { ...tolerance, what: 'dense' });
  });

  it.each(cases)('goes on where it was stopped, and does not train again: %j', async (settings) => {
    const straight = await run(settings);
    const folder = temporaryFolder();
    for (const count of [2, 3]) await expect(run(settings, folder, abortAfter('qat', count))).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = await run(settings, folder);
    expect(storedBytesOf(resumed.model)).toEqual(storedBytesOf(straight.model));
    expect(resumed.report).toEqual(straight.report);
    const seen = abortAfter('qat', 1);
    const again = await run(settings, folder, seen);
    expect(seen.signal.aborted).toBe(false);
    expect(storedBytesOf(again.model)).toEqual(storedBytesOf(straight.model));
    expect(again.report).toEqual(straight.report);
  });

  it('makes of half of the heads and neurons as many binary weights as the whole model has', async () => {
    const { model: made } = await runRecipe({
      engine,
      model,
      corpus,
      steps: [
        { prune: { structure: 'heads', ratio: 0.5, importance: 'magnitude' } },
        { prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude' } },
        { qat: { scheme: 'binary', groupSize: 16, training } },
      ],
    });
    checkModel(made);
    for (const [path, parameter] of made.parameters) {
      if (!isEncoded(parameter)) continue;
      expect(parameter).toMatchObject({ kind: 'sum', settings: { 'first.bits': 1, 'second.bits': 1 } });
      expect(2 * materializeParameter(made, path).data.length).toBe(materializeParameter(model, path).data.length);
    }
  });

  it('codes factors of a low-rank weight, and keeps the zeros of a pruned one', async () => {
    const { model: made } = await runRecipe({
      engine,
      model,
      corpus,
      steps: [
        { lowRank: { rank: 8, include: ['h.0.*'] } },
        { prune: { sparsity: 0.5, include: ['h.1.*'] } },
        { qat: { bits: 4, groupSize: 16, training } },
      ],
    });
    const pruned = (await runRecipe({ engine, model, corpus, steps: [{ prune: { sparsity: 0.5, include: ['h.1.*'] } }] })).model;
    for (const [path, parameter] of made.parameters) {
      if (path.startsWith('h.0.') && path.endsWith('fc.weight')) expect(Object.keys(parameter.tensors)).toContain('left.codes');
      if (!path.startsWith('h.1.') || !isEncoded(parameter)) continue;
      const [before, after] = [materializeParameter(pruned, path).data, materializeParameter(made, path).data];
      for (const [index, value] of before.entries()) if (value === 0) expect(after[index]).toBe(0);
    }
  });
});

describe('bad input', () => {
  it.each([
    [{}, 'bad_recipe', /qat\.bits: must be 8, 4, 3 or 2/],
    [{ bits: 5 }, 'bad_recipe', /qat\.bits: must be 8, 4, 3 or 2, got 5/],
    [{ scheme: 'ternary', bits: 2 }, 'bad_recipe', /qat\.bits: scheme "ternary" has its own codes/],
    [{ bits: 4, activations: 'dynamic' }, 'bad_recipe', /qat\.activations: .*set bits to 8/],
    [{ bits: 4, perChannel: true, groupSize: 32 }, 'bad_recipe', /perChannel/],
    [
      { bits: 4, lambdaSteps: 7 },
      'schedule_misses_target',
      /qat\.lambdaSteps: rounding is whole after 7 steps, and the training ends after 6/,
    ],
    [{ scheme: 'binary', ternarySteps: 3, lambdaSteps: 4 }, 'schedule_misses_target', /training ends after 3/],
    [{ bits: 4, training: { stepz: 1 } }, 'bad_recipe', /qat\.training\.stepz/],
    [{ bits: 4, include: ['nowhere'] }, 'pattern_matches_nothing', /nowhere/],
    [{ bits: 4, training: { ...training, learningRate: 1e30 } }, 'diverged', /step \d+: /],
  ])('names the fault of %j', async (settings, code, message) => {
    const failure = await Promise.resolve()
      .then(() => run(settings))
      .catch((error: Error) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses to split factors, to train without data, and to quantize twice', async () => {
    const both = (steps: readonly object[]) => runRecipe({ engine, model, corpus, steps });
    await expect(both([{ lowRank: { rank: 4 } }, { qat: { scheme: 'binary', training } }])).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/lowRank.*set split to false/),
    });
    await expect(both([{ quantize: { bits: 8 } }, { qat: { bits: 4, training } }])).rejects.toMatchObject({ code: 'already_quantized' });
    const recipe = parseRecipe({ steps: [{ qat: { bits: 4, training } }] }, recipeMethods);
    await expect(compressModel(model, recipe, { engine }, quietContext)).rejects.toMatchObject({ code: 'not_enough_samples' });
  });
});

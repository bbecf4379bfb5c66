// Module replacing and training on data as steps of a recipe: what trains and what stays, early stopping, and going on where a run was stopped.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type OperationContext, type Progress, quietContext, Random } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { checkModel, type EncoderDecoderConfig, initializeModel, type Model, randomLike, storedTensors, taskOf } from '#models';
import { rawBytes, tensorBytes } from '#tensor';
import { bertConfig, countingTexts, tinyTexts, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import { measuredBatches, objectiveOf, splitHeldOut, type TrainingData, type TrainRequest, trainModel } from '#train';
import { isOfSuccessor, joinModel } from '../../../src/compress/theseus/modules.ts';
import { drawModules, replacementSchedule } from '../../../src/compress/theseus/schedule.ts';
import { theseusScheme } from '../../../src/compress/theseus/scheme.ts';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../../src/jobs/layer-folder.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import { taughtTask } from '../../../src/jobs/taught-task.ts';
import { gpt2, tinyCorpus, tinyModel, tinySettings } from '../train/tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const causal = tinyModel({ ...gpt2, layers: 4 });
const classifier = initializeModel({ ...bertConfig(twoLabels), layers: 4 }, new Random(1), 0.2);
const text = tinyCorpus();
const labelled: TrainingData = { texts: tinyTexts(64) };
const training = { steps: 8, batchSize: 4, sequenceLength: 12, learningRate: 0.01, warmupSteps: 1, checkpointEvery: 2 };
const replacing = { modules: 2, replacementSteps: 4, patience: 0, training };

interface RunOptions {
  readonly data?: TrainingData;
  readonly folder?: string;
  readonly context?: OperationContext;
  readonly labels?: readonly string[];
}

function run(model: Model, recipe: unknown, { data = text, folder, context = quietContext, labels }: RunOptions = {}) {
  const parsed = parseRecipe(recipe, recipeMethods);
  const layers = folder === undefined ? undefined : new LayerFolder(folder, 'same');
  const environment: RecipeEnvironment = {
    engine,
    ofStep: (step) => ({
      training: new RecipeTraining({
        engine,
        corpus: data,
        labels,
        seed: parsed.seed,
        teacher: async () => model,
        ...(folder === undefined ? {} : { checkpoints: (part) => new FolderCheckpoints(`${folder}/training-${step}${part}`, 'same') }),
      }),
      ...(layers && { memory: layers.step(step) }),
    }),
  };
  return compressModel(model, parsed, environment, context);
}

function bytesOf(model: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(model)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

/** Reports of one phase, and a stop after one of its steps. */
function watched(
  phase: string,
  stopAfter = Number.POSITIVE_INFINITY,
): { readonly context: OperationContext; readonly reports: Progress[] } {
  const stop = new AbortController();
  const reports: Progress[] = [];
  const report = (progress: Progress): void => {
    if (progress.phase !== phase) return;
    reports.push(progress);
    if (progress.step === stopAfter) stop.abort();
  };
  return { context: { signal: stop.signal, report }, reports };
}

const cases: readonly [string, Model, TrainingData][] = [
  ['a GPT-2', causal, text],
  ['a BERT classifier', classifier, labelled],
];

describe.each(cases)('module replacing in %s', (_, model, data) => {
  it('makes an ordinary model of the successor, with embeddings and head as they were', async () => {
    const { model: successor, report } = await run(model, { steps: [{ theseus: replacing }] }, { data });
    checkModel(successor);
    expect(successor.config).toEqual({ ...model.config, layers: 2 });
    expect(taskOf(successor.config)).toEqual(taskOf(model.config));
    const [before, after] = [bytesOf(model), bytesOf(successor)];
    for (const [name, bytes] of Object.entries(after))
      if (!name.startsWith('h.')) expect(bytes, name).toBe(before[name]);
      // Softmax ignores a bias of keys: its gradient is rounding alone.
      else if (!/attn\.(k|qkv)\.bias/.test(name)) expect(bytes, name).not.toBe(before[name]);
    expect(report.steps[0]).toMatchObject({ method: 'theseus', layers: [] });
    expect(report.steps[0]?.note).toMatch(/^4 layers by 2 in 2 modules, all replaced by step 4; 8 steps on .* tokens, loss \d/);
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore);
  });

  it('has equal weights for equal seeds, and draws others for another', async () => {
    const trained = async (seed: number): Promise<Record<string, string>> =>
      bytesOf((await run(model, { seed: 3, steps: [{ theseus: { ...replacing, seed } }] }, { data })).model);
    const [first, again, other] = [await trained(1), await trained(1), await trained(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  it('leaves every tensor of the predecessor as it was', async () => {
    const joined = joinModel(model, { modules: 2, layers: undefined, start: 'first' });
    const trains = (path: string): boolean => isOfSuccessor(joined.stacks, path);
    const request: TrainRequest = {
      model: joined.model,
      objective: objectiveOf(data, { batchSize: 4 }),
      corpus: data,
      settings: tinySettings({ steps: 6, batchSize: 4, sequenceLength: 12 }),
      scheme: theseusScheme(
        joined,
        replacementSchedule({ schedule: 'constant', p: 0.5, k: undefined, b: undefined, replacementSteps: 4 }, 6),
        1,
      ),
      trains,
    };
    const { model: after } = await trainModel(request, engine, quietContext);
    const [old, made] = [bytesOf(joined.model), bytesOf(after)];
    const changed = Object.keys(old).filter((name) => old[name] !== made[name]);
    expect(changed.length).toBeGreaterThan(10);
    expect(changed.every(trains)).toBe(true);
  });

  it.each([3, 4, 6, 7])('goes on exactly after a stop in step %i, without drawing or measuring anything else', async (stopAfter) => {
    const step = { ...replacing, schedule: 'constant', p: 0.4, patience: 2, evaluateEvery: 2, heldOut: 0.2 };
    const recipe = { steps: [{ theseus: step }] };
    const measured = (reports: readonly Progress[]) => reports.filter(({ item }) => item === 'validation').map(({ metrics }) => metrics);
    const straight = watched('theseus');
    const wanted = await run(model, recipe, { data, context: straight.context });
    expect(measured(straight.reports)).toHaveLength(2);
    const folder = temporaryFolder();
    const stopped = watched('theseus', stopAfter);
    await expect(run(model, recipe, { data, folder, context: stopped.context })).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = watched('theseus');
    const made = await run(model, recipe, { data, folder, context: resumed.context });
    expect(bytesOf(made.model)).toEqual(bytesOf(wanted.model));
    expect(made.report).toEqual(wanted.report);
    const again = watched('theseus');
    expect(bytesOf((await run(model, recipe, { data, folder, context: again.context })).model)).toEqual(bytesOf(wanted.model));
    expect(again.reports).toEqual([]);
  });
});

describe('a replaced module', () => {
  it('runs as often as its chance says, and all of them run in the end', async () => {
    const joined = joinModel(causal, { modules: 2, layers: undefined, start: 'first' });
    const schedule = replacementSchedule({ schedule: 'linear', p: undefined, k: 0.001, b: 0.2, replacementSteps: undefined }, 1000);
    const scheme = theseusScheme(joined, schedule, 7);
    const drawn = Array.from({ length: 1000 }, (_, index) => scheme.step!(index + 1));
    const expected = Array.from({ length: 800 }, (_, index) => schedule.chance(index + 1)).reduce((sum, chance) => sum + chance, 0);
    for (const module of [0, 1]) {
      const count = drawn.slice(0, 800).filter(({ variant }) => variant?.[module] === '1').length;
      expect(Math.abs(count - expected)).toBeLessThan(60); // four standard deviations
    }
    expect(drawn.slice(800).every(({ variant, isLast }) => variant === '11' && isLast === true)).toBe(true);
    expect(drawn.slice(0, 800).some(({ isLast }) => isLast === true)).toBe(false);
    expect(drawn[41]?.variant).toBe(drawModules(2, schedule.chance(42), 7, 42));
  });

  it('leaves nothing of the predecessor on the device once all are replaced', async () => {
    const { context, reports } = watched('theseus');
    await run(causal, { steps: [{ theseus: replacing }] }, { context });
    const bytes = reports.map(({ metrics }) => Number(metrics?.['deviceBytes']));
    const predecessor = [...storedTensors(causal)].filter(([name]) => name.startsWith('h.')).map(([, tensor]) => tensorBytes(tensor));
    const expected = predecessor.reduce((sum, each) => sum + each, 0);
    expect((bytes[3] ?? 0) - (bytes[4] ?? 0)).toBe(expected);
    expect(bytes[7]).toBe(bytes[4]);
  });

  it('stands in both stacks of an encoder-decoder, which learns from pairs', async () => {
    const config: EncoderDecoderConfig = {
      architecture: 'encoderDecoder',
      vocabularySize: 29,
      width: 8,
      layers: 2,
      heads: 2,
      feedForwardWidth: 12,
      encoder: { layers: 2, heads: 2, headWidth: 4, feedForwardWidth: 12 },
      headWidth: 4,
      maxPositions: 16,
      normEpsilon: 1e-5,
      norm: 'rms',
      normPlacement: 'before',
      biases: false,
      gated: false,
      activation: 'relu',
      embeddingNorm: false,
      finalNorm: true,
      positions: { kind: 'relative', buckets: 4, maxDistance: 8 },
      scaledEmbedding: false,
      scaledScores: true,
      scaledHead: false,
      headBias: false,
      headTransform: false,
      tiedHead: true,
      startToken: 1,
      padToken: 0,
      endTokens: [2],
    };
    const pairs = Array.from({ length: 20 }, (_, index) => {
      const ids = Int32Array.of(3 + index, 4 + index, 2);
      return { source: ids, target: ids };
    });
    const data: TrainingData = { pairs, numTooLong: 0, fingerprint: 'pairs', tokenizerHash: 'tiny' };
    const step = { modules: 1, replacementSteps: 3, patience: 1, evaluateEvery: 2, training };
    const before = initializeModel(config, new Random(2), 0.2);
    const { model, report } = await run(before, { steps: [{ theseus: step }] }, { data });
    checkModel(model);
    expect(model.config).toMatchObject({ layers: 1, encoder: { layers: 1 } });
    expect(report.steps[0]?.note).toMatch(/^2 layers by 1 and 2 layers by 1 in 1 and 1 modules, all replaced by step 3/);
    expect(bytesOf(model)['decoder.relative.weight']).toBe(bytesOf(before)['decoder.relative.weight']);
    expect(bytesOf(model)['encoder.h.0.mlp.fc.weight']).not.toBe(bytesOf(before)['encoder.h.0.mlp.fc.weight']);
  });

  it('may be replaced from the first step on', async () => {
    const { model } = await run(causal, { steps: [{ theseus: { ...replacing, schedule: 'constant', p: 1 } }] });
    expect(model.config.layers).toBe(2);
  });
});

describe('faults of a recipe with module replacing', () => {
  it.each([
    [{ theseus: { ...replacing, modules: 3 } }, 'modules_do_not_divide', /4 layers cannot be divided into 3 modules.*Choose 1, 2 modules/],
    [{ theseus: { ...replacing, replacementSteps: 9 } }, 'schedule_misses_target', /after 9 steps, and the training has 8/],
    [{ theseus: { ...replacing, training: { sequenceLength: 99 } } }, 'context_too_long', /theseus\.training\.sequenceLength: 99/],
    [{ theseus: { ...replacing, patience: 1, heldOut: 0.99 } }, 'not_enough_samples', /heldOut.*600 tokens/],
    [{ train: { include: ['nowhere'] } }, 'pattern_matches_nothing', /train: pattern "nowhere"/],
    [
      { finetune: { task: 'classify', labels: ['a', 'b'] } },
      'unsupported',
      /finetune\.task: gpt2 models cannot have the task "classify"; theirs is causal/,
    ],
  ])('names that of %j', async (step, code, message) => {
    const failure = await run(causal, { steps: [step] }).catch((error: Error) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses layers in codes, and steps that train without data', async () => {
    const quantized = { quantize: { bits: 8, groupSize: 16 } };
    await expect(run(causal, { steps: [quantized, { theseus: replacing }] })).rejects.toMatchObject({ code: 'already_quantized' });
    const recipe = parseRecipe({ steps: [{ theseus: replacing }] }, recipeMethods);
    await expect(compressModel(causal, recipe, { engine }, quietContext)).rejects.toMatchObject({ code: 'not_enough_samples' });
  });

  it('refuses steps that teach different tasks', () => {
    const taught = (...steps: readonly object[]) =>
      taughtTask(parseRecipe({ steps: steps.map((step) => ({ finetune: step })) }, recipeMethods));
    expect(taught({ task: 'classify' }, { task: 'classify', labels: ['a', 'b'] })).toEqual({ kind: 'classify', labels: ['a', 'b'] });
    expect(() => taught({ task: 'classify' }, { task: 'masked' })).toThrow(/bad_recipe.*steps\[1\]\.finetune\.task.*two jobs/);
    expect(() => taught({ task: 'classify', labels: ['a', 'b'] }, { task: 'classify', labels: ['b', 'a'] })).toThrow(/bad_recipe/);
    expect(() => taught({ task: 'masked', labels: ['a', 'b'] })).toThrow(/finetune\.labels.*leave them out/);
    expect(() => taught({ task: 'classify', labels: ['a', 'a'] })).toThrow(/finetune\.labels.*one label twice/);
  });
});

describe('training on data as a step', () => {
  const settings = { ...training, steps: 4 };

  it('trains what its patterns say, or starts at random weights', async () => {
    const { model } = await run(causal, { steps: [{ train: { ...settings, include: ['h.*'] } }] });
    const [before, after] = [bytesOf(causal), bytesOf(model)];
    const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(changed.length).toBeGreaterThan(20);
    expect(changed.every((name) => name.startsWith('h.'))).toBe(true);
    const scratch = await run(causal, { seed: 5, steps: [{ train: { ...settings, fromScratch: true, include: ['h.*'] } }] });
    expect(bytesOf(scratch.model)['embed.token.weight']).toBe(bytesOf(randomLike(causal, 5))['embed.token.weight']);
  });

  it('gives an encoder the head of its task, and goes on with it', async () => {
    const sentences = initializeModel(
      { ...bertConfig({ kind: 'embed', pooling: 'mean', normalize: true }), layers: 4 },
      new Random(1),
      0.2,
    );
    const recipe = {
      steps: [
        { finetune: { task: 'classify', ...settings, steps: 30 } },
        { theseus: { ...replacing, layers: 2 } },
        { quantize: { bits: 8, groupSize: 16 } },
      ],
    };
    const { model, report } = await run(sentences, recipe, { data: labelled, labels: ['low', 'high'] });
    checkModel(model);
    expect(model.config).toMatchObject({ layers: 2, task: { kind: 'classify', labels: ['low', 'high'] } });
    expect(report.steps.map(({ method }) => method)).toEqual(['finetune', 'theseus', 'quantize']);
    await expect(run(sentences, { steps: recipe.steps.slice(0, 1) }, { data: labelled })).rejects.toMatchObject({
      code: 'not_enough_samples',
      message: expect.stringMatching(/finetune\.labels/),
    });
    const lines: TrainingData = { lines: countingTexts(40), masking: { maskToken: 4, specialTokens: new Set([0, 1, 2, 3, 4]) } };
    const masked = await run(sentences, { steps: [{ finetune: { task: 'masked', ...settings, sequenceLength: 16 } }] }, { data: lines });
    expect(taskOf(masked.model.config)).toEqual({ kind: 'masked' });
    const continued = await run(causal, { steps: [{ finetune: { task: 'causal', ...settings } }] });
    expect(bytesOf(continued.model)).toEqual(bytesOf((await run(causal, { steps: [{ train: settings }] })).model));
  });
});

describe('early stopping', () => {
  const { trains, heldOut } = splitHeldOut(labelled, 0.25, { sequenceLength: 12, seed: 1 });
  /** A rate at which nothing good comes after the first steps. */
  const settings = tinySettings({
    steps: 40,
    batchSize: 4,
    sequenceLength: 12,
    learningRate: 0.2,
    schedule: 'constant',
    checkpointEvery: 3,
  });
  const request = (patience: number): TrainRequest => ({
    model: classifier,
    objective: objectiveOf(labelled, settings),
    corpus: trains,
    settings,
    phase: 'stopping',
    stopping: { batches: measuredBatches(classifier, heldOut, settings), evaluateEvery: 2, patience },
  });

  it('ends the training, and keeps what did best', async () => {
    const { context, reports } = watched('stopping');
    const { best, steps, model } = await trainModel(request(3), engine, context);
    const measured = reports.filter(({ item }) => item === 'validation');
    expect(steps).toBeLessThan(40);
    expect(measured.map(({ step }) => step)).toEqual(Array.from({ length: steps / 2 }, (_, index) => 2 * (index + 1)));
    const losses = measured.map(({ metrics }) => Number(metrics?.['loss']));
    expect(best).toEqual({ step: steps - 6, loss: Math.min(...losses) });
    // Measured again without training: a step at the smallest rate there is.
    const still = await trainModel(
      {
        ...request(1),
        model,
        settings: { ...settings, steps: 1, learningRate: 1e-30, optimizer: { kind: 'sgd' } },
        stopping: { ...request(1).stopping!, evaluateEvery: 1 },
      },
      engine,
      quietContext,
    );
    expect(still.best?.loss).toBeCloseTo(best?.loss ?? Number.NaN, 6);
  });

  it('keeps what did best through a stop that came after it', async () => {
    const straight = await trainModel(request(3), engine, quietContext);
    const bestStep = straight.best?.step ?? 0;
    const checkpoints = new FolderCheckpoints(temporaryFolder(), 'same');
    const { context } = watched('stopping', bestStep + 3);
    await expect(trainModel({ ...request(3), checkpoints }, engine, context)).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = await trainModel({ ...request(3), checkpoints }, engine, quietContext);
    expect([resumed.steps, resumed.best]).toEqual([straight.steps, straight.best]);
    expect(bytesOf(resumed.model)).toEqual(bytesOf(straight.model));
  });

  it('holds out what is not trained on', () => {
    if (!('texts' in trains && 'texts' in heldOut && 'texts' in labelled)) throw new Error('texts stay texts');
    expect([trains.texts.length, heldOut.texts.length]).toEqual([48, 16]);
    expect(new Set([...trains.texts, ...heldOut.texts])).toEqual(new Set(labelled.texts));
    const corpus = splitHeldOut(text, 0.1, { sequenceLength: 12, seed: 1 });
    if (!('tokens' in corpus.trains && 'tokens' in corpus.heldOut)) throw new Error('running text stays running text');
    expect([...corpus.trains.tokens, ...corpus.heldOut.tokens]).toEqual([...text.tokens]);
    expect(corpus.heldOut.tokens).toHaveLength(60);
    expect(() => splitHeldOut({ texts: tinyTexts(1) }, 0.5, { sequenceLength: 8, seed: 0 })).toThrow(/not_enough_samples.*one text/);
  });
});

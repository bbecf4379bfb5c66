// Pruning that is learnt: exact zeros on a cubic schedule, zeros that stay, the schedule of the paper's code, exact resume, faults with names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { runAtOnce } from '#linalg';
import { checkModel, keptCount, type Model, maskFlags, materializeParameter, parameterCounts } from '#models';
import { exportHuggingFace, importHuggingFace, LocalStore } from '#store';
import { temporaryFolder } from '#test/temporary';
import { MaskSet } from '../../../src/compress/prune/learned/mask-set.ts';
import { choosesBefore, pruningShare } from '../../../src/compress/prune/learned/schedule.ts';
import { gradualTraining, movementTraining, scoreLimit } from '../../../src/compress/prune/learned/scheme.ts';
import { dropSmallest } from '../../../src/compress/prune/smallest.ts';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { abortAfter, runRecipe, storedBytesOf } from '../../support/recipe-runs.ts';
import { tinyTokenizer } from '../store/models.ts';
import { tinyCorpus } from '../train/tiny-training.ts';
import { gpt2Config, tinyModel } from './tiny-model.ts';

const engine = await createOnnxEngine({ threads: 1 });
afterAll(() => engine.dispose());

const model = tinyModel();
const corpus = tinyCorpus(600, gpt2Config.vocabularySize);
const training = { steps: 9, batchSize: 2, sequenceLength: 8, learningRate: 0.01, checkpointEvery: 1, warmupSteps: 1 };
const run = (settings: object, folder?: string, context = quietContext, which: Model = model, before: readonly object[] = []) =>
  runRecipe({
    engine,
    model: which,
    corpus,
    steps: [...before, { prune: { training, every: 2, ...settings } }],
    context,
    ...(folder === undefined ? {} : { folder }),
  });

const cases = [
  { method: 'movement', sparsity: 0.53, warmupSteps: 2, cooldownSteps: 2 },
  { method: 'movement', sparsity: 0.9, scope: 'global' },
  { method: 'gradual', sparsity: 0.53, warmupSteps: 1, cooldownSteps: 3 },
  { method: 'gradual', sparsity: 0.9, scope: 'global' },
  { method: 'softMovement', threshold: 0.45, scoreLearningRate: 0.2, penalty: 10 },
];

/** Zeros and weights of each sparse matrix. */
function zerosOf(which: Model): Map<string, { readonly zeros: number; readonly size: number }> {
  const found = new Map<string, { zeros: number; size: number }>();
  for (const [path, parameter] of which.parameters) {
    const kept = keptCount(parameter, 'value');
    const size = materializeParameter(which, path).data.length;
    if (kept !== undefined) found.set(path, { zeros: size - kept, size });
  }
  return found;
}

describe('the schedule', () => {
  const { cubic } = JSON.parse(readFileSync(new URL('../../golden/data/training-methods.json', import.meta.url), 'utf8')) as {
    cubic: { steps: number; warmup: number; cooldown: number; final: number; kept: readonly number[] };
  };

  it('is that of the code of movement pruning', () => {
    const schedule = { steps: cubic.steps, warmupSteps: cubic.warmup, cooldownSteps: cubic.cooldown, every: 1 };
    for (const [index, kept] of cubic.kept.entries())
      expect(1 - (1 - cubic.final) * pruningShare(index + 1, schedule)).toBeCloseTo(kept, 12);
  });

  it('chooses every few steps after the warm-up, and when the sparsity is reached', () => {
    const schedule = { steps: 20, warmupSteps: 3, cooldownSteps: 5, every: 5 };
    const chosen = Array.from({ length: 25 }, (_, step) => step).filter((step) => choosesBefore(step, schedule));
    expect(chosen).toEqual([8, 13, 15, 18]);
    expect(chosen.map((step) => pruningShare(step, schedule))).toEqual([
      expect.closeTo(1 - (7 / 12) ** 3),
      expect.closeTo(1 - (2 / 12) ** 3),
      1,
      1,
    ]);
  });
});

describe('the choice of zeros', () => {
  const random = new Random(4);
  const sizes = [20_000, 17, 400];
  const slots = sizes.map((size, index) => ({ stored: `w${index}`, shape: [size], size, former: undefined }));
  const scores = new Map(
    slots.map(({ stored, size }) => [stored, Float32Array.from({ length: size }, (_, index) => (index % 5 === 0 ? 0 : random.normal()))]),
  );
  const scoresOf = ({ stored }: { readonly stored: string }): Float32Array => scores.get(stored)!;
  const zerosIn = (masks: MaskSet): number[] => slots.map(({ stored }) => masks.flags(stored).reduce((sum, flag) => sum + 1 - flag, 0));

  it('drops the lowest scores of either sign, exactly as many as asked, ties by their place', () => {
    for (const { stored, size } of slots) {
      const given = scores.get(stored)!;
      for (const count of [0, 1, Math.floor(size / 3), Math.floor(size / 2), size]) {
        const keeps = new Uint8Array(size).fill(1);
        runAtOnce(dropSmallest(given, count, keeps));
        const order = Array.from(given.keys()).sort((first, second) => given[first]! - given[second]! || first - second);
        const expected = new Uint8Array(size).fill(1);
        for (const index of order.slice(0, count)) expected[index] = 0;
        expect(keeps).toEqual(expected);
      }
    }
  });

  it('counts by matrix or over all, and keeps former zeros where asked', () => {
    const masks = new MaskSet(slots);
    runAtOnce(masks.choose(scoresOf, { sparsity: 0.3, scope: 'layer', keepsZeros: false }));
    expect(zerosIn(masks)).toEqual(sizes.map((size) => Math.floor(0.3 * size)));
    runAtOnce(masks.choose(scoresOf, { sparsity: 0.5, scope: 'global', keepsZeros: false }));
    expect(zerosIn(masks).reduce((sum, zeros) => sum + zeros)).toBe(10_000 + 8 + 200);
    const former = slots.map(({ stored }) => masks.flags(stored));
    runAtOnce(masks.choose((slot) => scoresOf(slot).map((score) => -score), { sparsity: 0.6, scope: 'layer', keepsZeros: true }));
    for (const [index, { stored }] of slots.entries()) {
      const flags = masks.flags(stored);
      for (const [place, kept] of former[index]!.entries()) if (kept === 0) expect(flags[place]).toBe(0);
    }
  });

  it('survives being saved', () => {
    const masks = new MaskSet(slots);
    runAtOnce(masks.choose(scoresOf, { sparsity: 0.3, scope: 'layer', keepsZeros: false }));
    const other = new MaskSet(slots);
    other.restore(JSON.parse(JSON.stringify(masks.save())));
    for (const { stored } of slots) expect(other.flags(stored)).toEqual(masks.flags(stored));
    expect(() => other.restore({ w0: '' })).toThrow(/resume_mismatch.*w0/s);
  });
});

describe('masks while training', () => {
  const options = { schedule: { steps: 10, warmupSteps: 2, cooldownSteps: 3, every: 2 }, sparsity: 0.5, scope: 'layer' } as const;
  const slot = { stored: 'w', shape: [8], size: 8, former: undefined };
  const rising = (): Float32Array => Float32Array.from({ length: 8 }, (_, index) => index - 4);

  it('of gradual pruning only ever grow, and stand still in the cool-down', () => {
    const masks = new MaskSet([slot]);
    const gradual = gradualTraining(masks, options);
    const zeros: number[] = [];
    for (let step = 1; step <= 10; step++) {
      const before = Uint8Array.from(masks.flags('w'));
      // The weights turn round all the time.
      const choosing = gradual.afterStep(step, () => () => rising().map((value) => (step % 4 < 2 ? value : 4 - value)));
      if (choosing !== undefined) runAtOnce(choosing);
      for (const [index, kept] of before.entries()) if (kept === 0) expect(masks.flags('w')[index]).toBe(0);
      zeros.push(masks.counts().zeros);
    }
    // After step 3 for step 4 (2 of 5 steps), after step 5 for step 6, after step 6 for step 7, where the rise ends.
    expect(zeros).toEqual([0, 0, 3, 3, 3, 4, 4, 4, 4, 4]);
  });

  it('of movement pruning follow the scores to the end', () => {
    const masks = new MaskSet([slot]);
    const movement = movementTraining(masks, options, 1);
    for (let step = 1; step <= 10; step++) {
      const scores = step < 9 ? rising() : rising().reverse();
      movement.scheme.observe?.(step, {}, () => ({ dtype: 'float32', shape: [8], data: new Float32Array(scores) }));
      const choosing = movement.afterStep(step, () => rising);
      if (choosing !== undefined) runAtOnce(choosing);
    }
    expect(Array.from(masks.flags('w'))).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
  });

  it('of soft movement have their limit where the sigmoid is the threshold', () => {
    expect(scoreLimit(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(1 / (1 + Math.exp(-scoreLimit(0.1)))).toBeCloseTo(0.1, 7);
  });
});

describe('learned pruning', () => {
  it.each(cases)('ends with exactly the zeros that were asked for, stored sparsely: %j', async (settings) => {
    const { model: made, report } = await run(settings);
    checkModel(made);
    const zeros = zerosOf(made);
    const [zeroSum, sizeSum] = [...zeros.values()].reduce(([sum, all], { zeros: count, size }) => [sum + count, all + size], [0, 0]);
    if (settings.method === 'softMovement') {
      expect(zeroSum).toBeGreaterThan(0);
      expect(zeroSum).toBeLessThan(sizeSum);
    } else if (settings.scope === 'global') {
      const sizes = report.steps[0]!.layers.map(({ path }) => materializeParameter(made, path).data.length);
      expect(zeroSum).toBe(sizes.reduce((sum, size) => sum + Math.floor(settings.sparsity! * size), 0));
    } else for (const { zeros: count, size } of zeros.values()) expect(count).toBe(Math.floor(settings.sparsity! * size));
    expect(report.steps[0]?.note).toMatch(/9 steps on .* % zeros; loss on training text [\d.]+ as given and [\d.]+ pruned/);
    expect(report.steps[0]!.bytesAfter).toBeLessThan(report.steps[0]!.bytesBefore);
    expect(report.bytesAfter).toBe(parameterCounts(made).storedBytes);
  });

  it.each(cases)('goes on where it was stopped, and does not train again: %j', async (settings) => {
    const straight = await run(settings);
    const folder = temporaryFolder();
    for (const count of [4, 3])
      await expect(run(settings, folder, abortAfter('prune', count))).rejects.toMatchObject({ code: 'cancelled' });
    const resumed = await run(settings, folder);
    expect(storedBytesOf(resumed.model)).toEqual(storedBytesOf(straight.model));
    expect(resumed.report).toEqual(straight.report);
    const seen = abortAfter('prune', 1);
    const again = await run(settings, folder, seen);
    expect(seen.signal.aborted).toBe(false);
    expect(storedBytesOf(again.model)).toEqual(storedBytesOf(straight.model));
  });

  it.each(cases)('keeps its zeros through a training and a quantization afterwards, and those of before: %j', async (settings) => {
    const pruned = (await run({ ...settings, include: ['h.0.*'] })).model;
    const path = 'h.0.mlp.fc.weight';
    const parameter = pruned.parameters.get(path)!;
    const size = materializeParameter(pruned, path).data.length;
    const flags = maskFlags(parameter.tensors['value.mask']!, size);
    const after = (
      await runRecipe({
        engine,
        model: pruned,
        corpus,
        steps: [
          { distill: training },
          { prune: { method: 'gradual', sparsity: 0.95, training, every: 2 } },
          { quantize: { bits: 8, groupSize: 16 } },
        ],
      })
    ).model;
    const data = materializeParameter(after, path).data;
    for (const [index, kept] of flags.entries()) if (kept === 0) expect(data[index]).toBe(0);
  });

  it('means the same loaded again, and written out in floats', async () => {
    const { model: made } = await run(cases[0]!);
    const store = await LocalStore.open(temporaryFolder(), { clock: { nowMs: () => 0, monotonicMs: () => 0 } });
    await store.saveArtefact('made', { model: made, tokenizerFiles: tinyTokenizer(40), generation: {}, meta: {} });
    expect([...(await store.loadArtefact('made')).model.parameters]).toEqual([...made.parameters]);
    const folder = join(temporaryFolder(), 'hf');
    await exportHuggingFace(made, tinyTokenizer(40), folder);
    const { model: imported } = await importHuggingFace(folder);
    for (const path of made.parameters.keys()) expect(materializeParameter(imported, path)).toEqual(materializeParameter(made, path));
  });

  it('prunes factors and tables too', async () => {
    const { model: made } = await run({ method: 'movement', sparsity: 0.5, include: ['*'] }, undefined, quietContext, model, [
      { lowRank: { rank: 8, include: ['h.0.mlp.fc.weight'] } },
    ]);
    expect(keptCount(made.parameters.get('h.0.mlp.fc.weight')!, 'left')).toBe(64);
    expect(keptCount(made.parameters.get('h.0.mlp.fc.weight')!, 'right')).toBe(128);
    expect(keptCount(made.parameters.get('embed.token.weight')!, 'value')).toBe(320);
  });
});

describe('bad input', () => {
  it.each([
    [{ method: 'movement' }, 'bad_recipe', /prune\.sparsity: "movement" needs a sparsity/],
    [{ method: 'softMovement', sparsity: 0.5 }, 'bad_recipe', /prune\.sparsity: follows from "threshold"/],
    [{ method: 'gradual', sparsity: 0.5, scoreLearningRate: 1 }, 'bad_recipe', /no scores/],
    [{ method: 'gradual', sparsity: 1 }, 'bad_recipe', /sparsity must be below 1/],
    [{ method: 'gradual', sparsity: 0.5, pattern: '2:4' }, 'bad_recipe', /prune\.pattern/],
    [
      { method: 'gradual', sparsity: 0.5, warmupSteps: 5, cooldownSteps: 4 },
      'schedule_misses_target',
      /5 steps of warm-up and 4 of cool-down leave none of the 9/,
    ],
    [{ method: 'movement', sparsity: 0.5, include: ['nowhere'] }, 'pattern_matches_nothing', /nowhere/],
    [{ method: 'movemnt', sparsity: 0.5 }, 'bad_recipe', /must be one of magnitude, .*movement/],
  ])('names the fault of %j', async (settings, code, message) => {
    const failure = await Promise.resolve()
      .then(() =>
        runRecipe({ engine, model, corpus, steps: [{ prune: settings.method === 'movemnt' ? settings : { training, ...settings } }] }),
      )
      .catch((error: Error) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses to train without data', async () => {
    const recipe = parseRecipe({ steps: [{ prune: { method: 'movement', sparsity: 0.5, training } }] }, recipeMethods);
    await expect(compressModel(model, recipe, { engine }, quietContext)).rejects.toMatchObject({ code: 'not_enough_samples' });
  });
});

// Distillation as a step of a recipe: it trains towards the right teacher, on what it is told, and goes on where it was.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment, type TrainingMaterial, WindowCalibration } from '#compress';
import { distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Model, parameterCounts, parameterSpecs, storedTensors } from '#models';
import { elementCount, rawBytes } from '#tensor';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import type { TrainingData } from '#train';
import { parseYaml } from '../../../src/jobs/check-input.ts';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../../src/jobs/layer-folder.ts';
import { namedRecipe, recipeNames } from '../../../src/jobs/named-recipes.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import { gpt2Config, tinyModel, tinyWindows } from '../compress/tiny-model.ts';
import { tinyCorpus } from '../train/tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

const text = tinyCorpus();
const source = tinyModel();
const stored: Readonly<Record<string, Model>> = { other: tinyModel(undefined, 5) };

/** What a job gives to a recipe; `folder` keeps layers and checkpoints. */
function environment(model: Model, seed: number | undefined, folder?: string, corpus: TrainingData = text): RecipeEnvironment {
  const teacher: TrainingMaterial['teacher'] = async (name) => (name === undefined ? model : (stored[name] ?? model));
  const layers = folder === undefined ? undefined : new LayerFolder(folder, 'same');
  return {
    engine,
    calibration: new WindowCalibration(engine, tinyWindows()),
    heldOut: { fits: () => true, measure: async () => ({ loss: 1 }), latencyMs: async () => 1 },
    ofStep: (step) => ({
      training: new RecipeTraining({
        engine,
        corpus,
        seed,
        teacher,
        ...(folder === undefined ? {} : { checkpoints: (part) => new FolderCheckpoints(`${folder}/training-${step}${part}`, 'same') }),
      }),
      ...(layers === undefined ? {} : { memory: layers.step(step) }),
    }),
  };
}

function run(recipe: unknown, folder?: string, context: OperationContext = quietContext): ReturnType<typeof compressModel> {
  const parsed = parseRecipe(recipe, recipeMethods);
  return compressModel(source, parsed, environment(source, parsed.seed, folder), context);
}

function bytesOf(model: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(model)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

const settings = { steps: 4, batchSize: 2, sequenceLength: 8, learningRate: 0.01, checkpointEvery: 1 };
const half = { lowRank: { ratio: 0.5 } };

describe('a distill step', () => {
  it('is the distillation of the step before from the original model, or from the teacher that it names', async () => {
    const student = (await run({ steps: [half] })).model;
    for (const [name, teacher] of [
      [undefined, source],
      ['other', stored['other'] ?? source],
    ] as const) {
      const step = { distill: { ...settings, ...(name === undefined ? {} : { teacher: name }) } };
      const { model, report } = await run({ steps: [half, step] });
      const alone = await distillModel(
        { student, teacher, corpus: text, settings: distillSettings({ ...settings, seed: 0 }) },
        engine,
        quietContext,
      );
      expect(bytesOf(model)).toEqual(bytesOf(alone.model));
      expect(report.steps[1]).toMatchObject({
        method: 'distill',
        layers: [],
        note: expect.stringMatching(/^4 steps on 64 tokens, loss \d/),
      });
    }
  });

  it('takes the seed of the recipe, and trains only what its patterns say', async () => {
    const [first, second] = await Promise.all([1, 2].map((seed) => run({ seed, steps: [{ distill: settings }] })));
    expect(bytesOf(first?.model ?? source)).not.toEqual(bytesOf(second?.model ?? source));
    const { model } = await run({ steps: [{ distill: { ...settings, alpha: 0, include: ['h.*'], exclude: ['h.1.*'] } }] });
    const [before, after] = [bytesOf(source), bytesOf(model)];
    const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(changed.length).toBeGreaterThan(4);
    expect(changed.every((name) => name.startsWith('h.0.'))).toBe(true);
  });

  it.each([
    [{ distill: { stepz: 3 } }, 'bad_recipe', /steps\[0\]\.distill\.stepz.*"steps"/],
    [{ distill: { alpha: 2 } }, 'bad_recipe', /steps\[0\]\.distill\.alpha/],
    [{ distill: { include: ['nowhere.*'] } }, 'pattern_matches_nothing', /nowhere/],
    [{ distill: { exclude: ['*'] } }, 'pattern_matches_nothing', /leave no parameter/],
    [{ distill: { sequenceLength: 99 } }, 'context_too_long', /99 tokens.*24 positions/],
  ])('names the fault in %j', async (step, code, message) => {
    const failure = await Promise.resolve()
      .then(() => run({ steps: [step] }))
      .catch((error: Error) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('goes on after a checkpoint, and does not train again what is trained', async () => {
    const recipe = { steps: [half, { distill: settings }, { quantize: { bits: 8, groupSize: 16 } }] };
    const straight = await run(recipe);
    const folder = temporaryFolder();
    const stop = new AbortController();
    const stopped = run(recipe, folder, {
      signal: stop.signal,
      report: ({ phase, step }) => {
        if (phase === 'distill' && step === 2) stop.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const steps: (number | undefined)[] = [];
    const context: OperationContext = {
      ...quietContext,
      report: ({ phase, step }) => {
        if (phase === 'distill') steps.push(step);
      },
    };
    const resumed = await run(recipe, folder, context);
    expect(steps).toEqual([3, 4]);
    expect(bytesOf(resumed.model)).toEqual(bytesOf(straight.model));
    steps.length = 0;
    const again = await run(recipe, folder, context);
    expect(steps).toEqual([]);
    expect(bytesOf(again.model)).toEqual(bytesOf(straight.model));
    expect(again.report).toEqual(straight.report);
  });
});

describe('recipes by name', () => {
  /** With few steps of training, and few trials. */
  function shortened(name: string, sequenceLength = 8): { steps: Record<string, object>[] } {
    const { steps } = parseYaml(namedRecipe(name), name) as { steps: Record<string, object>[] };
    const few = { steps: 2, sequenceLength };
    return {
      steps: steps.map((step) => {
        if ('distill' in step) return { distill: { ...step['distill'], ...few } };
        return 'search' in step ? { search: { ...step['search'], budget: { trials: 12 }, distill: few } } : step;
      }),
    };
  }

  it('names what there is', () => {
    expect(recipeNames()).toEqual([
      'default',
      'distilbert',
      'distilgpt2',
      'minilm',
      'prune-distill-quantize',
      'search-half',
      'tinybert',
      'tqcompressor',
      'tqcompressor-gated',
    ]);
    expect(() => namedRecipe('tqcompresor')).toThrow(/bad_recipe.*"tqcompressor"/s);
    expect(() => namedRecipe('../tqcompressor')).toThrow(/bad_recipe/);
  });

  it.each(recipeNames())('runs %s', async (name) => {
    const recipe = shortened(name);
    const { report } = await run(recipe);
    expect(report.stop).toBeUndefined();
    expect(report.steps.map(({ method }) => method)).toEqual(recipe.steps.map((step) => Object.keys(step)[0]));
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore * (name.startsWith('tqcompressor') ? 1.2 : 0.7));
  });

  it('begins distilgpt2 with the published layers of its teacher, byte for byte, and leaves positions as they are', async () => {
    const deep = tinyModel({ ...gpt2Config, layers: 12 });
    const parsed = parseRecipe(shortened('distilgpt2'), recipeMethods);
    const [prune] = parsed.steps;
    const begun = await compressModel(deep, { steps: [prune!] }, environment(deep, 1), quietContext);
    const kept = [0, 2, 4, 7, 9, 11];
    for (const [path, { tensors }] of begun.model.parameters) {
      const source = path.replace(/^h\.(\d+)\./, (_, layer) => `h.${kept[Number(layer)]}.`);
      expect(tensors['value'], path).toBe(deep.parameters.get(source)!.tensors['value']);
    }
    const { model } = await compressModel(deep, parsed, environment(deep, 1), quietContext);
    const name = 'embed.position.weight';
    expect(bytesOf(model)[name]).toBe(bytesOf(deep)[name]);
    expect(bytesOf(model)['embed.token.weight']).not.toBe(bytesOf(deep)['embed.token.weight']);
  });

  it.each(['distilbert', 'tinybert', 'minilm'])('makes a classifier of half the layers by %s', async (name) => {
    const teacher = tinyEncoder({ ...bertConfig(twoLabels), layers: 4 }, 3);
    const parsed = parseRecipe(shortened(name, 13), recipeMethods);
    const { model, report } = await compressModel(
      teacher,
      parsed,
      environment(teacher, 1, undefined, { texts: tinyTexts(48) }),
      quietContext,
    );
    expect(model.config).toEqual({ ...teacher.config, layers: 2 });
    for (const { method, note } of report.steps.slice(1))
      expect([method, note]).toEqual(['distill', expect.stringMatching(/^2 steps on /)]);
    expect(report.bytesAfter).toBeLessThan(report.bytesBefore);
  });

  it('has the parameters of the published DistilGPT-2 at its sizes', () => {
    const gpt2 = { ...gpt2Config, vocabularySize: 50_257, width: 768, layers: 12, heads: 12, feedForwardWidth: 3072, maxPositions: 1024 };
    const counted = (layers: number): number =>
      [...parameterSpecs({ config: { ...gpt2, layers } }).values()].reduce((sum, { shape }) => sum + Number(elementCount(shape)), 0);
    expect([counted(12), counted(6)]).toEqual([124_439_808, 81_912_576]);
  });

  it('learns from several teachers that a step names', async () => {
    const losses = [{ kind: 'logits' }, { kind: 'hidden', weight: 0.5, teacher: 1 }];
    const of = (names: readonly string[]) => {
      const distill = { ...settings, losses, teachers: names.map((model) => ({ model, weight: 2 })) };
      return run({ steps: [half, { distill }] });
    };
    expect(bytesOf((await of(['other', 'this'])).model)).not.toEqual(bytesOf((await of(['this', 'other'])).model));
    const [, step] = parseRecipe(
      { steps: [half, { distill: { teachers: [{ model: 'other' }, { model: 'this' }] } }] },
      recipeMethods,
    ).steps;
    expect(step?.models).toEqual(['other', 'this']);
    await expect(run({ steps: [{ distill: { ...settings, losses: [{ kind: 'hidden', teacher: 1 }] } }] })).rejects.toThrow(
      /steps\[0\]: losses\[0\].teacher: there is no teacher 1/,
    );
  });

  it('comes by stages to the sizes of the published layout', async () => {
    const staged = await run(shortened('tqcompressor'));
    const atOnce = await run({ steps: [{ kronecker: { layout: 'tqcompressor' } }] });
    expect(parameterCounts(staged.model)).toEqual(parameterCounts(atOnce.model));
    expect(staged.model.config).toEqual(atOnce.model.config);
  });
});

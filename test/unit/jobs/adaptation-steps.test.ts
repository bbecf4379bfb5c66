// The steps ladder and lora: what trains and what stays bit for bit, the cache of the frozen model's answers, and going on after a stop.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { checkModel, ladderPrefix, type Model, promptPath, storedTensors } from '#models';
import { rawBytes, toNumbers } from '#tensor';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { temporaryFolder } from '#test/temporary';
import type { TrainingData } from '#train';
import { ActivationFolder } from '../../../src/jobs/activation-folder.ts';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../../src/jobs/layer-folder.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import { gpt2Config, llamaConfig, tinyModel, tinyWindows } from '../compress/tiny-model.ts';
import { tinyCorpus, watch } from '../train/tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
});
afterAll(() => engine.dispose());

/** 12 windows of 8 tokens. */
const corpus = tinyCorpus(97);
const training = { steps: 12, batchSize: 4, sequenceLength: 8, checkpointEvery: 1 };

function environment(model: Model, folder?: string, data: TrainingData = corpus): RecipeEnvironment {
  const layers = folder === undefined ? undefined : new LayerFolder(join(folder, 'layers'), 'same');
  return {
    engine,
    calibration: new WindowCalibration(engine, tinyWindows()),
    ofStep: (step) => ({
      training: new RecipeTraining({
        engine,
        corpus: data,
        seed: 0,
        teacher: async () => model,
        ...(folder === undefined
          ? {}
          : {
              activations: new ActivationFolder(join(folder, `activations-${step}`)),
              checkpoints: (part) => new FolderCheckpoints(join(folder, `training-${step}${part}`), 'same'),
            }),
      }),
      ...(layers === undefined ? {} : { memory: layers.step(step) }),
    }),
  };
}

async function run(
  step: object,
  { model = tinyModel(), folder, context = quietContext }: { model?: Model; folder?: string; context?: OperationContext } = {},
): Promise<{ model: Model; note: string }> {
  const { model: made, report } = await compressModel(
    model,
    parseRecipe({ steps: [step] }, recipeMethods),
    environment(model, folder),
    context,
  );
  checkModel(made);
  return { model: made, note: report.steps[0]?.note ?? '' };
}

function bytesOf(model: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(model)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

/** Names of the tensors that `after` holds otherwise than `before`, or besides. */
function changed(before: Model, after: Model): string[] {
  const [old, now] = [bytesOf(before), bytesOf(after)];
  return Object.keys(now).filter((name) => now[name] !== old[name]);
}

function expectNear(left: Model, right: Model): void {
  const others = storedTensors(right);
  for (const [name, tensor] of storedTensors(left)) {
    const other = toNumbers(others.get(name)!);
    for (const [index, value] of Array.from(toNumbers(tensor)).entries()) expect(Math.abs(value - other[index]!), name).toBeLessThan(2e-6);
  }
}

async function losses(step: object, options: Parameters<typeof run>[1] = {}): Promise<number[]> {
  const watched = watch();
  await run(step, { ...options, context: watched });
  return watched.reports.flatMap(({ metrics }) => (metrics?.['loss'] === undefined ? [] : [metrics['loss']]));
}

describe('a ladder step', () => {
  const step = { ladder: { reduction: 2, training } };

  it.each([gpt2Config, llamaConfig])('leaves the model bit for bit, and learns with the side network', async (config) => {
    const model = tinyModel(config);
    const { model: made, note } = await run(step, { model });
    expect(changed(model, made).every((name) => name.startsWith(ladderPrefix))).toBe(true);
    expect(changed(model, made).length).toBe(made.parameters.size - model.parameters.size);
    expect(note).toMatch(/^side network of width 8 beside layers 0, 1: 12 steps on 384 tokens, loss \d/);
    const all = await losses({ ladder: { reduction: 2, training: { ...training, steps: 60 } } }, { model });
    expect(all.at(-1)!).toBeLessThan(all[0]! - 0.2);
  });

  it('trains the same with the answers of the frozen model kept, which then runs once for each example', async () => {
    const none = await run({ ladder: { ...step.ladder, cache: 'none' } });
    const kept = await run(step, { folder: temporaryFolder() });
    expect(kept.note).toContain('the frozen model ran for 12 of 48 examples');
    expect(none.note).not.toContain('frozen');
    expectNear(kept.model, none.model);
  });

  it('keeps them in 16 bits where it is told to, a little differently', async () => {
    const [full, half] = [
      await losses({ ladder: { ...step.ladder, cache: 'float32' } }, { folder: temporaryFolder() }),
      await losses({ ladder: { ...step.ladder, cache: 'float16' } }, { folder: temporaryFolder() }),
    ];
    expect(half).not.toEqual(full);
    for (const [index, loss] of half.entries()) expect(Math.abs(loss - full[index]!)).toBeLessThan(5e-3);
  });

  it('runs the frozen model again for examples that had no room, with the same result', async () => {
    const whole = await run(step, { folder: temporaryFolder() });
    // An example is 3 taps of [8, 16] floats and 48 bytes: five have room.
    const tight = await run({ ladder: { ...step.ladder, cacheBytes: 32 + 5 * (3 * 8 * 16 * 4 + 48) } }, { folder: temporaryFolder() });
    expect(tight.note).toContain('was full');
    expectNear(tight.model, whole.model);
    // A run that goes on finds the cache full, and goes on.
    const folder = temporaryFolder();
    const full = { ladder: { ...step.ladder, cacheBytes: 32 + 5 * (3 * 8 * 16 * 4 + 48) } };
    await expect(run(full, { folder, context: watch(5) })).rejects.toThrow('[cancelled]');
    expect(bytesOf((await run(full, { folder })).model)).toEqual(bytesOf(tight.model));
    await expect(run({ ladder: { ...step.ladder, cacheBytes: 100 } }, { folder: temporaryFolder() })).rejects.toThrow(
      '[cache_too_small] steps[0]: ladder.cacheBytes: has no room for the 4 examples of one batch (6144 bytes).',
    );
  });

  it.each(['float32', 'none'])('ends bit for bit the same after a stop (cache %s)', async (cache) => {
    const wanted = { ladder: { ...step.ladder, cache } };
    const straight = await run(wanted, { folder: temporaryFolder() });
    const folder = temporaryFolder();
    await expect(run(wanted, { folder, context: watch(5) })).rejects.toThrow('[cancelled]');
    const resumed = await run(wanted, { folder });
    expect(bytesOf(resumed.model)).toEqual(bytesOf(straight.model));
    // A step that is finished trains no more.
    const watched = watch();
    expect(bytesOf((await run(wanted, { folder, context: watched })).model)).toEqual(bytesOf(straight.model));
    expect(watched.reports.filter(({ metrics }) => metrics?.['loss'] !== undefined)).toEqual([]);
  });

  it('names what it cannot do', async () => {
    await expect(run({ ladder: { reduction: 3, training } })).rejects.toThrow(
      '[invalid_argument] steps[0]: ladder.reduction: 3 does not divide 4',
    );
    await expect(run({ ladder: { layers: [7], training } })).rejects.toThrow('ladder.layers: layer 7 is outside 0..1');
    await expect(run({ ladder: { reduction: 2, training: { ...training, sequenceLength: 99 } } })).rejects.toThrow(
      '[context_too_long] steps[0]: ladder.training.sequenceLength: 99',
    );
    expect(() => parseRecipe({ steps: [{ ladder: { reductoin: 2 } }] }, recipeMethods)).toThrow('Did you mean "reduction"?');
  });
});

describe('a classifier', () => {
  const texts = tinyTexts(24);
  const model = tinyEncoder(bertConfig(twoLabels));
  const settings = { steps: 12, batchSize: 4, sequenceLength: 24, learningRate: 0.01 };
  const adapt = async (step: object, folder?: string) =>
    (await compressModel(model, parseRecipe({ steps: [step] }, recipeMethods), environment(model, folder, { texts }), quietContext)).model;

  it('has its head trained beside what is added, unless it is told not to', async () => {
    const head = /^(pooler|classifier)\./;
    for (const step of [
      { ladder: { reduction: 2, initial: 'random', training: settings } },
      { lora: { rank: 2, include: ['h.0.*'], training: settings } },
    ]) {
      const touched = changed(model, await adapt(step));
      expect(touched.filter((name) => head.test(name))).toHaveLength(4);
      expect(touched.filter((name) => !head.test(name) && !/^(ladder\.|h\.0\.)/.test(name))).toEqual([]);
    }
    const frozen = changed(model, await adapt({ ladder: { reduction: 2, initial: 'random', trainHead: false, training: settings } }));
    expect(frozen.filter((name) => !name.startsWith(ladderPrefix))).toEqual([]);
  });

  it('trains the same with the answers kept, however its texts are padded', async () => {
    const step = (cache: string): object => ({ ladder: { reduction: 2, initial: 'random', mixOutput: true, cache, training: settings } });
    expectNear(await adapt(step('float32'), temporaryFolder()), await adapt(step('none')));
  });
});

describe('the file of answers', () => {
  const options = { fingerprint: 'one', limitBytes: 10_000 };
  const key = (digit: string): string => digit.repeat(64);

  it('is read back after a restart, without what was half-written, and dropped for another model', async () => {
    const folder = temporaryFolder();
    const first = await new ActivationFolder(folder).open(options);
    expect(await first.write(key('a'), Uint8Array.of(1, 2, 3))).toBe(true);
    expect(await first.write(key('b'), Uint8Array.of(4, 5))).toBe(true);
    await first.close();
    const path = join(folder, 'answers.bin');
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 1));
    const again = await new ActivationFolder(folder).open(options);
    expect(await again.read(key('a'))).toEqual(Uint8Array.of(1, 2, 3));
    expect(await again.read(key('b'))).toBeUndefined();
    expect(await again.write(key('b'), Uint8Array.of(4, 5))).toBe(true);
    expect(await again.read(key('b'))).toEqual(Uint8Array.of(4, 5));
    await again.close();
    expect((await stat(path)).size).toBe(whole.length);
    const other = await new ActivationFolder(folder).open({ ...options, fingerprint: 'two' });
    expect(await other.read(key('a'))).toBeUndefined();
    await other.close();
  });

  it('does not answer with bytes that changed, and takes no more than it may', async () => {
    const folder = temporaryFolder();
    const store = await new ActivationFolder(folder).open({ ...options, limitBytes: 32 + 48 + 4 });
    expect(await store.write(key('a'), Uint8Array.of(1, 2, 3))).toBe(true);
    expect(await store.write(key('b'), Uint8Array.of(1, 2))).toBe(false);
    expect(await store.read(key('b'))).toBeUndefined();
    await store.close();
    const path = join(folder, 'answers.bin');
    const bytes = await readFile(path);
    bytes[bytes.length - 1] = 9;
    await writeFile(path, bytes);
    const damaged = await new ActivationFolder(folder).open(options);
    expect(await damaged.read(key('a'))).toBeUndefined();
    await damaged.close();
  });
});

describe('a lora step', () => {
  const methods = [
    [{ rank: 2 }, /^h\.\d\.(attn|mlp)\.\w+\.weight$/, 8],
    [{ method: 'adapter', width: 4 }, /\.adapter\./, 16],
    [{ method: 'prompt', length: 3 }, new RegExp(`^${promptPath}$`), 1],
    [{ method: 'bitfit' }, /\.bias$/, 2 * 6 + 1],
  ] as const;

  it.each(methods)('%j changes nothing else', async (settings, pattern, count) => {
    const model = tinyModel();
    const { model: made } = await run({ lora: { ...settings, training } }, { model });
    const touched = changed(model, made);
    expect(touched.filter((name) => !pattern.test(name))).toEqual([]);
    expect(touched).toHaveLength(count);
  });

  it.each(methods)('%j learns', async (settings) => {
    const all = await losses({ lora: { ...settings, training: { ...training, steps: 60, learningRate: 0.02 } } });
    expect(all.slice(-5).reduce((sum, loss) => sum + loss / 5, 0)).toBeLessThan(all[0]! - 0.1);
  });

  it.each(methods)('%j ends bit for bit the same after a stop', async (settings) => {
    const wanted = { lora: { ...settings, training: { ...training, steps: 6 } } };
    const straight = await run(wanted, { folder: temporaryFolder() });
    const folder = temporaryFolder();
    await expect(run(wanted, { folder, context: watch(3) })).rejects.toThrow('[cancelled]');
    expect(bytesOf((await run(wanted, { folder })).model)).toEqual(bytesOf(straight.model));
  });

  it('names what it cannot do', async () => {
    const lora = (settings: object, model = tinyModel()) => run({ lora: { ...settings, training } }, { model });
    await expect(lora({ rank: 99 })).rejects.toThrow(
      '[rank_out_of_range] steps[0]: lora.rank: 99 is above the smaller side 16 of h.0.attn.qkv.weight.',
    );
    await expect(lora({ method: 'bitfit' }, tinyModel(llamaConfig))).rejects.toThrow(
      '[unsupported] steps[0]: lora: method "bitfit" trains biases, and this llama model has none.',
    );
    await expect(lora({ method: 'prompt', length: 24 })).rejects.toThrow('lora.length: 24 rows leave no position of 24 to a text');
    const steps = async (...all: object[]) =>
      compressModel(tinyModel(), parseRecipe({ steps: all }, recipeMethods), environment(tinyModel()), quietContext);
    await expect(steps({ quantize: { bits: 8 } }, { lora: { training } })).rejects.toThrow('[already_quantized] steps[1]:');
    await expect(steps({ lowRank: { ratio: 0.5 } }, { lora: { training } })).rejects.toThrow(
      '[unsupported] steps[1]: lora: h.0.attn.qkv.weight is stored as lowRank, which its sum with a low-rank product would not be.',
    );
    await expect(steps({ lora: { method: 'adapter', training } }, { lora: { method: 'adapter', training } })).rejects.toThrow(
      'the model has adapters already',
    );
    expect(() => parseRecipe({ steps: [{ lora: { method: 'bitfit', rank: 4 } }] }, recipeMethods)).toThrow(
      '[bad_recipe] steps[0].lora.rank: is for method "lora", and this one is "bitfit"; leave it out',
    );
  });
});

describe('an adapted model', () => {
  const steps = async (...all: object[]): Promise<Model> => {
    const model = tinyModel(llamaConfig);
    return (await compressModel(model, parseRecipe({ steps: all }, recipeMethods), environment(model), quietContext)).model;
  };
  const short = { ...training, steps: 2 };

  it.each([
    { lora: { method: 'adapter', width: 4, training: short } },
    { lora: { method: 'prompt', length: 3, training: short } },
    { ladder: { reduction: 2, training: short } },
  ])('loses channels, is quantized and shares its layers like any other (%j)', async (step) => {
    checkModel(await steps(step, { prune: { structure: 'width', ratio: 0.5, importance: 'magnitude' } }));
    checkModel(await steps(step, { quantize: { bits: 8 } }));
    checkModel(await steps(step, { lowRank: { ratio: 0.5, method: 'plain' } }));
  });

  it.each([
    { lora: { method: 'adapter', width: 4, training: short } },
    { lora: { method: 'prompt', length: 3, training: short } },
    { ladder: { reduction: 2, training: short } },
    { ladder: { reduction: 2, initial: 'random', training: short } },
  ])('may stand on quantized and on shared weights (%j)', async (step) => {
    checkModel(await steps({ quantize: { bits: 8 } }, step));
    checkModel(await steps({ share: { scheme: 'all' } }, step));
  });

  it('keeps its layers where a side network reads them', async () => {
    const removes = { prune: { structure: 'layers', remove: [0] } };
    checkModel(await steps({ lora: { method: 'adapter', width: 4, training: short } }, removes));
    await expect(steps({ ladder: { reduction: 2, training: short } }, removes)).rejects.toThrow(
      '[unsupported] steps[1]: prune: a side network reads the layers by their index',
    );
  });
});

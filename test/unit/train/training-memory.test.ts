// The plan of a training's device memory against what the engine then counts: buffers, and the arena of the runtime.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { at, quietContext } from '#base';
import { distillSettings, teachingObjective } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { Model } from '#models';
import { bertConfig, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import {
  crossEntropyObjective,
  type Objective,
  objectiveOf,
  openBatches,
  planTrainerMemory,
  Trainer,
  type TrainingData,
  type TrainSettings,
  totalBytes,
} from '#train';
import { lossesOf } from '../distill/losses/measured-losses.ts';
import { gpt2, llama, tinyCorpus, tinyModel, tinySettings } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

/** Device bytes of a training after two steps, without what was there before. */
async function used(model: Model, objective: Objective, settings: TrainSettings, data: TrainingData): Promise<number> {
  const before = engine.counters();
  const trainer = await Trainer.create(engine, model, objective, settings);
  try {
    const batches = openBatches(model, data, settings, undefined, 'fixed');
    for (let step = 0; step < 2; step++)
      await trainer.run(
        Array.from({ length: settings.gradientAccumulation }, () => batches.next()),
        quietContext.signal,
      );
    const after = engine.counters();
    return after.bufferBytes + after.scratchBytes - before.bufferBytes - before.scratchBytes;
  } finally {
    await trainer.dispose();
  }
}

const wide = { ...gpt2, width: 64, feedForwardWidth: 256, heads: 4, layers: 3, maxPositions: 64 };
const corpus = tinyCorpus();
const texts: TrainingData = { texts: tinyTexts(24) };

interface Case {
  readonly model: Model;
  readonly settings: Partial<TrainSettings>;
  readonly data?: TrainingData;
}

const cases: Readonly<Record<string, Case>> = {
  'GPT-2, 4 x 64': { model: tinyModel(wide), settings: { batchSize: 4, sequenceLength: 64 } },
  'GPT-2, 2 x 32': { model: tinyModel(wide), settings: { batchSize: 2, sequenceLength: 32 } },
  'GPT-2, 4 x 64, computed again': { model: tinyModel(wide), settings: { batchSize: 4, sequenceLength: 64, recompute: true } },
  'GPT-2, 4 x 64 in micro-batches of 1': {
    model: tinyModel(wide),
    settings: { batchSize: 1, gradientAccumulation: 4, sequenceLength: 64 },
  },
  'Llama, 4 x 48, without moments': {
    model: tinyModel({ ...llama, width: 64, headWidth: 16, heads: 4, feedForwardWidth: 128, maxPositions: 64 }),
    settings: { batchSize: 4, sequenceLength: 48, optimizer: { kind: 'sgd' } },
  },
  'a classifier': {
    model: tinyEncoder({ ...bertConfig(twoLabels), width: 64 }),
    settings: { batchSize: 8, sequenceLength: 13 },
    data: texts,
  },
};

describe('the plan of a training is within 10 % of what is used', () => {
  it.each(Object.entries(cases))('%s', async (_, { model, settings: given, data = corpus }) => {
    const settings = tinySettings(given);
    const objective = objectiveOf(data, settings);
    const plan = await planTrainerMemory(engine, model, objective, settings);
    expect(totalBytes(plan) / (await used(model, objective, settings, data))).toBeGreaterThan(0.9);
    expect(totalBytes(plan) / (await used(model, objective, settings, data))).toBeLessThan(1.1);
  });

  it.for([
    { products: 'int8' },
    { products: 'int8PerTensor' },
    { products: 'int8All' },
    { precision: 'bfloat16' },
    { precision: 'float16' },
  ] as const)('GPT-2, 4 x 64, %j', async (given, { skip }) => {
    if ('products' in given && !engine.hasFastInt8) return skip('this processor has neither VNNI nor AMX');
    const settings = tinySettings({ batchSize: 4, sequenceLength: 64, ...given });
    const [model, objective] = [tinyModel(wide), crossEntropyObjective()];
    const plan = await planTrainerMemory(engine, model, objective, settings);
    const share = totalBytes(plan) / (await used(model, objective, settings, corpus));
    expect(share).toBeGreaterThan(0.95);
    expect(share).toBeLessThan(1.05);
  });

  it('distillation of logits and states', async () => {
    const settings = distillSettings({
      ...tinySettings({ batchSize: 4, sequenceLength: 64 }),
      losses: lossesOf({ kind: 'labels' }, { kind: 'logits' }, { kind: 'hidden' }),
    });
    const [student, teacher] = [tinyModel({ ...wide, layers: 2 }), tinyModel({ ...wide, width: 96, heads: 4, layers: 4 }, 2)];
    const objective = teachingObjective(engine, { student, teacher, corpus, settings });
    const plan = await planTrainerMemory(engine, student, objective, settings);
    const share = totalBytes(plan) / (await used(student, objective, settings, corpus));
    objective.release();
    expect(share).toBeGreaterThan(0.9);
    expect(share).toBeLessThan(1.1);
  });
});

it('says what each part takes', async () => {
  const model = tinyModel(wide);
  const [whole, again, split] = await Promise.all(
    [{}, { recompute: true }, { batchSize: 1, gradientAccumulation: 4 }].map((changes) =>
      planTrainerMemory(engine, model, crossEntropyObjective(), tinySettings({ batchSize: 4, sequenceLength: 64, ...changes })),
    ),
  );
  const parts = at([whole], 0);
  expect(parts?.gradientBytes).toBe(parts?.parameterBytes);
  expect(parts?.optimizerBytes).toBe(2 * (parts?.parameterBytes ?? 0));
  expect(parts?.batchBytes).toBe(2 * 8 * 4 * 64);
  for (const less of [again, split]) expect(less?.activationBytes).toBeLessThan(0.7 * (parts?.activationBytes ?? 0));
  // Tensors that do not train have neither gradients nor moments.
  const frozen = await planTrainerMemory(engine, model, crossEntropyObjective(), tinySettings(), {
    trains: (path) => path.startsWith('h.2'),
  });
  expect(frozen.parameterBytes).toBe(parts?.parameterBytes);
  expect(frozen.gradientBytes).toBeLessThan(0.5 * frozen.parameterBytes);
});

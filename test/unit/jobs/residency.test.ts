// What crosses between host and device: data in and scalars out. Parameters, gradients, the optimizer's state, activations and caches stay where they are.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type DistillSettings, distillModel, distillSettings, teachingObjective } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { JobStore, ModelHub } from '#jobs';
import { parameterCounts } from '#models';
import { storeFixture } from '#test/model-server';
import { Sequences } from '#test/sequences';
import { temporaryFolder } from '#test/temporary';
import { crossEntropyObjective, trainModel } from '#train';
import { lossesOf } from '../distill/losses/measured-losses.ts';
import { gpt2, llama, tinyCorpus, tinyModel, tinySettings } from '../train/tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

const moved = () => {
  const { hostToDeviceBytes, deviceToHostBytes } = engine.counters();
  return { hostToDeviceBytes, deviceToHostBytes };
};
type Moved = ReturnType<typeof moved>;

/** Bytes moved by every step but the first, whose programs are compiled on the way. */
async function movedBySteps(train: (report: () => void) => Promise<unknown>): Promise<readonly Moved[]> {
  const at: Moved[] = [];
  await train(() => at.push(moved()));
  return at.slice(1).map((after, index) => ({
    hostToDeviceBytes: after.hostToDeviceBytes - (at[index]?.hostToDeviceBytes ?? 0),
    deviceToHostBytes: after.deviceToHostBytes - (at[index]?.deviceToHostBytes ?? 0),
  }));
}

const settings = { steps: 5, batchSize: 2, sequenceLength: 8 };
/** Ids and labels of a batch, 8 bytes each. */
const batchBytes = 2 * settings.batchSize * settings.sequenceLength * 8;
/** A learning rate, a step, norms, losses. */
const scalarBytes = 200;
const student = tinyModel({ ...gpt2, width: 32, feedForwardWidth: 128 }, 1);
const teacher = tinyModel({ ...llama, width: 32, feedForwardWidth: 96, headWidth: 16 }, 2);
const corpus = tinyCorpus();

const distil = (losses: readonly object[]) => (report: () => void) => {
  const chosen: Partial<DistillSettings> = losses.length === 0 ? {} : { losses: lossesOf(...losses) };
  const request = { student, teacher, corpus, settings: distillSettings({ ...tinySettings(settings), ...chosen }) };
  return distillModel(request, engine, { ...quietContext, report });
};

describe('a step moves a batch in and scalars out', () => {
  const cases: Readonly<Record<string, (report: () => void) => Promise<unknown>>> = {
    'of training': (report) =>
      trainModel({ model: student, objective: crossEntropyObjective(), corpus, settings: tinySettings(settings) }, engine, {
        ...quietContext,
        report,
      }),
    'of training in two micro-batches': (report) =>
      trainModel(
        {
          model: student,
          objective: crossEntropyObjective(),
          corpus,
          settings: tinySettings({ ...settings, batchSize: 1, gradientAccumulation: 2 }),
        },
        engine,
        { ...quietContext, report },
      ),
    'of distillation from a resident teacher': distil([]),
    'of distillation of hidden states and relations': distil([
      { kind: 'logits' },
      { kind: 'hidden', weight: 0.5 },
      { kind: 'relation', of: 'minilmv2', heads: 2 },
    ]),
  };
  it.each(Object.entries(cases))('%s', async (_, train) => {
    const steps = await movedBySteps(train);
    expect(steps).toHaveLength(settings.steps - 1);
    // One matrix among what crosses would be seen.
    expect(parameterCounts(student).storedBytes).toBeGreaterThan(40 * (batchBytes + scalarBytes));
    for (const { hostToDeviceBytes, deviceToHostBytes } of steps) {
      expect(hostToDeviceBytes).toBeGreaterThanOrEqual(batchBytes / 2);
      expect(hostToDeviceBytes).toBeLessThanOrEqual(batchBytes + scalarBytes);
      expect(deviceToHostBytes).toBeGreaterThan(0);
      expect(deviceToHostBytes).toBeLessThanOrEqual(scalarBytes);
    }
  });
});

it('decoding moves token ids and places in, and the logits that were asked for out', async () => {
  const runner = await Sequences.create(engine, teacher, { name: 'tiny', contextTokens: 16 });
  const prompt = (id: number) => ({ id, tokens: [1, 2, 3, 4], wantsLogits: 'last' as const });
  await runner.run([prompt(1), prompt(2)]);
  const vocabularyBytes = 4 * teacher.config.vocabularySize;
  for (const wanted of ['last', 'best', 'none'] as const) {
    const before = moved();
    await runner.run([1, 2].map((id) => ({ id, tokens: [5], wantsLogits: wanted })));
    const after = moved();
    expect(after.hostToDeviceBytes - before.hostToDeviceBytes).toBeLessThanOrEqual(2 * 64);
    // Of the best token an id and its logit.
    const answerBytes = { last: vocabularyBytes, best: 8 + 4, none: 0 }[wanted];
    expect(after.deviceToHostBytes - before.deviceToHostBytes).toBe(2 * answerBytes);
  }
  await runner.dispose();
});

it('a teacher that two jobs and a call use is held once', async () => {
  const folder = temporaryFolder();
  const notes = JobStore.open(`${folder}/jobs.db`);
  const hub = new ModelHub({ store: await storeFixture(folder, 'stories260K', 'm'), engine, ledger: notes.models });
  const held: number[] = [];
  /** Takes the model's weights while others have them. */
  const lend = async (jobIds: readonly string[]): Promise<void> => {
    const [jobId, ...others] = jobIds;
    if (jobId === undefined) return;
    await hub.usingFor(jobId, 'm', async (lease) => {
      await lease.weights();
      held.push(engine.counters().bufferBytes);
      await lend(others);
    });
  };
  await lend(['one', 'two', '']);
  expect(held[0]).toBeGreaterThan(1_000_000);
  expect(new Set(held).size).toBe(1);
  await hub.dispose();
  notes.close();
});

it('a training reads the weights that a resident teacher has on the device, and leaves them there', async () => {
  const folder = temporaryFolder();
  const notes = JobStore.open(`${folder}/jobs.db`);
  const hub = new ModelHub({ store: await storeFixture(folder, 'stories260K', 'm'), engine, ledger: notes.models });
  await hub.using('m', async (lease) => {
    const weights = await lease.weights();
    const before = engine.counters().bufferBytes;
    const { model } = lease;
    const learning = { student: model, corpus: tinyCorpus(), settings: distillSettings(tinySettings(settings)) };
    const lent = teachingObjective(engine, { ...learning, teacher: [{ model, weight: 1, weights }] });
    expect(engine.counters().bufferBytes).toBe(before);
    const own = teachingObjective(engine, { ...learning, teacher: model });
    expect(Object.keys(lent.inputs).sort()).toEqual(Object.keys(own.inputs).sort());
    own.release();
    lent.release();
    expect(Object.values(weights).some(({ isReleased }) => isReleased)).toBe(false);
    // What lies over the loaded model itself is not counted twice.
    const ownBytes = Object.values(weights).reduce((sum, { sizeBytes, isBorrowed }) => sum + (isBorrowed ? 0 : sizeBytes), 0);
    const [held] = hub.resident;
    expect(held?.bytes).toBe(parameterCounts(model).storedBytes + ownBytes);
  });
  await hub.dispose();
  notes.close();
});

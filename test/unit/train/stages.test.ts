// Training in stages: what a stage leaves is where the next one begins, with the graph of before or with another.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type Checkpoint, crossEntropyObjective, type TrainingStages, type TrainResult, trainModel } from '#train';
import { fingerprint, gpt2, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const corpus = tinyCorpus();
const settings = tinySettings({ steps: 7, checkpointEvery: 2 });
const model = tinyModel(gpt2);
const request = { model, objective: crossEntropyObjective(), corpus, settings };
const train = (stages?: TrainingStages, keeper?: MemoryKeeper): Promise<TrainResult> =>
  trainModel({ ...request, ...(stages && { stages }), ...(keeper && { checkpoints: keeper }) }, engine, quietContext);

/** Three steps a stage. */
const until = (reached: Checkpoint | undefined): number => Math.min(7, (Math.floor((reached?.progress.step ?? 0) / 3) + 1) * 3);

describe('training in stages', () => {
  it('is training in one go where nothing changes, compiled anew or not', async () => {
    const straight = await train();
    const same = await train((from) => ({ model, from, until: until(from) }));
    const anew = await train((from) => ({ model: { ...model }, from, until: until(from) }));
    for (const staged of [same, anew]) {
      expect(fingerprint(staged.model)).toEqual(fingerprint(straight.model));
      expect(staged).toMatchObject({ steps: 7, finalLoss: straight.finalLoss, tokensSeen: straight.tokensSeen });
    }
  });

  it('asks for a stage at the beginning, after each, and from a checkpoint, with where training stands', async () => {
    const asked: (number | undefined)[] = [];
    const stages: TrainingStages = (from, given) => {
      asked.push(from?.progress.step);
      expect(given).toBe(settings);
      return { model, from, until: until(from) };
    };
    const keeper = new MemoryKeeper();
    const whole = await train(stages, keeper);
    expect(asked).toEqual([undefined, 3, 6]);
    expect(keeper.saved.map(({ progress }) => progress.step)).toEqual([2, 4, 6]);
    asked.length = 0;
    keeper.saved.splice(2);
    expect(fingerprint((await train(stages, keeper)).model)).toEqual(fingerprint(whole.model));
    expect(asked).toEqual([4, 6]);
  });

  it('saves where it stood when it is cancelled in a later stage', async () => {
    const watched = watch(5);
    const keeper = new MemoryKeeper();
    const stages: TrainingStages = (from) => ({ model: { ...model }, from, until: until(from) });
    await expect(trainModel({ ...request, stages, checkpoints: keeper }, engine, watched)).rejects.toMatchObject({ code: 'cancelled' });
    expect(keeper.saved.at(-1)?.progress.step).toBe(5);
    expect(fingerprint((await train(stages, keeper)).model)).toEqual(fingerprint((await train()).model));
  });

  it('refuses a stage that does not go on', async () => {
    await expect(train((from) => ({ model, from, until: 3 }))).rejects.toThrow(/begins at step 3 ends after it/);
  });
});

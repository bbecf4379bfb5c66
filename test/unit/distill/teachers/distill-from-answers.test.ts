// A teacher that is asked batch by batch teaches what a resident one does, and a run that goes on asks again.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError, quietContext } from '#base';
import {
  type AnswerForm,
  type DistillSettings,
  distillFromAnswers,
  distillModel,
  distillSettings,
  TeacherProgram,
  type TeacherSource,
} from '#distill';
import type { DeviceBuffer, Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, storedTensors } from '#models';
import { toNumbers } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';

const corpus = tinyCorpus();
const student = tinyModel(gpt2, 1);
const teacher = tinyModel(llama, 2);
const V = gpt2.vocabularySize;

let engine: Engine;
let weights: Record<string, DeviceBuffer>;
let program: TeacherProgram;
let held: ReturnType<Engine['counters']>;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
  weights = borrowModel(engine, teacher);
  program = new TeacherProgram(engine, teacher, weights);
  held = engine.counters();
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: held.buffers, bufferBytes: held.bufferBytes });
});
afterAll(async () => {
  await program.release();
  for (const buffer of Object.values(weights)) buffer.release();
  expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  await engine.dispose();
});

const settings = (changes: Partial<DistillSettings> = {}): DistillSettings =>
  distillSettings({ ...tinySettings({ steps: 12 }), temperature: 1, alpha: 0.9, ...changes });

/** The teacher as a source, and how often it was asked. */
function source(form: AnswerForm, temperature = 1, failsAt = Number.POSITIVE_INFINITY): TeacherSource & { asked: number } {
  const made = {
    form,
    asked: 0,
    answers: (async (batch, signal) => {
      made.asked++;
      if (made.asked >= failsAt) throw new AppError('teacher_unavailable', 'teacher athanor://elsewhere:1/t: did not answer.');
      return program.answers(batch, form, temperature, signal);
    }) satisfies TeacherSource['answers'],
  };
  return made;
}

const weightsOf = (model: typeof student): number[] =>
  [...storedTensors(model).values()].flatMap((tensor) => Array.from(toNumbers(tensor)));

describe('distillFromAnswers', () => {
  it.each([
    ['every answer likeliest first', { kind: 'top', topK: V }, 1, 1e-4],
    ['every answer, softened', { kind: 'top', topK: V }, 2, 1e-4],
    ['all rows in half precision', { kind: 'full' }, 1, 3e-2],
  ] as const)('trains as with a resident teacher: %s', async (_, form, temperature, absolute) => {
    const wanted = settings({ temperature });
    const resident = await distillModel({ student, teacher, corpus, settings: wanted }, engine, quietContext);
    const asked = source(form, temperature);
    const answered = await distillFromAnswers({ model: student, teacher: asked, corpus, settings: wanted }, engine, quietContext);
    expect(answered.finalLoss).toBeCloseTo(resident.finalLoss, 3);
    expectAllClose(weightsOf(answered.model), weightsOf(resident.model), { absolute });
    expect(asked.asked).toBe(12); // the next batch ahead, and none behind the last
  });

  it('ends with the same weights when it goes on from a checkpoint', async () => {
    const wanted = settings({ checkpointEvery: 5 });
    const straight = await distillFromAnswers(
      { model: student, teacher: source({ kind: 'top', topK: 4 }), corpus, settings: wanted },
      engine,
      quietContext,
    );
    const checkpoints = new MemoryKeeper();
    const request = { model: student, corpus, settings: wanted, checkpoints };
    const stopped = distillFromAnswers({ ...request, teacher: source({ kind: 'top', topK: 4 }) }, engine, watch(7));
    await expect(stopped).rejects.toThrow(/cancelled/);
    expect(checkpoints.saved.at(-1)?.progress.step).toBe(7);
    const resumed = await distillFromAnswers({ ...request, teacher: source({ kind: 'top', topK: 4 }) }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('keeps a checkpoint when the teacher is lost, from which it goes on to the same weights', async () => {
    const wanted = settings({ checkpointEvery: 0 });
    const straight = await distillFromAnswers(
      { model: student, teacher: source({ kind: 'full' }), corpus, settings: wanted },
      engine,
      quietContext,
    );
    const checkpoints = new MemoryKeeper();
    const request = { model: student, corpus, settings: wanted, checkpoints };
    await expect(distillFromAnswers({ ...request, teacher: source({ kind: 'full' }, 1, 9) }, engine, quietContext)).rejects.toThrow(
      /teacher_unavailable.*athanor:\/\/elsewhere:1\/t/,
    );
    expect(checkpoints.saved.map(({ progress }) => progress.step)).toEqual([8]);
    const resumed = await distillFromAnswers({ ...request, teacher: source({ kind: 'full' }) }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('refuses more answers than there are, and tokens that the teacher does not have', async () => {
    const tooMany = source({ kind: 'top', topK: V + 1 });
    await expect(
      distillFromAnswers({ model: student, teacher: tooMany, corpus, settings: settings() }, engine, quietContext),
    ).rejects.toThrow(/invalid_argument.*topK.*29 answers, got 30/);
    const strange = { ...corpus, tokens: corpus.tokens.map((id, index) => (index % 50 === 7 ? V : id)) };
    const asked = source({ kind: 'full' });
    const run = distillFromAnswers({ model: student, teacher: asked, corpus: strange, settings: settings() }, engine, quietContext);
    await expect(run).rejects.toThrow(/tokens: 29 is not one of the teacher's 29 tokens/);
  });
});

// Teachers of other tasks that are asked batch by batch: classifiers, models of hidden tokens and encoder-decoders.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { distillFromAnswers, distillModel, distillSettings, TeacherProgram, type TeacherSource } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, type Model } from '#models';
import { albertConfig, bertConfig, countingTexts, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { tinyPairs as pairs, tinySequences as sequences } from '#test/tiny-pairs';
import { type TrainingData, trainingExamples } from '#train';
import { tinyModel, tinySettings } from '../../train/tiny-training.ts';

const hidden = { lines: countingTexts(64), masking: { maskToken: 39, specialTokens: new Set([0, 1, 39]), share: 0.3 } };

interface Case {
  readonly student: Model;
  readonly teacher: Model;
  readonly corpus: TrainingData;
  readonly choices: number;
}

const cases: readonly (readonly [string, Case])[] = [
  [
    'a classifier',
    {
      student: tinyEncoder(bertConfig(twoLabels), 1),
      teacher: tinyEncoder(albertConfig(twoLabels), 2),
      corpus: { texts: tinyTexts(64) },
      choices: 2,
    },
  ],
  [
    'a model of hidden tokens',
    {
      student: tinyEncoder(bertConfig({ kind: 'masked' }), 1),
      teacher: tinyEncoder(bertConfig({ kind: 'masked' }), 2),
      corpus: hidden,
      choices: 40,
    },
  ],
  [
    'an encoder-decoder',
    {
      student: tinyModel(sequences, 1),
      teacher: tinyModel({ ...sequences, normPlacement: 'after' }, 2),
      corpus: pairs,
      choices: 31,
    },
  ],
];

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

describe('a teacher that is asked', () => {
  it.each(cases)('teaches %s as a resident one does', async (_, { student, teacher, corpus, choices }) => {
    const settings = distillSettings({ ...tinySettings({ steps: 5, batchSize: 3, sequenceLength: 16 }), temperature: 2, alpha: 0.7 });
    const weights = borrowModel(engine, teacher);
    const program = new TeacherProgram(engine, teacher, weights);
    const form = { kind: 'top', topK: choices } as const;
    const source: TeacherSource = { form, answers: (batch, signal) => program.answers(batch, form, 2, signal) };
    const resident = await distillModel({ student, teacher, corpus, settings }, engine, quietContext);
    const asked = await distillFromAnswers({ model: student, teacher: source, corpus, settings }, engine, quietContext);
    expect(asked.finalLoss).toBeCloseTo(resident.finalLoss, 4);
    await program.release();
    for (const buffer of Object.values(weights)) buffer.release();
    expect(engine.counters()).toMatchObject({ buffers: 0, programs: 0 });
  });
});

describe('examples in their own order', () => {
  it('are the same tokens that a sampler draws, by the index that it names', () => {
    const model = tinyModel(sequences, 1);
    const examples = trainingExamples(model, pairs, { sequenceLength: 6, sourceLength: 5 });
    expect([examples.count, examples.rows(0), examples.rows(1)]).toEqual([24, 3, 4]);
    const chosen = new Random(1).permutation(24).subarray(0, 4);
    const batch = examples.batch(chosen);
    expect(batch.labels.shape).toEqual([4, 6]);
    const first = pairs.pairs[chosen[0]!]!.target;
    expect(Array.from(batch.labels.data.subarray(0, first.length), Number)).toEqual(Array.from(first));
    expect(examples.hash()).toBe(trainingExamples(model, pairs, { sequenceLength: 8 }).hash());
    const other = { ...pairs, pairs: [...pairs.pairs].reverse() };
    expect(trainingExamples(model, other, { sequenceLength: 6 }).hash()).not.toBe(examples.hash());
  });

  it('are none where other tokens are hidden in every epoch', () => {
    const model = tinyEncoder(bertConfig({ kind: 'masked' }), 1);
    expect(() => trainingExamples(model, hidden, { sequenceLength: 16 })).toThrow(/unsupported.*other ones in every epoch/);
  });
});

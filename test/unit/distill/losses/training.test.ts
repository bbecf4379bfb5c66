// Training with sums of losses: students of other widths, depths and architectures, several teachers, projections and weights that survive a stop.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type DistillSettings, distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { Model } from '#models';
import { int64 } from '#tensor';
import { albertConfig, bertConfig, countingTexts, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import type { TrainingData, TrainingScheme } from '#train';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';
import { lossesOf, measureLosses } from './measured-losses.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const corpus = tinyCorpus();

function settingsOf(losses: readonly object[], changes: Partial<DistillSettings> = {}): DistillSettings {
  const tiny = tinySettings({ steps: 30, learningRate: 0.02 });
  return distillSettings({ ...tiny, losses: lossesOf(...losses), ...changes });
}

interface Case {
  readonly student: Model;
  readonly teacher: Model;
  readonly data: TrainingData;
  readonly losses: readonly object[];
}

const cases: Readonly<Record<string, Case>> = {
  'a wider GPT-2 of one layer from a Llama of two': {
    student: tinyModel({ ...gpt2, width: 12, heads: 3, layers: 1 }, 1),
    teacher: tinyModel(llama, 2),
    data: corpus,
    losses: [
      { kind: 'labels', weight: 0.2 },
      { kind: 'logits', temperature: 2 },
      { kind: 'hidden', weight: 0.5 },
      { kind: 'embeddings', weight: 0.1 },
      { kind: 'relation', of: 'minilmv2', heads: 2 },
    ],
  },
  'a BERT from the states of an ALBERT with another task': {
    student: tinyEncoder(bertConfig(twoLabels), 1),
    teacher: tinyEncoder(albertConfig({ kind: 'masked' }), 2),
    data: { texts: tinyTexts(32) },
    losses: [
      { kind: 'labels', weight: 0.5 },
      { kind: 'hidden', layers: 'last' },
      { kind: 'attention', layers: [[-1, -1]], weight: 0.5 },
      { kind: 'relation', of: 'minilm' },
    ],
  },
  'a narrow BERT that guesses hidden tokens from a RoBERTa': {
    student: tinyEncoder({ ...bertConfig({ kind: 'masked' }), width: 8, heads: 2, layers: 1 }, 1),
    teacher: tinyEncoder({ ...bertConfig({ kind: 'masked' }), family: 'roberta', tokenTypes: 0, padToken: 1 }, 2),
    data: { lines: countingTexts(48), masking: { maskToken: 39, specialTokens: new Set([0, 1, 39]), share: 0.3 } },
    losses: [
      { kind: 'labels', weight: 0.5 },
      { kind: 'logits', divergence: 'reverse' },
      { kind: 'hidden', distance: 'cosine', layers: 'last' },
      { kind: 'relation', heads: 2 },
    ],
  },
};

describe.each(Object.entries(cases))('%s', (_, { student, teacher, data, losses }) => {
  it('comes to its teacher in every term, and goes on from a checkpoint bit for bit', async () => {
    const { reports, ...context } = watch();
    const checkpoints = new MemoryKeeper();
    const settings = settingsOf(losses, { checkpointEvery: 27, sequenceLength: 13 });
    const straight = await distillModel({ student, teacher, corpus: data, settings, checkpoints }, engine, context);
    const [first, last] = [reports[0]!.metrics!, reports.at(-1)!.metrics!];
    expect(last['loss']).toBeLessThan(0.9 * first['loss']!);
    for (const name of ['divergence', 'hidden', 'relation'].filter((each) => each in first))
      expect(last[name], name).toBeLessThan(first[name]!);
    expect(checkpoints.saved).toHaveLength(1);
    const resumed = await distillModel({ student, teacher, corpus: data, settings, checkpoints }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    expect(resumed.schemeTensors).toEqual(straight.schemeTensors);
  });
});

describe('projections', () => {
  it('train beside the student and stay out of it', async () => {
    const { student, teacher } = cases['a wider GPT-2 of one layer from a Llama of two']!;
    const settings = (seed: number) => settingsOf([{ kind: 'hidden' }], { steps: 3, seed });
    const { model, schemeTensors } = await distillModel({ student, teacher, corpus, settings: settings(3) }, engine, quietContext);
    expect([...model.parameters.keys()]).toEqual([...student.parameters.keys()]);
    expect(schemeTensors.get('projection.0')?.shape).toEqual([12, 8]);
    const again = await distillModel({ student, teacher, corpus, settings: settings(3) }, engine, quietContext);
    expect(again.schemeTensors).toEqual(schemeTensors);
    const other = await distillModel({ student, teacher, corpus, settings: settings(4) }, engine, quietContext);
    expect(other.schemeTensors).not.toEqual(schemeTensors);
  });
});

describe('weights that move', () => {
  const [student, teacher] = [tinyModel(gpt2, 1), tinyModel({ ...gpt2, layers: 4 }, 2)];
  const losses = [
    { kind: 'logits', weight: 1 },
    { kind: 'hidden', weight: { from: 3, to: 1, steps: 20, shape: 'cosine' } },
    { kind: 'relation', of: 'gram', weight: 2 },
  ];

  it('are reported and used step by step', async () => {
    const { reports, ...context } = watch();
    await distillModel({ student, teacher, corpus, settings: settingsOf(losses, { steps: 22 }) }, engine, context);
    const weights = reports.map(({ metrics }) => metrics!['hiddenWeight']!);
    expect([weights[0], weights[10], weights[20], weights[21]].map((weight) => weight!.toFixed(5))).toEqual([
      '3.00000',
      '2.00000',
      '1.00000',
      '1.00000',
    ]);
    for (const { metrics = {} } of reports)
      expect(metrics['loss']).toBeCloseTo(
        metrics['divergence']! + metrics['hiddenWeight']! * metrics['hidden']! + 2 * metrics['relation']!,
        4,
      );
    expect(reports[0]!.metrics).not.toHaveProperty('divergenceWeight');
  });

  it('keep their shares of the gradient, and go on from a checkpoint bit for bit', async () => {
    const { reports, ...context } = watch();
    const checkpoints = new MemoryKeeper();
    const shares = losses.map((loss) => (loss.kind === 'hidden' ? { ...loss, weight: 3 } : loss));
    const settings = settingsOf(shares, {
      steps: 12,
      balance: 'gradientNorm',
      balanceEvery: 4,
      checkpointEvery: 7,
      gradientAccumulation: 2,
    });
    const request = { student, teacher, corpus, settings, checkpoints };
    const straight = await distillModel(request, engine, context);
    const metrics = reports.map((report) => report.metrics!);
    // Steps 2 to 4 go by what step 1 measured, and say so.
    for (const step of [1, 2, 3]) {
      const parts = ['divergence', 'hidden', 'relation'].map(
        (name) => metrics[step]![`${name}Weight`]! * metrics[step]![`${name}Gradient`]!,
      );
      expect(parts[1]! / parts[0]!).toBeCloseTo(3, 3);
      expect(parts[2]! / parts[0]!).toBeCloseTo(2, 3);
      expect(metrics[step]!['hiddenGradient']).toBe(metrics[1]!['hiddenGradient']);
    }
    expect(metrics[0]!['hiddenGradient']).toBeCloseTo(metrics[1]!['hiddenGradient']!, 6);
    expect(metrics[5]!['hiddenGradient']).not.toBe(metrics[1]!['hiddenGradient']);
    const resumed = await distillModel(request, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('measure the norm of the gradient at the last state that the terms share', async () => {
    const models = [tinyEncoder(bertConfig(twoLabels), 1), tinyEncoder(bertConfig(twoLabels), 2)] as const;
    const [B, T, D] = [2, 4, 16];
    const ids = (numbers: readonly number[]) => int64([B, T], numbers);
    const mask = { dtype: 'bool', shape: [B, T], data: new Uint8Array(B * T).fill(1) } as const;
    const tensors = {
      tokens: ids([1, 5, 9, 3, 7, 21, 30, 2]),
      mask,
      tokenTypes: ids([0, 0, 0, 0, 0, 0, 0, 0]),
      labels: int64([B], [0, 1]),
    };
    const { metrics } = await measureLosses(
      ...models,
      [{ kind: 'labels' }, { kind: 'hidden', layers: [[-1, -1]] }],
      { tensors, batch: B, length: T },
      { balanceEvery: 1 },
    );
    // d mean((s-t)²)/ds = 2(s-t)/BTD, whose norm follows from the loss.
    expect(metrics['hiddenGradient']).toBeCloseTo(2 * Math.sqrt(metrics['hidden']! / (B * T * D)), 5);
  });
});

describe('a method with variants of its own', () => {
  it('trains beside balanced losses, each with the variant that it asked for', async () => {
    const built: string[] = [];
    const scheme: TrainingScheme = {
      name: 'method',
      step: (step) => ({ inputs: {}, variant: step % 2 === 0 ? 'even' : 'odd' }),
      network: ({ variant }) => {
        built.push(variant);
        return {};
      },
    };
    const [student, teacher] = [tinyModel(gpt2, 1), tinyModel(gpt2, 2)];
    const settings = settingsOf([{ kind: 'logits' }, { kind: 'hidden' }], { steps: 5, balance: 'gradientNorm', balanceEvery: 2 });
    const { reports, ...context } = watch();
    await distillModel({ student, teacher, corpus, settings, scheme }, engine, context);
    expect(new Set(built)).toEqual(new Set(['', 'even', 'odd']));
    for (const { metrics = {} } of reports) expect(metrics['hiddenGradient']).toBeGreaterThan(0);
  });
});

describe('several teachers', () => {
  const student = tinyModel(gpt2, 1);
  const teachers = [tinyModel(llama, 2), tinyModel(gpt2, 3)].map((model, index) => ({ model, weight: index + 1 }));
  const rows = { tokens: int64([2, 4], [1, 5, 9, 3, 7, 21, 28, 2]), labels: int64([2, 4], [5, 9, 3, 7, 21, 28, 2, 1]) };
  const batch = { tensors: rows, batch: 2, length: 4 };

  it('are compared where a loss says, and their answers are one', async () => {
    const of = (index: number) => measureLosses(student, teachers[index]!.model, [{ kind: 'hidden' }, { kind: 'logits' }], batch);
    const [first, second] = [await of(0), await of(1)];
    const both = await measureLosses(student, teachers, [{ kind: 'hidden' }, { kind: 'hidden', teacher: 1 }, { kind: 'logits' }], batch);
    expect(both.metrics['hidden']).toBeCloseTo(first.metrics['hidden']!, 6);
    expect(both.metrics['hidden2']).toBeCloseTo(second.metrics['hidden']!, 6);
    // KL is convex: that to the mixture is at most the mean of those to its parts.
    const mean = (first.metrics['divergence']! + 2 * second.metrics['divergence']!) / 3;
    expect(both.metrics['divergence']).toBeLessThan(mean);
    const logits = await measureLosses(student, teachers, [{ kind: 'logits' }], batch, { average: 'logits' });
    expect(logits.metrics['divergence']).not.toBeCloseTo(both.metrics['divergence']!, 4);
    const twice = teachers.map(({ model }) => model).map(() => ({ model: teachers[0]!.model, weight: 1 }));
    expect((await measureLosses(student, twice, [{ kind: 'logits' }], batch)).metrics['divergence']).toBeCloseTo(
      first.metrics['divergence']!,
      5,
    );
  });

  it('train a student, and all of them are given back', async () => {
    const settings = settingsOf([{ kind: 'logits' }], { steps: 20, average: 'logits' });
    const { reports, ...context } = watch();
    await distillModel({ student, teacher: teachers, corpus, settings }, engine, context);
    expect(reports.at(-1)!.metrics!['divergence']).toBeLessThan(reports[0]!.metrics!['divergence']!);
  });

  it.each([
    ['another vocabulary', [tinyModel(llama, 2), tinyModel({ ...llama, vocabularySize: 31 }, 2)], 'tokenizer_mismatch'],
    ['no weight', [tinyModel(llama, 2)], 'invalid_argument'],
  ] as const)('with %s are refused before anything is held', async (what, models, code) => {
    const teacher = models.map((model) => ({ model, weight: what === 'no weight' ? 0 : 1 }));
    await expect(
      distillModel({ student, teacher, corpus, settings: settingsOf([{ kind: 'logits' }]) }, engine, quietContext),
    ).rejects.toThrow(expect.objectContaining({ code }));
  });
});

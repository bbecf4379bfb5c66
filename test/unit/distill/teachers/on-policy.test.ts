// On-policy distillation: which steps are the student's own, what counts in them, and that a run that goes on draws the same.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import {
  type Continuing,
  type DistillSettings,
  distillModel,
  distillOnPolicy,
  distillSettings,
  isOwnStep,
  OnPolicyBatches,
  type OnPolicySettings,
  onPolicySettings,
  StudentSampler,
} from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildLogitsGraph, modelInputs, uploadModel } from '#models';
import { int64, toNumbers } from '#tensor';
import type { BatchMoment, BatchSource } from '#train';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';

const corpus = tinyCorpus();
const student = tinyModel(gpt2, 1);
const teacher = tinyModel(llama, 2);
const jsd = { divergence: 'jsd', beta: 0.5, scaled: false } as const;

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const settings = (changes: Partial<DistillSettings> = {}): DistillSettings =>
  distillSettings({ ...tinySettings({ steps: 10, batchSize: 3 }), temperature: 1, alpha: 0.9, ...changes });
const onPolicy = (changes: Partial<OnPolicySettings> = {}): OnPolicySettings =>
  onPolicySettings({ share: 0.5, promptTokens: 3, maxNewTokens: 6, temperature: 1, ...changes }, student, 8);

describe('the steps that are the student’s own', () => {
  it('follow from the seed and the step, in about the share that was asked for', () => {
    const own = (seed: number, share: number): boolean[] => Array.from({ length: 2000 }, (_, step) => isOwnStep(seed, step + 1, share));
    expect(own(3, 0.3)).toEqual(own(3, 0.3));
    expect(own(3, 0.3)).not.toEqual(own(4, 0.3));
    expect(own(3, 0.3).filter(Boolean).length / 2000).toBeCloseTo(0.3, 1);
    expect(own(3, 0).some(Boolean)).toBe(false);
    expect(own(3, 1).every(Boolean)).toBe(true);
  });

  it('are none with a share of 0, which trains as off-policy distillation does, bit for bit', async () => {
    const request = { student, teacher, corpus, settings: settings() };
    const off = await distillModel(request, engine, quietContext);
    const on = await distillOnPolicy({ ...request, onPolicy: onPolicy({ share: 0 }), divergence: jsd }, engine, quietContext);
    expect(fingerprint(on.model)).toBe(fingerprint(off.model));
  });
});

describe('OnPolicyBatches', () => {
  const tokens = int64([2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const inner: BatchSource = {
    cursor: { epoch: 0, position: 0, randomState: new Random(1).state },
    next: () => ({ tokens, labels: tokens }),
  };
  const moment: BatchMoment = { step: 1, microBatch: 0, isLast: false, parameters: {}, signal: quietContext.signal };

  it('counts the drawn tokens alone: no prompt, and nothing behind an end', async () => {
    const drawn: Continuing = { continue: async () => Int32Array.of(20, 21, 22, 23, 0, 25) };
    const given = { share: 1, promptTokens: 2, maxNewTokens: 3, temperature: 1 };
    const batch = await new OnPolicyBatches(inner, drawn, given, 1, [0]).next(moment);
    const numbers = (name: string): number[] => Array.from(toNumbers(Object.fromEntries(Object.entries(batch))[name]), Number);
    expect(numbers('tokens')).toEqual([1, 2, 20, 21, 6, 7, 23, 0]);
    expect(numbers('labels')).toEqual([2, 20, 21, 22, 7, 23, 0, 0]);
    expect(numbers('writtenTokens')).toEqual([0, 1, 1, 1, 0, 1, 1, 0]);
  });

  it('draws other tokens in every step and micro-batch, and the same ones again', async () => {
    const seeds: number[] = [];
    const drawn: Continuing = {
      continue: async (_weights, _prompts, _temperature, random) => {
        seeds.push(random.bits());
        return new Int32Array(6);
      },
    };
    const batches = new OnPolicyBatches(inner, drawn, { share: 1, promptTokens: 2, maxNewTokens: 3, temperature: 1 }, 7, []);
    for (const [step, microBatch] of [
      [1, 0],
      [1, 1],
      [2, 0],
      [1, 0],
    ] as const)
      await batches.next({ ...moment, step, microBatch });
    expect(new Set(seeds.slice(0, 3)).size).toBe(3);
    expect(seeds[3]).toBe(seeds[0]);
  });
});

describe('StudentSampler', () => {
  it('takes the tokens that the whole model finds likeliest, one after the other', async () => {
    const weights = uploadModel(engine, student);
    const sampler = new StudentSampler(engine, student, { batch: 2, promptTokens: 3, newTokens: 4 });
    const prompts = int64([2, 3], [1, 5, 9, 20, 3, 3]);
    const drawn = await sampler.continue(weights, prompts, 0, new Random(1), quietContext.signal);
    const program = await engine.compile(buildLogitsGraph(student, { batch: 2, length: 6 }));
    const row = (index: number): number[] => [
      ...Array.from(prompts.data.slice(3 * index, 3 * index + 3), Number),
      ...drawn.slice(4 * index, 4 * index + 4),
    ];
    const results = await program.run({
      ...Object.fromEntries(modelInputs(student)),
      tokens: int64([2, 6], [...row(0).slice(0, 6), ...row(1).slice(0, 6)]),
    });
    const logits = Array.from(toNumbers(results['logits']!.read()));
    const V = gpt2.vocabularySize;
    for (const index of [0, 1])
      for (let place = 2; place < 6; place++) {
        const values = logits.slice((index * 6 + place) * V, (index * 6 + place + 1) * V);
        expect(values.indexOf(Math.max(...values))).toBe(row(index)[place + 1]);
      }
    const drawnTwice = await Promise.all(
      [5, 5, 6].map((seed) => sampler.continue(weights, prompts, 1, new Random(seed), quietContext.signal)),
    );
    expect(drawnTwice[0]).toEqual(drawnTwice[1]);
    expect(drawnTwice[0]).not.toEqual(drawnTwice[2]);
    for (const buffer of [...Object.values(results), ...Object.values(weights)]) buffer.release();
    await program.release();
    await sampler.release();
  });
});

describe('distillOnPolicy', () => {
  it('comes nearer to its teacher on what it writes itself', async () => {
    const { reports, ...context } = watch();
    const wanted = settings({ steps: 100, learningRate: 0.02, batchSize: 4 });
    await distillOnPolicy(
      { student, teacher, corpus, settings: wanted, onPolicy: onPolicy({ share: 1 }), divergence: jsd },
      engine,
      context,
    );
    const found = reports.map(({ metrics }) => metrics!['divergence']!);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(found.slice(-10))).toBeLessThan(0.9 * mean(found.slice(0, 10)));
    for (const value of found) expect(value).toBeLessThan(Math.LN2);
  });

  it('draws the same and ends with the same weights when it goes on from a checkpoint', async () => {
    const request = { student, teacher, corpus, settings: settings({ gradientAccumulation: 2 }), onPolicy: onPolicy(), divergence: jsd };
    const straight = await distillOnPolicy(request, engine, quietContext);
    const checkpoints = new MemoryKeeper();
    await expect(distillOnPolicy({ ...request, checkpoints }, engine, watch(6))).rejects.toThrow(/cancelled/);
    const resumed = await distillOnPolicy({ ...request, checkpoints }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
  });

  it('has no loss to learn from when the student is its teacher', async () => {
    const { reports, ...context } = watch();
    const wanted = settings({ steps: 3 });
    await distillOnPolicy(
      { student, teacher: student, corpus, settings: wanted, onPolicy: onPolicy({ share: 1 }), divergence: jsd },
      engine,
      context,
    );
    expect(Math.abs(reports[0]!.metrics!['loss']!)).toBeLessThan(1e-6);
    expect(reports[0]!.metrics!['gradientNorm']).toBeLessThan(1e-3);
  });

  it.each([
    ['share', { share: 1.5 }],
    ['promptTokens', { promptTokens: 9 }],
    ['maxNewTokens', { maxNewTokens: 0 }],
    ['temperature', { temperature: -1 }],
  ] as const)('names %s in %j', (field, given) => {
    expect(() => onPolicy(given)).toThrow(expect.objectContaining({ code: 'invalid_argument', details: { field: `onPolicy.${field}` } }));
  });

  it('refuses samples that do not fit the positions of the model', () => {
    expect(() => onPolicy({ maxNewTokens: 14 })).toThrow(/context_too_long.*16 positions/);
  });
});

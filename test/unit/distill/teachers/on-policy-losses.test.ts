// Sums of losses and several teachers on the student's own samples: what counts there, balanced weights, and runs that go on.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { type DistillSettings, distillOnPolicy, distillSettings, isOwnStep, lossesOnSamples, onPolicySettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { float32, int64 } from '#tensor';
import { fingerprint, gpt2, llama, MemoryKeeper, tinyCorpus, tinyModel, tinySettings, watch } from '../../train/tiny-training.ts';
import { lossesOf, type MeasuredLosses, measureLosses } from '../losses/measured-losses.ts';

const corpus = tinyCorpus();
const student = tinyModel({ ...gpt2, width: 12, heads: 3 }, 1);
const teachers = [tinyModel(llama, 2), tinyModel({ ...gpt2, width: 12, heads: 3 }, 3)].map((model, index) => ({
  model,
  weight: index + 1,
}));
const losses = [
  { kind: 'labels', weight: 0.5 },
  { kind: 'logits', temperature: 2 },
  { kind: 'hidden', weight: 0.5 },
  { kind: 'attention', teacher: 1, weight: 0.2 },
  { kind: 'relation', teacher: 1, weight: 0.3 },
  { kind: 'embeddings', weight: 0.1 },
] as const;
const names = ['crossEntropy', 'divergence', 'hidden', 'attention', 'relation', 'embeddings'];
const reverse = { divergence: 'reverse', beta: 1, scaled: false } as const;

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

describe('losses on samples', () => {
  const [B, T] = [2, 5];
  const writtenTokens = float32([B, T], [0, 1, 1, 1, 1, 0, 1, 1, 0, 0]);
  const measured = (tokens: readonly number[], labels: readonly number[]): Promise<MeasuredLosses> =>
    measureLosses(
      student,
      teachers,
      losses,
      { tensors: { tokens: int64([B, T], tokens), labels: int64([B, T], labels), writtenTokens }, batch: B, length: T },
      { samples: { losses: lossesOnSamples(lossesOf(...losses)), isOwn: () => true } },
    );
  const tokens = [1, 5, 9, 3, 7, 2, 8, 4, 11, 12];
  const labels = [5, 9, 3, 7, 6, 8, 4, 0, 12, 13];

  it('are their weighted sum without labels, over the drawn tokens alone', async () => {
    const { loss, metrics, gradients } = await measured(tokens, labels);
    const { divergence = 0, hidden = 0, attention = 0, relation = 0, embeddings = 0 } = metrics;
    expect(loss).toBeCloseTo(4 * divergence + 0.5 * hidden + 0.2 * attention + 0.3 * relation + 0.1 * embeddings, 5);
    for (const name of names) expect(metrics[name], name).toBeGreaterThan(0);
    // Behind an end, tokens and labels may be anything.
    const other = await measured([...tokens.slice(0, 8), 20, 21], [...labels.slice(0, 8), 21, 22]);
    expect(other.loss).toBeCloseTo(loss, 9);
    // The prompt is seen, and what was drawn is no label.
    expect((await measured([3, ...tokens.slice(1)], labels)).loss).not.toBeCloseTo(loss, 4);
    const relabelled = await measured(
      tokens,
      labels.map((id) => (id + 7) % 29),
    );
    expect(relabelled.loss).toBe(loss);
    expect(relabelled.gradients).toEqual(gradients);
    expect(relabelled.metrics['crossEntropy']).not.toBeCloseTo(metrics['crossEntropy']!, 4);
  });

  it('compare logits as each loss says, or all of them by one divergence', () => {
    const of = (given?: Parameters<typeof lossesOnSamples>[1]): unknown[] =>
      lossesOnSamples(lossesOf({ kind: 'logits', divergence: 'jsd', beta: 0.2 }, { kind: 'logits', temperature: 3 }), given).map((loss) =>
        loss.kind === 'logits' ? [loss.divergence, loss.beta, loss.temperature] : loss,
      );
    expect(of()).toEqual([
      ['jsd', 0.2, 1],
      ['forward', 0.5, 3],
    ]);
    expect(of(reverse)).toEqual([
      ['reverse', 1, 1],
      ['reverse', 1, 3],
    ]);
  });

  it.each([
    ['losses', /own samples are no labels.*logits/, [{ kind: 'labels' }, { kind: 'hidden', weight: 0 }]],
    ['losses[1].tokens', /of its prompt.*"all"/, [{ kind: 'logits' }, { kind: 'hidden', tokens: 'first' }]],
  ] as const)('names %s', (field, message, written) => {
    expect(() => lossesOnSamples(lossesOf(...written))).toThrow(
      expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message), details: { field } }),
    );
  });
});

describe('distillOnPolicy with losses and several teachers', () => {
  const onPolicy = (share: number) => onPolicySettings({ share, promptTokens: 3, maxNewTokens: 6, temperature: 1 }, student, 8);
  const settings = (changes: Partial<DistillSettings> = {}, written: readonly object[] = losses): DistillSettings =>
    distillSettings({ ...tinySettings({ steps: 10, batchSize: 3 }), losses: lossesOf(...written), ...changes });

  it('comes nearer to its teachers in every term', async () => {
    const { reports, ...context } = watch();
    const wanted = settings({ steps: 60, learningRate: 0.02, batchSize: 4 });
    await distillOnPolicy({ student, teacher: teachers, corpus, settings: wanted, onPolicy: onPolicy(1) }, engine, context);
    const mean = (name: string, from: number, to?: number): number =>
      reports.slice(from, to).reduce((sum, { metrics }) => sum + metrics![name]!, 0);
    for (const name of names.slice(1)) expect(mean(name, -10), name).toBeLessThan(0.9 * mean(name, 0, 10));
  });

  it('learns from labels on the data alone', async () => {
    const { reports, ...context } = watch();
    await distillOnPolicy({ student, teacher: teachers, corpus, settings: settings(), onPolicy: onPolicy(0.5) }, engine, context);
    const isOwn = reports.map(({ step = 0 }) => isOwnStep(0, step, 0.5));
    expect(new Set(isOwn).size).toBe(2);
    for (const [index, { metrics = {} }] of reports.entries()) {
      const rest = losses.slice(1).reduce((sum, { kind, ...loss }, place) => {
        const weight = 'weight' in loss ? loss.weight : 1;
        return sum + weight * (kind === 'logits' ? 4 : 1) * metrics[names[place + 1]!]!;
      }, 0);
      expect(metrics['loss']).toBeCloseTo(rest + (isOwn[index] === true ? 0 : 0.5 * metrics['crossEntropy']!), 4);
    }
  });

  it.each([
    ['weights as they stand', {}],
    ['balanced weights, one of which moves', { balance: 'gradientNorm', balanceEvery: 3 }],
  ] as const)('draws the same and ends with the same weights when it goes on from a checkpoint: %s', async (_, changes) => {
    const moving = losses.map((loss) => (loss.kind === 'labels' ? { ...loss, weight: { from: 1, to: 0.5, steps: 8 } } : loss));
    const wanted = settings({ gradientAccumulation: 2, steps: 14, ...changes }, moving);
    const request = { student, teacher: teachers, corpus, settings: wanted, onPolicy: onPolicy(0.5), divergence: reverse };
    const straight = await distillOnPolicy(request, engine, quietContext);
    const checkpoints = new MemoryKeeper();
    const { reports, ...context } = watch(9);
    await expect(distillOnPolicy({ ...request, checkpoints }, engine, context)).rejects.toThrow(/cancelled/);
    if ('balance' in changes) {
      // Samples are measured by themselves: labels never count there.
      expect(new Set(reports.map(({ metrics }) => metrics!['hiddenGradient'])).size).toBeGreaterThan(3);
      for (const { step = 0, metrics } of reports) expect(metrics!['crossEntropyWeight'] === 0, `${step}`).toBe(isOwnStep(0, step, 0.5));
    }
    const resumed = await distillOnPolicy({ ...request, checkpoints }, engine, quietContext);
    expect(fingerprint(resumed.model)).toBe(fingerprint(straight.model));
    expect(resumed.schemeTensors).toEqual(straight.schemeTensors);
  });
});

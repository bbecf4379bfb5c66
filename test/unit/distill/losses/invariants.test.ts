// What every loss must keep, on whole models: zero at its teacher, blind to padding, the same when a batch is cut.

import { describe, expect, it } from 'vitest';
import type { EncoderDecoderConfig, Model } from '#models';
import { hostTensor, int64 } from '#tensor';
import { expectAllClose } from '#test/allclose';
import { bertConfig, tinyEncoder, twoLabels } from '#test/encoders';
import { tinySequences } from '#test/tiny-pairs';
import { gpt2, llama, tinyModel } from '../../train/tiny-training.ts';
import { type LossBatch, largest, type MeasuredLosses, measureLosses } from './measured-losses.ts';

/** Every kind, with layers that map in two layers to two. */
const everyLoss = {
  labels: { kind: 'labels' },
  'forward KL': { kind: 'logits', temperature: 2 },
  'reverse KL': { kind: 'logits', divergence: 'reverse' },
  jsd: { kind: 'logits', divergence: 'jsd', beta: 0.3, scaled: true },
  mse: { kind: 'hidden' },
  cosine: { kind: 'hidden', distance: 'cosine', layers: [[-1, -1]] },
  pkd: { kind: 'hidden', distance: 'pkd' },
  'first tokens': { kind: 'hidden', tokens: 'first' },
  'attention scores': { kind: 'attention' },
  'attention probabilities': { kind: 'attention', of: 'probabilities', distance: 'mse' },
  'attention distributions': { kind: 'attention', of: 'probabilities' },
  minilm: { kind: 'relation', of: 'minilm' },
  minilmv2: { kind: 'relation', of: 'minilmv2' },
  'gram of tokens': { kind: 'relation', of: 'gram' },
  'gram of the batch': { kind: 'relation', of: 'gram', over: 'batch' },
  embeddings: { kind: 'embeddings' },
} as const;
type LossName = keyof typeof everyLoss;
const names = Object.keys(everyLoss) as LossName[];

const pairConfig: EncoderDecoderConfig = {
  ...tinySequences,
  layers: 2,
  encoder: { layers: 2, heads: 2, headWidth: 4, feedForwardWidth: 16 },
  positions: { kind: 'relative', buckets: 8, maxDistance: 8 },
};

const length = 5;
const ids = (rows: readonly (readonly number[])[]) => int64([rows.length, length], rows.flat());

/** Texts of a model that continues them; none is padded. */
function windows(rows: readonly (readonly number[])[]): LossBatch {
  return { tensors: { tokens: ids(rows), labels: ids(rows.map((row) => [...row.slice(1), 4])) }, batch: rows.length, length };
}

/** Classified texts with so many real tokens each; behind them stands `filler`. */
function texts(rows: readonly (readonly number[])[], lengths: readonly number[], filler = 0): LossBatch {
  const padded = rows.map((row, text) => row.map((token, place) => (place < lengths[text]! ? token : filler)));
  const mask = lengths.flatMap((count) => Array.from({ length }, (_, place) => place < count));
  return {
    tensors: {
      tokens: ids(padded),
      mask: hostTensor('bool', [rows.length, length], Uint8Array.from(mask, Number)),
      tokenTypes: ids(rows.map((row) => row.map(() => 0))),
      labels: int64(
        [rows.length],
        rows.map((_, text) => text % 2),
      ),
    },
    batch: rows.length,
    length,
  };
}

/** Pairs whose sources and targets have so many real tokens. */
function pairs(rows: readonly (readonly number[])[], lengths: readonly number[], filler = 0): LossBatch {
  const { tokens, mask } = texts(rows, lengths, filler).tensors;
  const labels = rows.map((row, text) => row.map((token, place) => (place < lengths[text]! ? token : -100)));
  return { tensors: { source: tokens!, sourceMask: mask!, labels: ids(labels) }, batch: rows.length, length, sourceLength: length };
}

const rows = [
  [1, 5, 9, 3, 12],
  [7, 28, 2, 2, 11],
  [3, 3, 21, 17, 9],
  [14, 6, 25, 1, 8],
];
const lengths = [5, 3, 4, 2];

interface Setting {
  readonly student: Model;
  readonly teacher: Model;
  readonly batch: (rows: readonly (readonly number[])[], lengths: readonly number[], filler?: number) => LossBatch;
}

const classifier = bertConfig(twoLabels);
const settings: Readonly<Record<string, Setting>> = {
  'a model that continues text': { student: tinyModel(gpt2, 1), teacher: tinyModel(gpt2, 2), batch: windows },
  'a classifier': { student: tinyEncoder(classifier, 1), teacher: tinyEncoder(classifier, 2), batch: texts },
  'an encoder-decoder': { student: tinyModel(pairConfig, 1), teacher: tinyModel(pairConfig, 2), batch: pairs },
};

/** All at once: every term is reported by itself, and the gradients are those of the sum. An encoder-decoder has those of its encoder too. */
function lossesFor(setting: string, names: readonly LossName[]): readonly object[] {
  const all = names.map((name) => everyLoss[name]);
  if (setting !== 'an encoder-decoder') return all;
  return [...all, ...all.filter(({ kind }) => !['labels', 'logits'].includes(kind)).map((loss) => ({ ...loss, stack: 'encoder' }))];
}

describe.each(Object.entries(settings))('the losses of %s', (setting, { student, teacher, batch }) => {
  const compared = lossesFor(
    setting,
    names.filter((name) => name !== 'labels'),
  );

  it('are zero with a zero gradient when the student is its teacher, and not otherwise', async () => {
    const same = await measureLosses(student, student, compared, batch(rows, lengths));
    for (const [name, value] of termsOf(same)) expect(Math.abs(value), name).toBeLessThan(1e-6);
    expect(largest(same.gradients)).toBeLessThan(1e-5);
    const other = await measureLosses(student, teacher, compared, batch(rows, lengths));
    for (const [name, value] of termsOf(other)) expect(value, name).toBeGreaterThan(1e-5);
    expect(largest(other.gradients)).toBeGreaterThan(1e-3);
    expect(termsOf(other)).toHaveLength(compared.length);
  });

  it('are the means of their halves when the batch is cut, all but those that compare the texts of a batch', async () => {
    const losses = lossesFor(
      setting,
      names.filter((name) => name !== 'gram of the batch'),
    );
    // Answers of pairs are means over tokens: halves of as many tokens each.
    const counts = setting === 'an encoder-decoder' ? [5, 2, 4, 3] : lengths;
    const whole = await measureLosses(student, teacher, losses, batch(rows, counts));
    const halves = [await measureLosses(student, teacher, losses, batch(rows.slice(0, 2), counts.slice(0, 2)))];
    halves.push(await measureLosses(student, teacher, losses, batch(rows.slice(2), counts.slice(2))));
    for (const [name, value] of Object.entries(whole.metrics))
      expect(value, name).toBeCloseTo((halves[0]!.metrics[name]! + halves[1]!.metrics[name]!) / 2, 5);
    for (const [parameter, gradient] of Object.entries(whole.gradients)) {
      const mean = gradient.map((_, index) => (halves[0]!.gradients[parameter]![index]! + halves[1]!.gradients[parameter]![index]!) / 2);
      expectAllClose(gradient, mean, { absolute: 2e-5, relative: 1e-4, what: parameter });
    }
  });
});

/** What each term is, without its weight. */
function termsOf({ metrics }: MeasuredLosses): (readonly [string, number])[] {
  return Object.entries(metrics).filter(([name]) => !['loss', 'accuracy'].includes(name));
}

it.each(['a classifier', 'an encoder-decoder'])('padding of %s adds nothing to any loss', async (setting) => {
  const { student, teacher, batch } = settings[setting]!;
  const losses = lossesFor(setting, names);
  const plain = await measureLosses(student, teacher, losses, batch(rows, lengths));
  const filled = await measureLosses(student, teacher, losses, batch(rows, lengths, 19));
  expect(filled.metrics).toEqual(plain.metrics);
  for (const [parameter, gradient] of Object.entries(plain.gradients))
    expectAllClose(filled.gradients[parameter]!, gradient, { absolute: 1e-9, what: parameter });
});

describe('windows', () => {
  it('compare keys that both models see', async () => {
    const sliding = tinyModel({ ...llama, slidingWindow: { size: 2, layers: [true, true] } }, 3);
    const losses = [{ kind: 'attention', of: 'probabilities' }, { kind: 'attention' }];
    const { loss } = await measureLosses(tinyModel(llama, 3), sliding, losses, windows(rows));
    // The first layer is the same in both; all that differs comes of what the second is given.
    expect(loss).toBeGreaterThan(0);
    expect(loss).toBeLessThan(1);
    const first = losses.map((loss) => ({ ...loss, layers: [[0, 0]] }));
    expect((await measureLosses(tinyModel(llama, 3), sliding, first, windows(rows))).loss).toBeCloseTo(0, 6);
  });
});

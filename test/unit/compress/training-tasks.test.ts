// Methods that work while training, on models of other tasks: classifiers, models of hidden tokens and encoder-decoders.

import { afterAll, describe, expect, it } from 'vitest';
import { createOnnxEngine } from '#engine/onnx';
import { checkModel, type EncoderDecoderConfig, isEncoded, keptCount, type Model } from '#models';
import { albertConfig, bertConfig, countingTexts, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { tinyPairs, tinySequences } from '#test/tiny-pairs';
import type { TrainingData } from '#train';
import { runRecipe } from '../../support/recipe-runs.ts';
import { tinyModel } from '../train/tiny-training.ts';

const engine = await createOnnxEngine({ threads: 1 });
afterAll(() => engine.dispose());

const sequences: EncoderDecoderConfig = {
  ...tinySequences,
  width: 16,
  headWidth: 8,
  feedForwardWidth: 32,
  encoder: { layers: 1, heads: 2, headWidth: 8, feedForwardWidth: 32 },
};
const hidden: TrainingData = {
  lines: countingTexts(64),
  masking: { maskToken: 39, specialTokens: new Set([0, 1, 39]), share: 0.3 },
};

const subjects: readonly (readonly [string, Model, TrainingData])[] = [
  ['classifier', tinyEncoder(bertConfig(twoLabels), 1), { texts: tinyTexts(64) }],
  ['classifier with shared layers', tinyEncoder(albertConfig(twoLabels), 2), { texts: tinyTexts(64) }],
  ['model of hidden tokens', tinyEncoder(bertConfig({ kind: 'masked' }), 1), hidden],
  ['encoder-decoder', tinyModel(sequences, 1), tinyPairs],
];

const training = { steps: 4, batchSize: 4, sequenceLength: 16, sourceLength: 16, learningRate: 0.01 };
const steps = [
  { qat: { bits: 4, groupSize: 16, stepSize: 'learned', training } },
  { qat: { scheme: 'ternary', threshold: 'absmean', activations: 'token', groupSize: 16, lambdaSteps: 2, training } },
  { qat: { bits: 8, activations: 'learned', training: { ...training, teacher: 'none' } } },
  { prune: { method: 'movement', sparsity: 0.5, every: 2, training } },
];

describe.each(subjects)('a %s', (_, model, corpus) => {
  it.each(steps)('trains with %j', async (step) => {
    const { model: made, report } = await runRecipe({ engine, model, corpus, steps: [step] });
    checkModel(made);
    const changed = report.steps[0]!.layers.map(({ path }) => made.parameters.get(path)!);
    expect(changed.length).toBeGreaterThan(2);
    for (const parameter of changed)
      expect('prune' in step ? keptCount(parameter, 'value') !== undefined : isEncoded(parameter)).toBe(true);
    expect(report.steps[0]?.note).toMatch(/4 steps on .*loss on training text \d/);
  });
});

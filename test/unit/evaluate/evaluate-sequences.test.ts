// Generating and scoring in one call.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateSequences } from '#evaluate';
import { type EncoderDecoderConfig, initializeModel } from '#models';
import { pairsFromTexts, tokenizePairs } from '#text';
import { crossEntropyObjective, trainModel, trainSettings } from '#train';
import { fixtureTokenizer } from '../../support/fixture-tokenizers.ts';

const tokenizer = fixtureTokenizer('stories260K');

const config: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 512,
  width: 24,
  layers: 1,
  heads: 2,
  headWidth: 12,
  feedForwardWidth: 48,
  encoder: { layers: 1, heads: 2, headWidth: 12, feedForwardWidth: 48 },
  maxPositions: 24,
  tiedHead: true,
  normEpsilon: 1e-6,
  norm: 'rms',
  normPlacement: 'before',
  embeddingNorm: false,
  finalNorm: true,
  positions: { kind: 'relative', buckets: 8, maxDistance: 16 },
  biases: false,
  headBias: false,
  scaledEmbedding: false,
  scaledScores: true,
  scaledHead: false,
  gated: true,
  activation: 'silu',
  startToken: 1,
  padToken: 0,
  endTokens: [2],
};

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

describe('evaluateSequences', () => {
  const texts = [
    { source: 'a red dog', targets: ['the dog was red and happy', 'a happy red dog'] },
    { source: 'a blue bird', targets: ['the bird was blue and small'] },
    { source: 'a green tree', targets: ['the tree was green and tall'] },
  ];

  it('scores a model that knows its targets by heart as perfect, and an untrained one as bad', async () => {
    const untrained = initializeModel(config, new Random(2), 0.2);
    const learnt = texts.map(({ source, targets }) => ({ source, targets: targets.slice(0, 1) }));
    const corpus = await tokenizePairs(pairsFromTexts(learnt), tokenizer, quietContext);
    const settings = trainSettings({
      steps: 120,
      batchSize: 3,
      sequenceLength: 20,
      sourceLength: 12,
      learningRate: 0.01,
      checkpointEvery: 0,
    });
    const { model } = await trainModel({ model: untrained, objective: crossEntropyObjective(), corpus, settings }, engine, quietContext);

    const request = { tokenizer, pairs: pairsFromTexts(texts), generation: { beams: 2, maxTokens: 20 } };
    const good = await evaluateSequences({ ...request, model }, engine, quietContext);
    expect(good.hypotheses).toEqual(texts.map(({ targets }) => targets[0]));
    expect(good.bleu.score).toBeCloseTo(100, 6);
    expect(good.rouge.rougeL.fMeasure).toBeCloseTo(1, 6);
    expect(good).toMatchObject({ exactMatch: 1, numSources: 3, numCut: 0 });
    const bad = await evaluateSequences({ ...request, model: untrained, maxPairs: 2 }, engine, quietContext);
    expect(bad.bleu.score).toBeLessThan(20);
    expect(bad.numSources).toBe(2);
  });

  it('cuts sources that are longer than the positions of the model, and says how many', async () => {
    const model = initializeModel(config, new Random(2), 0.2);
    const long = [{ source: 'many words '.repeat(30), targets: ['a'] }];
    const result = await evaluateSequences(
      { model, tokenizer, pairs: pairsFromTexts(long), generation: { maxTokens: 3 } },
      engine,
      quietContext,
    );
    expect(result).toMatchObject({ numCut: 1, numSources: 1 });
  });

  it('refuses a tokenizer with more tokens than the embedding has rows', async () => {
    const model = initializeModel({ ...config, vocabularySize: 100 }, new Random(2));
    await expect(evaluateSequences({ model, tokenizer, pairs: pairsFromTexts(texts) }, engine, quietContext)).rejects.toMatchObject({
      code: 'tokenizer_mismatch',
    });
  });
});

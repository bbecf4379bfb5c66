// Encoder-decoders learn pairs: the loss falls, greedy search gives memorised targets back, and an interrupted run goes on exactly.

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import { type EncoderDecoderConfig, encoderDecoderNetwork, initializeModel, type Model, storedTensors } from '#models';
import { generateSequences } from '#serve';
import { float32, int64 } from '#tensor';
import { noScheme } from '#test/no-scheme';
import { tinySequences } from '#test/tiny-pairs';
import { openPairs, type PairCorpus, pairsFromTexts, type TextPair, tokenizePairs } from '#text';
import { crossEntropyObjective, trainModel, trainSettings } from '#train';
import { fixtureTokenizer } from '../../support/fixture-tokenizers.ts';
import { describeWithShared } from '../../support/shared.ts';
import { gpt2, MemoryKeeper, tinyCorpus, tinyModel, watch } from './tiny-training.ts';

const tokenizer = fixtureTokenizer('stories260K');

const config: EncoderDecoderConfig = {
  ...tinySequences,
  vocabularySize: 512,
  width: 48,
  heads: 4,
  headWidth: 12,
  feedForwardWidth: 96,
  encoder: { layers: 1, heads: 4, headWidth: 12, feedForwardWidth: 96 },
  maxPositions: 48,
  positions: { kind: 'sinusoidal', form: 'marian' },
  headBias: true,
  scaledEmbedding: true,
};

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

function newModel(seed = 1): Model {
  return initializeModel(config, new Random(seed), 0.1);
}

async function smallCorpus(): Promise<PairCorpus> {
  const pairs = ['one', 'two', 'three', 'four'].map((source): TextPair => ({ source, targets: [`${source} ${source}`] }));
  return tokenizePairs(pairsFromTexts(pairs), tokenizer, quietContext);
}

const small = trainSettings({ steps: 6, batchSize: 2, sequenceLength: 12, sourceLength: 8, learningRate: 0.01, checkpointEvery: 0 });

describeWithShared(
  'training on Tatoeba',
  (shared) => {
    it('lowers the loss on a few hundred pairs, and greedy search gives a memorised target back', async () => {
      const file = await openPairs(join(shared, 'data/seq2seq/tatoeba-en-fr/fra.txt.gz'));
      const pairs: TextPair[] = [];
      const seen = new Set<string>();
      for await (const pair of file.pairs()) {
        if (seen.has(pair.source) || pair.source.length < 8) continue;
        seen.add(pair.source);
        pairs.push(pair);
        if (pairs.length === 200) break;
      }
      const corpus = await tokenizePairs(pairsFromTexts(pairs), tokenizer, quietContext, { maxSourceTokens: 16, maxTargetTokens: 32 });
      expect(corpus.pairs.length).toBeGreaterThan(150);
      const { reports, ...context } = watch();
      const settings = trainSettings({
        steps: 320,
        batchSize: 16,
        sequenceLength: 32,
        sourceLength: 16,
        learningRate: 6e-3,
        checkpointEvery: 0,
      });
      const objective = crossEntropyObjective({ labelSmoothing: 0.05 });
      const result = await trainModel({ model: newModel(), objective, corpus, settings }, engine, context);
      const likelihoods = reports.map(({ metrics }) => metrics!['negativeLogLikelihood']!);
      expect(likelihoods.at(-1)!).toBeLessThan(likelihoods[0]! / 8);

      const chosen = corpus.pairs.slice(0, 20);
      const found = await generateSequences(
        engine,
        result.model,
        chosen.map(({ source }) => source),
        { maxTokens: 32 },
      );
      const right = found.filter(([best], index) => best!.tokens.join() === Array.from(chosen[index]!.target).join());
      expect(right.length).toBeGreaterThanOrEqual(15);
    }, 60_000);
  },
  ['data/seq2seq/tatoeba-en-fr/fra.txt.gz'],
);

describe('training on pairs', () => {
  it('goes on after a stop with the same weights as without one', async () => {
    const corpus = await smallCorpus();
    const objective = crossEntropyObjective();
    const whole = await trainModel({ model: newModel(), objective, corpus, settings: small }, engine, quietContext);
    const checkpoints = new MemoryKeeper();
    const stop = new AbortController();
    const settings = { ...small, checkpointEvery: 3 };
    const request = { model: newModel(), objective, corpus, settings, checkpoints };
    const afterStep = async (step: number): Promise<void> => {
      if (step === 4) stop.abort();
    };
    await expect(trainModel({ ...request, afterStep }, engine, { ...quietContext, signal: stop.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const resumed = await trainModel(request, engine, quietContext);
    expect(storedTensors(resumed.model)).toEqual(storedTensors(whole.model));
  });

  it('adds up micro-batches', async () => {
    const settings = { ...small, gradientAccumulation: 2 };
    const request = { model: newModel(), objective: crossEntropyObjective(), corpus: await smallCorpus(), settings };
    const result = await trainModel(request, engine, quietContext);
    expect(Number.isFinite(result.finalLoss)).toBe(true);
  });

  it('does not look at padding: its loss is that of the real labels', async () => {
    const labels = float32([3], [1, 1, 0]);
    const b = new GraphBuilder();
    const sources = { source: b.input('source', 'int64', [1, 2]), sourceMask: b.input('sourceMask', 'bool', [1, 2]) };
    const tokens = b.input('tokens', 'int64', [1, 3]);
    const student = encoderDecoderNetwork(b, newModel(), sources, tokens);
    const wanted = b.constant(int64([1, 3], [5, 6, 7]));
    const counts = b.reshape(b.constant(labels), [1, 3]);
    const task = { kind: 'causal' } as const;
    const context = { b, student, networkOf: () => student, task, vocabularySize: 512, scheme: noScheme(b), tokens, labels: wanted };
    const some = crossEntropyObjective().build({ ...context, counts }).loss;
    const all = crossEntropyObjective().build(context).loss;
    const program = await engine.compile(b.graph({ some, all }));
    const inputs = {
      source: int64([1, 2], [3, 2]),
      sourceMask: { dtype: 'bool' as const, shape: [1, 2], data: Uint8Array.of(1, 1) },
      tokens: int64([1, 3], [1, 5, 6]),
    };
    const weights = Object.fromEntries(storedTensors(newModel()));
    const results = await program.run({ ...Object.fromEntries(program.inputNames.map((name) => [name, weights[name]!])), ...inputs });
    const [first, second] = [results['some']!.read().data[0]!, results['all']!.read().data[0]!];
    expect(first).not.toEqual(second);
    for (const buffer of Object.values(results)) buffer.release();
    await program.release();
  });

  it('refuses text for an encoder-decoder, and pairs for a language model', async () => {
    const objective = crossEntropyObjective();
    await expect(
      trainModel({ model: newModel(), objective, corpus: tinyCorpus(), settings: small }, engine, quietContext),
    ).rejects.toMatchObject({
      code: 'unsupported',
    });
    const corpus = await smallCorpus();
    await expect(trainModel({ model: tinyModel(gpt2), objective, corpus, settings: small }, engine, quietContext)).rejects.toMatchObject({
      code: 'unsupported',
    });
  });

  it('refuses a pair that is longer than its batches', async () => {
    const corpus = await smallCorpus();
    const settings = { ...small, sourceLength: 2 };
    await expect(
      trainModel({ model: newModel(), objective: crossEntropyObjective(), corpus, settings }, engine, quietContext),
    ).rejects.toMatchObject({
      code: 'context_too_long',
    });
  });

  it('refuses a label smoothing of 1', () => {
    expect(() => crossEntropyObjective({ labelSmoothing: 1 })).toThrow(/labelSmoothing/);
  });
});

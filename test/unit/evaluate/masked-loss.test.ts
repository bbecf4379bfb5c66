// Guesses at hidden tokens: against PyTorch, the same for the same seed, and refused where there is nothing to guess.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateMasked } from '#evaluate';
import { bertConfig, countingTexts, tinyEncoder, twoLabels } from '#test/encoders';
import type { EncodedText } from '#text';
import { trainMaskedModel, trainSettings } from '#train';
import { encoderCase, openEncoder } from '../../golden/encoder-golden.ts';
import { temporaryFolder } from '../../support/temporary.ts';

interface Golden {
  readonly mask: number;
  readonly special: readonly number[];
  readonly scores: Readonly<Record<string, { readonly hiddenTokens: number; readonly loss: number; readonly accuracy: number }>>;
}

const golden = JSON.parse(readFileSync(new URL('../../golden/data/masked-loss.json', import.meta.url), 'utf8')) as Golden;
let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

const masking = { maskToken: 4, specialTokens: new Set([0, 1, 2, 3, 4]) };
const reader = tinyEncoder(bertConfig({ kind: 'masked' }));
const lines = countingTexts(12);

describe('the loss at hidden tokens', () => {
  it.each(Object.entries(golden.scores))('of %s is that of PyTorch with every token hidden by itself', async (name, wanted) => {
    const made = encoderCase(name);
    const model = await openEncoder(temporaryFolder(), made);
    const texts = made.tokens.map((tokens, row): EncodedText => {
      const length = made.mask[row]!.filter((real) => real === 1).length;
      return { ids: Int32Array.from(tokens.slice(0, length)), types: Uint8Array.from(made.tokenTypes[row]!.slice(0, length)) };
    });
    const request = { lines: texts, masking: { maskToken: golden.mask, specialTokens: new Set(golden.special) }, share: 0, batch: 4 };
    const { hiddenTokens, lossNats, accuracy, pseudoPerplexity } = await evaluateMasked(model, request, engine, quietContext);
    expect([hiddenTokens, accuracy]).toEqual([wanted.hiddenTokens, wanted.accuracy]);
    expect(lossNats).toBeCloseTo(wanted.loss, 5);
    expect(pseudoPerplexity).toBeCloseTo(Math.exp(wanted.loss), 3);
  });

  it('is the same for the same seed, in batches of any size, and another for another', async () => {
    const measure = (changes: object) => evaluateMasked(reader, { lines, masking, seed: 3, ...changes }, engine, quietContext);
    const [one, again, other] = [await measure({}), await measure({ batch: 5 }), await measure({ seed: 4 })];
    expect(again.lossNats).toBeCloseTo(one.lossNats, 5);
    expect(again.hiddenTokens).toBe(one.hiddenTokens);
    expect(other.lossNats).not.toBeCloseTo(one.lossNats, 3);
    const more = await measure({ share: 0.5 });
    expect(more.hiddenTokens).toBeGreaterThan(2 * one.hiddenTokens);
  });

  it('falls where the model learns, and its guesses get right', async () => {
    const settings = trainSettings({ steps: 150, batchSize: 12, sequenceLength: 13, learningRate: 0.01, checkpointEvery: 0 });
    const trained = await trainMaskedModel({ model: reader, texts: lines, masking, settings }, engine, quietContext);
    const [before, after] = [reader, trained.model].map((model) =>
      evaluateMasked(model, { lines, masking, share: 0 }, engine, quietContext),
    );
    expect((await after!).lossNats).toBeLessThan((await before!).lossNats / 2);
    expect((await after!).accuracy).toBeGreaterThan(0.5);
  });

  it.each([
    ['a classifier', tinyEncoder(bertConfig(twoLabels)), {}, 'unsupported', /task is classify, so it guesses no hidden tokens/],
    [
      'special tokens alone',
      reader,
      { lines: [{ ids: Int32Array.of(1, 3), types: new Uint8Array(2) }] },
      'empty_data',
      /no line has a token/,
    ],
    ['no line', reader, { lines: [] }, 'empty_data', /no line has a token/],
    ['a share above the whole', reader, { share: 1 }, 'invalid_argument', /hiddenShare: must be at least 0 and below 1, got 1/],
    ['a share that is no number', reader, { share: Number.NaN }, 'invalid_argument', /got NaN/],
  ])('is refused of %s', async (_, model, changes, code, message) => {
    await expect(evaluateMasked(model, { lines, masking, ...changes }, engine, quietContext)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(evaluateMasked(reader, { lines, masking }, engine, { ...quietContext, signal: stop.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });
});

// Scores of continuations against plain sums, on tiny models with a tokenizer of single letters.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Progress, quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { ContinuationScorer, type ScoreRequest, scoreContinuations } from '#evaluate';
import { uploadModel } from '#models';
import { loadTokenizer } from '#text';
import { gpt2Config, llamaConfig, logProbabilities, tinyModel, topToken } from './tiny-models.ts';

const engine: Engine = await createOnnxEngine({ device: 'cpu' });
afterAll(() => engine.dispose());

// Ids: 0 ends a text, then space, a, b, c, and "ab" as one token.
const tokenizer = loadTokenizer({
  tokenizerJson: {
    added_tokens: [{ id: 0, content: '<|endoftext|>', special: true }],
    pre_tokenizer: { type: 'Split', pattern: { Regex: ' ?[abc]+| +' }, behavior: 'Isolated' },
    model: { type: 'BPE', vocab: { ' ': 1, a: 2, b: 3, c: 4, ab: 5 }, merges: ['a b'] },
  },
});
const encode = (text: string): number[] => [...tokenizer.encode(text, { addSpecialTokens: false })];

describe.each([gpt2Config, llamaConfig])('scores with $architecture', (config) => {
  const model = tinyModel(config, 4);
  let scorer: ContinuationScorer;
  beforeAll(async () => {
    scorer = await ContinuationScorer.create(model, tokenizer, engine);
  });
  afterAll(() => scorer.release());

  /** Σ ln p of the last `length` of these tokens, and whether each was the most likely. */
  async function byHand(tokens: readonly number[], length: number): Promise<{ logLikelihood: number; isGreedy: boolean }> {
    const rows = await logProbabilities(model, engine, tokens.slice(0, -1));
    const labels = tokens.slice(-length);
    const scored = rows.slice(-length);
    return {
      logLikelihood: labels.reduce((sum, label, index) => sum + scored[index]![label]!, 0),
      isGreedy: labels.every((label, index) => topToken(scored[index]!) === label),
    };
  }

  async function expectScore(request: ScoreRequest, tokens: readonly number[], length: number): Promise<void> {
    const [result] = await scorer.score([request], quietContext);
    const expected = await byHand(tokens, length);
    expect(result!.logLikelihood).toBeCloseTo(expected.logLikelihood, 4);
    expect(result!.isGreedy).toBe(expected.isGreedy);
    expect(result!.tokens).toBe(length);
  }

  it('sum the log probabilities of the continuation alone', async () => {
    await expectScore({ context: 'abc c', continuation: ' cab' }, encode('abc c cab'), 3);
  });

  it('take token ids as they are, beside ids or text', async () => {
    // As text, "a" and "b" would become one token.
    await expectScore({ context: [4, 2], continuation: [3, 5] }, [4, 2, 3, 5], 2);
    await expectScore({ context: 'ca', continuation: Int32Array.of(3) }, [4, 2, 3], 1);
    await expectScore({ context: '', continuation: [3, 5] }, [0, 3, 5], 2);
    const wrong: readonly ScoreRequest[] = [
      { context: 'a', continuation: [9999] },
      { context: [-1], continuation: 'a' },
      { context: [2], continuation: [] },
    ];
    for (const request of wrong) await expect(scorer.score([request], quietContext)).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('count the trailing spaces of the context as the start of the continuation', async () => {
    const [one, other] = await scorer.score(
      [
        { context: 'abc ', continuation: 'b' },
        { context: 'abc', continuation: ' b' },
      ],
      quietContext,
    );
    expect(one).toEqual(other);
    expect(one!.tokens).toBe(2);
  });

  it('condition on the end token when the context is empty, and not twice', async () => {
    await expectScore({ context: '', continuation: 'ca' }, [0, ...encode('ca')], 2);
    await expectScore({ context: '  ', continuation: 'ca' }, [0, ...encode('  ca')], encode('  ca').length);
    await expectScore({ context: '', continuation: '<|endoftext|>ca' }, [0, ...encode('ca')], 2);
  });

  it('take token ids as they are', async () => {
    await expectScore({ context: [2, 3], continuation: [5, 4] }, [2, 3, 5, 4], 2);
    await expectScore({ context: 'ab', continuation: [5, 4] }, [5, 5, 4], 2);
    await expectScore({ context: [2, 3], continuation: 'ab' }, [2, 3, 5], 1);
    await expectScore({ context: [], continuation: [2, 3] }, [0, 2, 3], 2);
  });

  it('share batches with other calls, and the work of equal contexts', async () => {
    const calls = ['a', 'b', 'c', ' c', 'ca'].map((continuation) => [{ context: 'abc cab ab', continuation: `c${continuation}` }]);
    const before = scorer.gauges;
    const together = await Promise.all(calls.map((requests) => scorer.score(requests, quietContext)));
    const { batches, rows } = scorer.gauges;
    expect([batches - before.batches, rows - before.rows]).toEqual([1, 5]);
    for (const [index, requests] of calls.entries()) {
      const [alone] = await scorer.score(requests, quietContext);
      expect(together[index]![0]!.logLikelihood).toBeCloseTo(alone!.logLikelihood, 5);
    }
  });

  it('drop the start of a context that is too long', async () => {
    const context = 'ca'.repeat(40);
    await expectScore({ context, continuation: 'cc' }, encode(`${context}cc`).slice(-33), 2);
  });

  it('say greedy exactly when greedy decoding gives the continuation', async () => {
    const letters = [' ', 'a', 'b', 'c'];
    const rows = await logProbabilities(model, engine, encode('cb'));
    const results = await scorer.score(
      letters.map((letter) => ({ context: 'cb', continuation: `${letter}c` })),
      quietContext,
    );
    const first = topToken(rows.at(-1)!);
    letters.forEach((letter, index) => {
      if (encode(letter)[0] !== first) expect(results[index]!.isGreedy).toBe(false);
    });
  });

  it('do not depend on order or company', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ' '), maxLength: 20 });
    const request = fc.record({ context: text, continuation: text.map((each) => ` c${each}`) });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 12 }), async (requests) => {
        const together = await scorer.score(requests, quietContext);
        for (const [index, each] of requests.entries()) {
          const [alone] = await scorer.score([each], quietContext);
          expect(together[index]!.logLikelihood).toBeCloseTo(alone!.logLikelihood, 4);
          expect(together[index]!.tokens).toBe(alone!.tokens);
        }
      }),
      { numRuns: 15 },
    );
  });
});

describe('scoring', () => {
  const model = tinyModel(gpt2Config, 4);
  const score = (requests: readonly ScoreRequest[], context = quietContext) =>
    scoreContinuations(model, tokenizer, requests, engine, context);

  it('names the request that cannot be scored', async () => {
    const good = { context: 'a', continuation: 'b c' };
    await expect(score([good, { context: '', continuation: '' }])).rejects.toThrow(/invalid_argument.*pairs\[1\]\.continuation: is empty/);
    await expect(score([{ context: 'a', continuation: 'b' }])).rejects.toThrow(/invalid_argument.*pairs\[0\].*"b" adds no token/);
    await expect(score([{ context: 'a', continuation: 'ca'.repeat(20) }])).rejects.toThrow(/context_too_long.*40 tokens, the model 32/);
    await expect(score([{ context: [2], continuation: [] }])).rejects.toMatchObject({ details: { field: 'pairs[0].continuation' } });
    await expect(score([{ context: [2, 99], continuation: 'c' }])).rejects.toThrow(
      /pairs\[0\]\.context: token 99 at position 1 is outside/,
    );
    const bare = loadTokenizer({ tokenizerJson: { model: { type: 'BPE', vocab: { a: 0 }, merges: [] } } });
    await expect(scoreContinuations(model, bare, [{ context: '', continuation: 'a' }], engine, quietContext)).rejects.toThrow(
      /pairs\[0\]\.context/,
    );
  });

  it('scores nothing for no requests', async () => {
    expect(await score([])).toEqual([]);
  });

  it('reports progress, can be cancelled, and holds nothing afterwards', async () => {
    const before = engine.counters();
    const reports: Progress[] = [];
    await score(
      Array.from({ length: 300 }, () => ({ context: 'ca'.repeat(16), continuation: 'c' })),
      { ...quietContext, report: (each) => reports.push(each) },
    );
    expect(reports.at(-1)).toEqual({ phase: 'score', step: 300, total: 300 });
    expect(reports.length).toBeGreaterThan(1);
    await expect(score([{ context: 'a', continuation: 'c' }], { ...quietContext, signal: AbortSignal.abort() })).rejects.toThrow(
      /cancelled/,
    );
    expect([engine.counters().buffers, engine.counters().programs]).toEqual([before.buffers, before.programs]);
  });

  it('uses weights that are on the device already and leaves them there', async () => {
    const weights = uploadModel(engine, model);
    const scorer = await ContinuationScorer.create(model, tokenizer, engine, weights);
    const [shared] = await scorer.score([{ context: 'a', continuation: 'c' }], quietContext);
    await scorer.release();
    expect(Object.values(weights).every((buffer) => !buffer.isReleased)).toBe(true);
    for (const buffer of Object.values(weights)) buffer.release();
    expect([shared]).toEqual(await score([{ context: 'a', continuation: 'c' }]));
  });
});

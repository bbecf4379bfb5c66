// The share of a job's data that nothing is trained on.
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { createReferenceEngine } from '#engine/reference';
import { bertConfig, tinyEncoder } from '#test/encoders';
import { fixtureTokenizer } from '#test/fixture-tokenizers';
import { textFromStrings, tokenizeCorpus } from '#text';
import { heldOutOf, splitData } from '../../../src/jobs/held-out.ts';
import type { JobData } from '../../../src/jobs/job-data.ts';
import { gpt2, tinyCorpus, tinyModel } from '../train/tiny-training.ts';

const nobody = { decode: (): string => '' };

describe('a held-out share', () => {
  it('is the end of a text, counted by the bytes that it stands for', async () => {
    const tokenizer = fixtureTokenizer('wiki-gpt2-7m');
    const texts = [
      'Zwölf große Boxkämpfer jagen Viktor quer über den Sylter Deich. '.repeat(20),
      'Der zweite Text ist kürzer, und auch er endet. '.repeat(4),
    ];
    const corpus = await tokenizeCorpus(textFromStrings(texts), tokenizer, quietContext);
    const { rest, heldOut } = splitData(corpus, tokenizer);
    if (!('tokens' in rest && 'tokens' in heldOut)) throw new Error('is running text');
    expect([...rest.tokens, ...heldOut.tokens]).toEqual([...corpus.tokens]);
    expect(heldOut.tokens.length).toBe(Math.floor(corpus.tokens.length / 10));
    expect(rest.bytes + heldOut.bytes).toBe(corpus.bytes);
    expect(Math.abs(heldOut.bytes / corpus.bytes - 0.1)).toBeLessThan(0.05);
    // A share is other data than the whole: layers made from one are not those of the other.
    expect(rest.fingerprint).not.toBe(corpus.fingerprint);
  });

  it('keeps documents apart on both sides of the cut', () => {
    const corpus = { ...tinyCorpus(100), documentStarts: Int32Array.of(0, 50, 95) };
    const { rest, heldOut } = splitData(corpus, nobody);
    if (!('tokens' in rest && 'tokens' in heldOut)) throw new Error('is running text');
    expect([[...rest.documentStarts], [...heldOut.documentStarts]]).toEqual([
      [0, 50],
      [0, 5],
    ]);
  });

  it('is a tenth of the rows from all over, of many rows a thousand, and the same each time', () => {
    const rows = (count: number): JobData => ({
      texts: Array.from({ length: count }, (_, index) => ({ ids: Int32Array.of(index), types: Uint8Array.of(0), label: index % 2 })),
      fingerprint: 'rows',
    });
    const idsOf = (data: JobData): (number | undefined)[] => ('texts' in data ? data.texts.map(({ ids }) => ids[0]) : []);
    const [split, again] = [splitData(rows(200), nobody), splitData(rows(200), nobody)];
    expect([...idsOf(split.rest), ...idsOf(split.heldOut)].sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      Array.from({ length: 200 }, (_, index) => index),
    );
    expect(idsOf(split.heldOut)).toHaveLength(20);
    expect(idsOf(again.heldOut)).toEqual(idsOf(split.heldOut));
    // Rows that take turns with their labels give both.
    expect(new Set(idsOf(split.heldOut).map((id) => (id ?? 0) % 2)).size).toBe(2);
    expect(idsOf(splitData(rows(25_000), nobody).heldOut)).toHaveLength(1000);
    expect(() => splitData(rows(9), nobody)).toThrow(/empty_data.*9 rows.*"validation"/);
  });

  it('says what it needs of a text that is too short', () => {
    expect(() => splitData(tinyCorpus(12), nobody)).toThrow(/empty_data.*12 tokens/);
  });

  it('is measured with the figures that gates know', async () => {
    const heldOut = heldOutOf(tinyCorpus(60), createReferenceEngine());
    const figures = await heldOut.measure(tinyModel(gpt2), quietContext);
    expect(Object.keys(figures)).toEqual(['loss', 'bitsPerByte', 'perplexity', 'accuracy']);
    expect(figures['perplexity']).toBeCloseTo(Math.exp(figures['loss'] ?? 0), 5);
  });

  it('has the latency of models that continue text alone', async () => {
    const engine = await createOnnxEngine({ threads: 1 });
    try {
      const heldOut = heldOutOf(tinyCorpus(60), engine);
      expect(await heldOut.latencyMs(tinyModel(gpt2), quietContext)).toBeGreaterThan(0);
      const classifier = tinyEncoder(bertConfig({ kind: 'classify', labels: ['a', 'b'] }));
      await expect(heldOut.latencyMs(classifier, quietContext)).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringMatching(/the bert model does not continue text\. Give a target in bytes/),
      });
    } finally {
      await engine.dispose();
    }
  });

  it('says nothing of models of hidden tokens', async () => {
    const masked: JobData = { lines: [], masking: { maskToken: 1, specialTokens: new Set() }, fingerprint: 'lines' };
    const heldOut = heldOutOf(masked, createReferenceEngine());
    expect(heldOut.fits(tinyModel(gpt2))).toBe(false);
    await expect(heldOut.measure(tinyModel(gpt2), quietContext)).rejects.toMatchObject({
      code: 'unsupported',
    });
  });
});

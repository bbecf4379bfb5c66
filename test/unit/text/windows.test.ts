// Training windows in a seeded order, and evaluation windows that score every token once.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SamplerCursor, strideWindows, WindowSampler } from '#text';

const count = (length: number): Int32Array => Int32Array.from({ length }, (_, index) => index);
const numbers = (data: BigInt64Array): number[] => Array.from(data, Number);

describe('training windows', () => {
  it('hold every token of an epoch once, with its successor as label', () => {
    const sampler = new WindowSampler(count(4 * 3 + 1), { batch: 1, window: 4, seed: 5 });
    expect(sampler.windows).toBe(3);
    const seen: number[] = [];
    for (let step = 0; step < 3; step++) {
      const { tokens, labels } = sampler.next();
      expect(tokens.shape).toEqual([1, 4]);
      expect(numbers(labels.data)).toEqual(numbers(tokens.data).map((token) => token + 1));
      seen.push(...numbers(tokens.data));
    }
    expect(seen.sort((left, right) => left - right)).toEqual([...count(12)]);
  });

  it('come in an order that depends on the seed alone, new in each epoch', () => {
    const order = (seed: number): number[] => {
      const sampler = new WindowSampler(count(101), { batch: 10, window: 1, seed });
      return Array.from({ length: 20 }, () => numbers(sampler.next().tokens.data)).flat();
    };
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(order(1).slice(0, 100)).not.toEqual(order(1).slice(100));
  });

  it('continue from a saved cursor bit for bit, wherever it was saved', () => {
    const options = { batch: 3, window: 2, seed: 9 };
    const corpus = count(15);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), (steps) => {
        const straight = new WindowSampler(corpus, options);
        for (let step = 0; step < steps; step++) straight.next();
        const cursor = JSON.parse(JSON.stringify(straight.cursor)) as SamplerCursor;
        const resumed = new WindowSampler(corpus, options, cursor);
        expect(resumed.cursor).toEqual(straight.cursor);
        for (let step = 0; step < 8; step++) expect(resumed.next()).toEqual(straight.next());
      }),
    );
  });

  it('refuse too little text, sizes of zero and cursors of other data', () => {
    expect(() => new WindowSampler(count(4), { batch: 1, window: 4, seed: 0 })).toThrow(/empty_data.*4 tokens hold no window of 5/);
    expect(() => new WindowSampler(count(9), { batch: 0, window: 4, seed: 0 })).toThrow(/invalid_argument.*batch 0/);
    const cursor = { epoch: 0, position: 50, randomState: [1, 2, 3, 4] } as const;
    expect(() => new WindowSampler(count(9), { batch: 1, window: 4, seed: 0 }, cursor)).toThrow(/resume_mismatch.*position 50/);
  });
});

describe('evaluation windows', () => {
  const corpus = (length: number, starts: readonly number[] = [0]) => ({
    tokens: count(length).map((id) => id + 100),
    documentStarts: Int32Array.from(starts),
  });

  it('without overlap cover the text with the begin token first', () => {
    const windows = strideWindows(corpus(5), { window: 2, stride: 2 }, 7);
    const [first, second, third] = [...windows.batches(1)];
    expect(windows.windows).toBe(3);
    expect(windows.scoredTokens).toBe(5);
    expect([numbers(first!.tokens.data), numbers(first!.labels.data)]).toEqual([
      [7, 100],
      [100, 101],
    ]);
    expect([numbers(second!.tokens.data), numbers(second!.labels.data)]).toEqual([
      [101, 102],
      [102, 103],
    ]);
    expect([numbers(third!.tokens.data), numbers(third!.labels.data), [...third!.weights.data]]).toEqual([
      [103, 0],
      [104, 0],
      [1, 0],
    ]);
  });

  it('with overlap score only what no earlier window scored', () => {
    const windows = strideWindows(corpus(7), { window: 4, stride: 2 }, 7);
    const rows = [...windows.batches(1)].map(({ labels, weights }) => numbers(labels.data).filter((_, index) => weights.data[index] === 1));
    expect(rows).toEqual([[100, 101, 102, 103], [104, 105], [106]]);
    expect(windows.description).toBe(
      'windows of 4 tokens that start every 2 tokens and score their last 2; a begin token before the first',
    );
  });

  it('score every token exactly once with the token before it as context, for any sizes', () => {
    const sizes = fc.record({
      length: fc.integer({ min: 2, max: 40 }),
      window: fc.integer({ min: 1, max: 12 }),
      batch: fc.integer({ min: 1, max: 5 }),
    });
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), ({ length, window, batch }, share, hasFirst) => {
        const stride = 1 + Math.floor(share * (window - 1));
        const windows = strideWindows(corpus(length), { window, stride }, hasFirst ? 99 : undefined);
        const scored: number[] = [];
        let rows = 0;
        for (const { tokens, labels, weights } of windows.batches(batch)) {
          expect(tokens.shape).toEqual([batch, window]);
          rows += batch;
          weights.data.forEach((weight, cell) => {
            if (weight === 0) return;
            scored.push(Number(labels.data[cell]));
            expect(Number(tokens.data[cell])).toBe(Number(labels.data[cell]) - 1);
          });
        }
        expect(rows - windows.windows).toBeLessThan(batch);
        expect(scored).toEqual([...corpus(length).tokens].slice(hasFirst ? 0 : 1));
        expect(windows.scoredTokens).toBe(scored.length);
      }),
    );
  });

  it('see separators but do not score them', () => {
    const windows = strideWindows(corpus(6, [0, 3]), { window: 6, stride: 6 }, 7);
    const [batch] = [...windows.batches(1)];
    expect([...batch!.weights.data]).toEqual([1, 1, 0, 1, 1, 1]);
    expect(windows.scoredTokens).toBe(5);
    expect(windows.description).toContain('document separators not scored');
  });

  it('refuse a stride that would leave gaps, and a text without predictions', () => {
    expect(() => strideWindows(corpus(5), { window: 2, stride: 3 })).toThrow(/invalid_argument.*window 2 and stride 3/);
    expect(() => strideWindows(corpus(1), { window: 2, stride: 2 })).toThrow(/empty_data.*1 tokens leave nothing to predict/);
  });
});

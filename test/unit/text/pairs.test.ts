// Data sets of pairs: columns, named fields, gzip, and rows that must be refused.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { openPairs, type PairOptions, PairSampler, pairsFromTexts, type TextPair, tokenizePairs } from '#text';
import { fixtureTokenizer } from '../../support/fixture-tokenizers.ts';
import { describeWithShared } from '../../support/shared.ts';
import { temporaryFolder } from '../../support/temporary.ts';

async function read(name: string, content: string | Uint8Array, options: PairOptions = {}): Promise<TextPair[]> {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  const pairs: TextPair[] = [];
  for await (const pair of (await openPairs(path, options)).pairs()) pairs.push(pair);
  return pairs;
}

describe('openPairs', () => {
  it('reads the first two columns of a file with tabs, gzipped or not, and leaves further ones', async () => {
    const text = 'Go.\tVa !\tCC-BY\n\nRun!\tCours !\r\n';
    const wanted = [
      { source: 'Go.', targets: ['Va !'] },
      { source: 'Run!', targets: ['Cours !'] },
    ];
    expect(await read('a.tsv', text)).toEqual(wanted);
    expect(await read('a.txt.gz', gzipSync(text))).toEqual(wanted);
  });

  it('reads the columns that are asked for', async () => {
    expect(await read('a.tsv', '1\ten\tfr\n', { sourceColumn: 2, targetColumn: 1 })).toEqual([{ source: 'fr', targets: ['en'] }]);
  });

  it('reads named fields, joins a list of source sentences and keeps every target of a list', async () => {
    const row = JSON.stringify({ paper: ['One.', 'Two.'], tldr: ['a', 'b'] });
    const options = { sourceField: 'paper', targetField: 'tldr' };
    expect(await read('a.jsonl', `${row}\n`, options)).toEqual([{ source: 'One. Two.', targets: ['a', 'b'] }]);
  });

  it.each([
    ['a.tsv', 'a\tb\nno tab\n', {}, /row 2: has 1 columns/],
    ['a.jsonl', '{"source": "a"}\n', {}, /row 1: field "target" is missing/],
    ['a.jsonl', '{"source": "a", "target": []}\n', {}, /row 1: field "target" is neither/],
    ['a.jsonl', '{"source": 1, "target": "b"}\n', {}, /row 1: field "source" is neither/],
    ['a.jsonl', 'nothing\n', {}, /row 1: is not JSON/],
    ['a.tsv', '\n\n', {}, /holds no pair/],
    ['a.csv', 'a,b\n', {}, /unknown kind of file/],
  ])('refuses %s with %j', async (name, content, options, message) => {
    await expect(read(name, content, options)).rejects.toThrow(message);
  });
});

describe('tokenizePairs', () => {
  const tokenizer = fixtureTokenizer('stories260K');

  it('ends both sides, counts pairs that are too long, and makes a pair of each target', async () => {
    const source = pairsFromTexts([
      { source: 'a cat', targets: ['a dog', 'a bird'] },
      { source: 'once upon a time there was a very long sentence', targets: ['b'] },
    ]);
    const corpus = await tokenizePairs(source, tokenizer, quietContext, { maxSourceTokens: 8 });
    expect(corpus.pairs).toHaveLength(2);
    expect(corpus.numTooLong).toBe(1);
    for (const { source: ids, target } of corpus.pairs) expect([ids.at(-1), target.at(-1)]).toEqual([2, 2]);
  });

  it('refuses pairs that are all too long', async () => {
    const source = pairsFromTexts([{ source: 'a cat', targets: ['a dog'] }]);
    await expect(tokenizePairs(source, tokenizer, quietContext, { maxTargetTokens: 1 })).rejects.toMatchObject({ code: 'empty_data' });
  });
});

describe('PairSampler', () => {
  it('hands out every pair once an epoch, padded, and continues from its cursor', async () => {
    const pairs = [1, 2, 3].map((id) => ({ source: Int32Array.of(id, 9), target: Int32Array.of(id) }));
    const corpus = { pairs, numTooLong: 0, fingerprint: '', tokenizerHash: '' };
    const options = { batch: 3, sourceLength: 3, length: 2, padToken: 0, seed: 4 };
    const sampler = new PairSampler(corpus, options);
    const batch = sampler.next();
    expect(
      Array.from(batch.labels.data, Number)
        .filter((label) => label > 0)
        .sort(),
    ).toEqual([1, 2, 3]);
    expect(Array.from(batch.labels.data, Number).filter((label) => label < 0)).toHaveLength(3);
    expect(Array.from(batch.sourceMask.data)).toEqual([1, 1, 0, 1, 1, 0, 1, 1, 0]);
    const { cursor } = sampler;
    expect(new PairSampler(corpus, options, cursor).next()).toEqual(sampler.next());
  });
});

describeWithShared(
  'real pairs',
  (shared) => {
    it('reads SciTLDR with its lists of sentences and summaries', async () => {
      const source = await openPairs(join(shared, 'data/seq2seq/scitldr/dev.jsonl'));
      let numPairs = 0;
      for await (const { source: text, targets } of source.pairs()) {
        expect(text.length).toBeGreaterThan(20);
        expect(targets.length).toBeGreaterThan(0);
        if (++numPairs === 50) break;
      }
      expect(numPairs).toBe(50);
    });
  },
  ['data/seq2seq/scitldr/dev.jsonl'],
);

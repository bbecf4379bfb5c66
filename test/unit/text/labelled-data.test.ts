// Labelled data sets: the three kinds of file, the real ones of GLUE, and every fault with its row.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { fixtureTokenizer } from '#test/fixture-tokenizers';
import { describeWithShared } from '#test/shared';
import { temporaryFolder } from '#test/temporary';
import { distinctLabels, encodeLabelled, readLabelled, SentenceEncoder } from '#text';

function write(name: string, content: string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(content) : content);
  return path;
}

const columns = { text: 'sentence', label: 'label' };

describe('readLabelled', () => {
  it('reads a .tsv file by the names of its header, quotes as they are', async () => {
    const path = write('a.tsv', 'label\tsentence\n1\the said "yes"\n0\tno\r\n');
    expect(await readLabelled(path, columns)).toEqual([
      { text: 'he said "yes"', label: '1' },
      { text: 'no', label: '0' },
    ]);
  });

  it('reads a .csv file with quotes, line breaks inside them, and a missing end of line', async () => {
    const path = write('a.csv.gz', 'sentence,label\n"a, ""b""\nc",x\nplain,y\n"",z');
    expect(await readLabelled(path, columns)).toEqual([
      { text: 'a, "b"\nc', label: 'x' },
      { text: 'plain', label: 'y' },
      { text: '', label: 'z' },
    ]);
  });

  it('reads pairs from .jsonl rows whose labels are numbers', async () => {
    const path = write('a.jsonl', '{"premise": "p", "hypothesis": "h", "label": 2, "more": null}\n\n');
    const rows = await readLabelled(path, { text: 'premise', pair: 'hypothesis', label: 'label' });
    expect(rows).toEqual([{ text: 'p', pair: 'h', label: '2' }]);
  });

  it('takes names from the caller where a file has no header', async () => {
    const path = write('a.tsv', 'src\t1\t\tA sentence.\n');
    expect(await readLabelled(path, { ...columns, columns: ['source', 'label', 'mark', 'sentence'] })).toEqual([
      { text: 'A sentence.', label: '1' },
    ]);
  });

  it.each([
    ['a.tsv', 'sentence\tlabel\na\t1\t2\n', 'bad_data', /row 2: has 3 fields where 2 are named \(sentence, label\)/],
    ['a.tsv', 'text\tlabel\na\t1\n', 'bad_data', /row 2: has no column "sentence"; it has text, label/],
    ['a.csv', 'sentence,label\n"open,1\n', 'bad_data', /row 2: has a quote/],
    ['a.jsonl', '{"sentence": "a"}\n', 'bad_data', /row 1: has no column "label"/],
    ['a.jsonl', 'nothing\n', 'bad_data', /row 1: is not JSON/],
    ['a.tsv', 'sentence\tlabel\n', 'empty_data', /holds no row/],
    ['a.xml', '', 'bad_data', /unknown kind of file/],
  ] as const)('refuses a faulty %s (%#)', async (name, content, code, message) => {
    await expect(readLabelled(write(name, content), columns)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('encodeLabelled', () => {
  const encoder = new SentenceEncoder(fixtureTokenizer('stories260K'), 6);

  it('encodes rows with the numbers of their labels, cut to the length', async () => {
    const rows = [
      { text: 'Once upon a time there was a girl', label: 'yes' },
      { text: 'no', label: 'no' },
    ];
    expect(distinctLabels(rows)).toEqual(['no', 'yes']);
    expect(distinctLabels(['10', '9'].map((label) => ({ text: '', label })))).toEqual(['9', '10']);
    const texts = await encodeLabelled(rows, ['no', 'yes'], encoder, quietContext);
    expect(texts.map(({ label, ids }) => [label, ids.length])).toEqual([
      [1, 6],
      [0, texts[1]!.ids.length],
    ]);
    await expect(encodeLabelled(rows, ['no'], encoder, quietContext)).rejects.toMatchObject({
      code: 'bad_data',
      message: expect.stringContaining('label "yes"'),
    });
  });

  it('refuses a length that holds nothing but special tokens', () => {
    expect(() => new SentenceEncoder(fixtureTokenizer('stories260K'), 0)).toThrow(/maxTokens/);
  });
});

describeWithShared(
  'the data sets of GLUE',
  (shared) => {
    const path = (name: string): string => join(shared, 'data/classification', name);

    it('are read whole', async () => {
      const sst2 = await readLabelled(path('sst2/dev.tsv'), columns);
      expect(sst2).toHaveLength(872);
      expect(sst2[0]).toEqual({ text: "it 's a charming and often affecting journey . ", label: '1' });
      expect(distinctLabels(sst2)).toEqual(['0', '1']);
      const cola = await readLabelled(path('cola/dev.tsv'), { ...columns, columns: ['source', 'label', 'mark', 'sentence'] });
      expect(cola).toHaveLength(1043);
      const rte = await readLabelled(path('rte/dev.tsv'), { text: 'sentence1', pair: 'sentence2', label: 'label' });
      expect(rte).toHaveLength(277);
      expect(distinctLabels(rte)).toEqual(['entailment', 'not_entailment']);
      expect(rte[0]?.pair).toBe('Christopher Reeve had an accident.');
    });
  },
  ['data/classification'],
);

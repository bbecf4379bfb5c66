// The calibration windows are those that the manifest says, each time, and any other text or draw has another hash.
import { expect, it } from 'vitest';
import type { HostTensor } from '#tensor';
import { calibrationData } from '../../../src/jobs/calibration-data.ts';
import { tinyCorpus } from '../train/tiny-training.ts';

const corpus = tinyCorpus();
const text = { part: 0, type: 0 } as const;
const data = (sequences: number, seed = 0, window = 8): ReturnType<typeof calibrationData> =>
  calibrationData(corpus, { sequences, seed, specialTokens: true }, window, { endTokens: [0], specialLayout: () => [text] }, ['a.txt']);

async function rowsOf({ windows }: ReturnType<typeof calibrationData>): Promise<string[]> {
  const rows: string[] = [];
  const cut = ({ data: ids, shape: [count = 0, window = 0] }: HostTensor<'int64'>): string[] =>
    Array.from({ length: count }, (_, row) => ids.slice(row * window, (row + 1) * window).join());
  for await (const batch of windows()) if ('data' in batch) rows.push(...cut(batch));
  return rows;
}

it('draws exactly the rows that were asked for, the same each time', async () => {
  const twelve = data(12);
  const rows = await rowsOf(twelve);
  expect(rows).toHaveLength(12);
  expect(new Set(rows).size).toBe(12);
  expect(await rowsOf(twelve)).toEqual(rows);
  expect(await rowsOf(data(5))).toEqual(rows.slice(0, 5));
  expect(twelve.runs).toBe(2);
  expect(data(10_000).manifest).toMatchObject({ rows: 74, rowsAvailable: 74 });
});

it('tells what was used, small', () => {
  const { manifest } = data(74);
  expect(manifest).toMatchObject({ paths: ['a.txt'], textHash: 'tiny', documents: 1, rowTokens: 8, seed: 0, specialTokens: 'none added' });
  expect(manifest.rowHashes).toHaveLength(64);
  expect(manifest.rowHashes[0]).toMatch(/^[0-9a-f]{16}$/);
  expect(manifest.rowsHash).toMatch(/^[0-9a-f]{64}$/);
  expect(data(74).manifest).toEqual(manifest);
  expect(new Set([manifest, data(73).manifest, data(74, 1).manifest, data(74, 0, 4).manifest].map(({ rowsHash }) => rowsHash)).size).toBe(
    4,
  );
  const two = { ...corpus, documentStarts: Int32Array.of(0, 9) };
  const one = { sequences: 1, seed: 0, specialTokens: true };
  const plain = { endTokens: [7], specialLayout: () => [text] };
  expect(calibrationData(two, one, 8, plain, []).manifest.specialTokens).toBe('token 7 between documents');
});

it('begins every row as a prompt begins, unless it is told not to', async () => {
  const tokenizer = { endTokens: [0], specialLayout: () => [{ id: 28, type: 0 } as const, text, { id: 0, type: 0 } as const] };
  const settings = { sequences: 9, seed: 0 };
  const begun = calibrationData(corpus, { ...settings, specialTokens: true }, 8, tokenizer, []);
  const rows = (await rowsOf(begun)).map((row) => row.split(','));
  expect(rows.map(([first]) => first)).toEqual(Array.from({ length: 9 }, () => '28'));
  expect(rows.every((row) => row.length === 8)).toBe(true);
  expect(begun.manifest.specialTokens).toBe('token 28 in front of every row');
  const bare = calibrationData(corpus, { ...settings, specialTokens: false }, 8, tokenizer, []);
  expect(bare.manifest).toMatchObject({ specialTokens: 'none added', rowKind: 'window of running text' });
  expect(bare.manifest.rowsHash).not.toBe(begun.manifest.rowsHash);
  expect(() => calibrationData(corpus, { ...settings, specialTokens: true }, 1, tokenizer, [])).toThrow(
    /above the 1 special tokens, got 1/,
  );
});

it('needs one window of text', () => {
  expect(() => data(4, 0, 10_000)).toThrow(/empty_data/);
});

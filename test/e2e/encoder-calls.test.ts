// Classify, Embed and FillMask over a real connection: tiny encoders, and all-MiniLM-L6-v2 against the vectors of transformers.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncoderTask } from '#models';
import { AthanorClient } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, twoLabels, vocabulary } from '#test/encoders';
import { miniLmFolder } from '#test/minilm';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';
import { type PackedTensor, unpack } from '../golden/golden.ts';

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;

async function importTiny(name: string, task: EncoderTask): Promise<void> {
  const source = join(folder, name);
  await exportHuggingFace(tinyEncoder(bertConfig(task)), new Map(), source);
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'vocab.txt'), vocabulary.join('\n'));
  await client.unary(client.protocol.model.Import, { name, path: source });
}

beforeAll(async () => {
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  await importTiny('labels', twoLabels);
  await importTiny('fills', { kind: 'masked' });
  await importTiny('vectors', { kind: 'embed', pooling: 'first', normalize: false });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const inference = () => client.protocol.inference;

describe('encoders over gRPC', () => {
  it('classify texts and pairs', async () => {
    const inputs = [{ first: 'the old bridge' }, { first: 'the river', second: 'a stone house' }];
    const { labels, results } = await client.unary(inference().Classify, { model: 'labels', inputs });
    expect(labels).toEqual(['low', 'high']);
    expect(results).toHaveLength(2);
    for (const { label, probabilities, logits } of results) {
      expect(label).toBe(labels[logits[0]! >= logits[1]! ? 0 : 1]);
      expect(Number(probabilities[0]) + Number(probabilities[1])).toBeCloseTo(1, 12);
    }
  });

  it('embed texts, at length 1 where the caller asks for it', async () => {
    const texts = ['the old bridge', 'water'];
    const { embeddings } = await client.unary(inference().Embed, { model: 'vectors', texts });
    const { embeddings: units } = await client.unary(inference().Embed, { model: 'vectors', texts, normalize: true });
    expect(embeddings.map(({ tokens, truncated, values }) => [tokens, truncated, values.length])).toEqual([
      [5, false, 16],
      [3, false, 16],
    ]);
    for (const [index, { values }] of units.entries()) {
      const plain = embeddings[index]!.values.map(Number);
      expect(Math.hypot(...values.map(Number))).toBeCloseTo(1, 5);
      expect(Number(values[0]) * Math.hypot(...plain)).toBeCloseTo(plain[0]!, 5);
    }
  });

  it('fill in masks', async () => {
    const { results } = await client.unary(inference().FillMask, { model: 'fills', texts: ['The [MASK] of [MASK].'], topK: 2 });
    expect(results[0]!.masks.map(({ candidates }) => candidates.length)).toEqual([2, 2]);
    const [candidate] = results[0]!.masks[1]!.candidates;
    expect(candidate!.text).toContain(candidate!.token);
    expect(candidate!.probability).toBeGreaterThan(0);
  });

  it.each([
    ['an empty text', () => client.unary(inference().Embed, { model: 'vectors', texts: ['the', ''] }), 'invalid_argument', 'texts[1]'],
    ['no text', () => client.unary(inference().Embed, { model: 'vectors' }), 'invalid_argument', 'texts'],
    [
      'an empty text of a pair',
      () => client.unary(inference().Classify, { model: 'labels', inputs: [{ first: 'the', second: '' }] }),
      'invalid_argument',
      'inputs[0].second',
    ],
    ['a text without a mask', () => client.unary(inference().FillMask, { model: 'fills', texts: ['the'] }), 'invalid_argument', 'texts[0]'],
    [
      'a model of another task',
      () => client.unary(inference().FillMask, { model: 'labels', texts: ['the [MASK]'] }),
      'wrong_task',
      'model',
    ],
  ])('refuse %s with its place', async (_, attempt, code, field) => {
    await expect(attempt()).rejects.toMatchObject({ code, details: { field } });
  });
});

interface MiniLmGolden {
  readonly sentenceTokens: number;
  readonly sentences: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly embeddings: PackedTensor;
}

describe('all-MiniLM-L6-v2 over gRPC', () => {
  it('has the sentence embeddings of transformers, and cuts at its 256 tokens', async (context) => {
    const found = await miniLmFolder();
    if ('missing' in found) return context.skip(found.missing);
    await client.unary(client.protocol.model.Import, { name: 'minilm', path: found.folder });
    const golden = JSON.parse(readFileSync(new URL('../golden/data/minilm.json', import.meta.url), 'utf8')) as MiniLmGolden;
    const expected = unpack(golden.embeddings);
    const width = expected.shape[1]!;
    // Sentences that the golden file cut are other texts here.
    const whole = [...golden.sentences.entries()].filter(([, { text, ids }]) => text.trim() !== '' && ids.length < golden.sentenceTokens);
    const texts = whole.map(([, { text }]) => text);
    const { embeddings } = await client.unary(inference().Embed, { model: 'minilm', texts: [...texts, 'river '.repeat(400)] });
    expect(whole.length).toBeGreaterThan(3);
    for (const [place, [row, { ids }]] of whole.entries()) {
      const { values, tokens } = embeddings[place]!;
      expect(tokens).toBe(ids.length);
      for (let column = 0; column < width; column++)
        expect(Math.abs(Number(values[column]) - Number(expected.data[row * width + column]))).toBeLessThan(1e-4);
    }
    expect(embeddings.at(-1)).toMatchObject({ tokens: 256, truncated: true });
  });
});

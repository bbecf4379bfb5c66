// all-MiniLM-L6-v2 with its real weights: token ids and sentence embeddings of transformers, and what stays of them after export.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildEncoderGraph, type Model, uploadModel } from '#models';
import { exportHuggingFace, importHuggingFace, type TokenizerFiles } from '#store';
import { miniLmFolder } from '#test/minilm';
import { temporaryFolder } from '#test/temporary';
import { padTexts, SentenceEncoder, tokenizerFromFiles } from '#text';
import { expectClose, type PackedTensor, unpack } from './golden.ts';

interface MiniLmGolden {
  readonly sentenceTokens: number;
  readonly pairTokens: number;
  readonly sentences: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly pairs: readonly {
    readonly text: string;
    readonly pair: string;
    readonly ids: readonly number[];
    readonly types: readonly number[];
  }[];
  readonly embeddings: PackedTensor;
}

const golden = JSON.parse(readFileSync(new URL('data/minilm.json', import.meta.url), 'utf8')) as MiniLmGolden;

describe('all-MiniLM-L6-v2', () => {
  let folder: string;
  let missing: string | undefined;
  let engine: Engine;
  let model: Model;
  let tokenizerFiles: TokenizerFiles;

  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
    const found = await miniLmFolder();
    if ('missing' in found) {
      missing = found.missing;
      return;
    }
    folder = found.folder;
    ({ model, tokenizerFiles } = await importHuggingFace(folder));
  });
  afterAll(() => engine.dispose());

  const itWithModel = (name: string, body: () => Promise<void> | void) =>
    it(name, async (context: TestContext) => {
      if (missing !== undefined) return context.skip(missing);
      await body();
    });

  const embed = async (of: Model) => {
    const encoder = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), golden.sentenceTokens);
    const texts = golden.sentences.map(({ text }) => encoder.encode(text));
    const program = await engine.compile(buildEncoderGraph(of, { batch: 'B', length: 'T' }));
    const weights = uploadModel(engine, of);
    const used = Object.fromEntries(Object.entries(weights).filter(([name]) => program.inputNames.includes(name)));
    const { embedding } = await program.run({ ...used, ...padTexts(texts, golden.sentenceTokens + 3, 0) });
    const result = embedding!.read();
    for (const buffer of [...Object.values(weights), embedding!]) buffer.release();
    await program.release();
    return result;
  };

  itWithModel('is a BERT of 22.6 million parameters with mean pooling and normalization', () => {
    expect(model.config).toMatchObject({
      architecture: 'bert',
      family: 'bert',
      width: 384,
      layers: 6,
      heads: 12,
      feedForwardWidth: 1536,
      task: { kind: 'embed', pooling: 'mean', normalize: true, maxTokens: 256 },
    });
  });

  itWithModel('encodes sentences and pairs to the ids and token types of the native library, truncated as it does', () => {
    const tokenizer = tokenizerFromFiles(tokenizerFiles);
    const sentences = new SentenceEncoder(tokenizer, golden.sentenceTokens);
    for (const { text, ids } of golden.sentences) expect([...sentences.encode(text).ids], text).toEqual(ids);
    const pairs = new SentenceEncoder(tokenizer, golden.pairTokens);
    for (const { text, pair, ids, types } of golden.pairs) {
      const encoded = pairs.encode(text, pair);
      expect([...encoded.ids], text).toEqual(ids);
      expect([...encoded.types], text).toEqual(types);
    }
  });

  itWithModel('has the sentence embeddings of transformers', async () => {
    expectClose(await embed(model), unpack(golden.embeddings), { absolute: 1e-4 }, 'embeddings');
  });

  itWithModel('has them after an export and from vocab.txt alone', async () => {
    const target = join(temporaryFolder(), 'exported');
    await exportHuggingFace(model, new Map(), target);
    mkdirSync(target, { recursive: true });
    copyFileSync(join(folder, 'vocab.txt'), join(target, 'vocab.txt'));
    writeFileSync(join(target, 'tokenizer_config.json'), '{"do_lower_case": true}');
    const again = await importHuggingFace(target);
    expect(again.model.config).toEqual(model.config);
    tokenizerFiles = again.tokenizerFiles;
    expectClose(await embed(again.model), unpack(golden.embeddings), { absolute: 1e-4 }, 'embeddings');
  });
});

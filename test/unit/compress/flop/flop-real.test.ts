// The FLOP step on trained models: a language model, and a classifier on SST-2.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { at, quietContext, Random } from '#base';
import { WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier, evaluateModel } from '#evaluate';
import { type Model, withTask } from '#models';
import { importHuggingFace } from '#store';
import { int64, rawBytes } from '#tensor';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { miniLmFolder } from '#test/minilm';
import { describeWithShared, repositoryRoot } from '#test/shared';
import { encodeLabelled, readLabelled, SentenceEncoder, textFromStrings, tokenizeCorpus, tokenizerFromFiles } from '#text';
import { runFlop } from './run-flop.ts';

describe('wiki-gpt2-7m', async () => {
  const engine = await createOnnxEngine({ device: 'cpu' });
  afterAll(() => engine.dispose());
  const { model } = await importHuggingFace(fixtureModelFolder('wiki-gpt2-7m'));
  const read = async (name: string, characters: number) => {
    const text = readFileSync(join(repositoryRoot, 'test/fixtures/text', name), 'utf8').slice(0, characters);
    return await tokenizeCorpus(textFromStrings([text]), fixtureTokenizer('wiki-gpt2-7m'), quietContext);
  };
  const [corpus, heldOut] = [await read('distill.txt', 40_000), await read('evaluate.txt', 4000)];
  const calibration = new WindowCalibration(engine, async function* () {
    for (let start = 0; start + 512 <= 4096; start += 512) yield int64([4, 128], Array.from(corpus.tokens.slice(start, start + 512)));
  });
  const bits = async (of: Model): Promise<number> =>
    (await evaluateModel(of, { corpus: heldOut, window: 128, stride: 128, latency: false }, engine, quietContext)).bitsPerByte;
  const settings = {
    ratio: 0.6,
    include: ['h.1.*'],
    recompileEvery: 0,
    gateLearningRate: 0.01,
    training: { steps: 4, batchSize: 1, sequenceLength: 32 },
  };

  it('stores the share that was asked for, in half precision as before', async () => {
    const { model: small, report } = await runFlop(settings, { engine, model, corpus });
    const [step] = report.steps;
    expect(Math.abs(step!.bytesAfter / step!.bytesBefore / 0.6 - 1)).toBeLessThan(0.005);
    expect(step!.layers).toHaveLength(4);
    for (const { path, rank, kindAfter, weightError } of step!.layers) {
      expect(kindAfter).toBe('lowRank');
      const { left, right } = small.parameters.get(path)!.tensors;
      expect([left!.dtype, right!.dtype]).toEqual(['float16', 'float16']);
      expect([at(left!.shape, 1), at(right!.shape, 0)]).toEqual([rank, rank]);
      expect(weightError).toBeGreaterThan(0.05);
      expect(weightError).toBeLessThan(0.95);
    }
    expect(step!.note).toMatch(/; (59\.\d\d|60\.00) % of the stored bytes stay$/);
  });

  it('loses less from a start that looked at text', async () => {
    const plain = await bits((await runFlop(settings, { engine, model, corpus })).model);
    const whitened = await bits((await runFlop({ ...settings, start: 'whitened' }, { engine, model, corpus, calibration })).model);
    expect(whitened).toBeLessThan(plain);
    expect(whitened).toBeLessThan(1.5 * (await bits(model)));
    await expect(runFlop({ ...settings, start: 'whitened' }, { engine, model, corpus })).rejects.toMatchObject({
      code: 'not_enough_samples',
    });
  });
});

describeWithShared(
  'MiniLM on SST-2',
  (shared) => {
    it('prunes a classifier while it learns its task', async (context) => {
      const found = await miniLmFolder();
      if ('missing' in found) return context.skip(found.missing);
      const engine = await createOnnxEngine({ device: 'cpu' });
      const { model, tokenizerFiles } = await importHuggingFace(found.folder);
      const labels = ['0', '1'];
      const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), 24);
      const rows = await readLabelled(join(shared, 'data/classification/sst2/dev.tsv'), { text: 'sentence', label: 'label' });
      const texts = (await encodeLabelled(rows.slice(0, 64), labels, sentences, quietContext)).filter(({ ids }) => ids.length <= 24);
      const classifier = withTask(model, { kind: 'classify', labels }, new Random(1));
      const training = { steps: 4, batchSize: 2, sequenceLength: 24, teacher: 'none' };
      const settings = { ratio: 0.5, include: ['h.2.*'], recompileEvery: 0, training };
      const { model: small, report } = await runFlop(settings, { engine, model: classifier, corpus: { texts } });
      const [step] = report.steps;
      expect(Math.abs(step!.bytesAfter / step!.bytesBefore / 0.5 - 1)).toBeLessThan(0.005);
      expect(step!.layers.every(({ kindAfter }) => kindAfter === 'lowRank')).toBe(true);
      const { accuracy } = await evaluateClassifier(small, { texts: texts.slice(0, 16) }, engine, quietContext);
      expect(accuracy).toBeGreaterThan(0);
      const changed = [...small.parameters.values()].filter(
        ({ path, tensors }) =>
          Buffer.compare(rawBytes(Object.values(tensors)[0]!), rawBytes(Object.values(classifier.parameters.get(path)!.tensors)[0]!)) !== 0,
      );
      expect(changed.length).toBeGreaterThan(small.parameters.size / 2);
      await engine.dispose();
    });
  },
  ['data/classification/sst2/dev.tsv'],
);

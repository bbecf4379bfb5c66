// Classifying, embedding and filling in masks with tiny encoders: answers of one text alone, and what is refused, with its place.
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, buildEncoderGraph, type EncoderTask, type Model } from '#models';
import { LoadedEncoder } from '#serve';
import { toNumbers } from '#tensor';
import { bertConfig, tinyEncoder, twoLabels, wordTokenizer } from '#test/encoders';
import { padTexts, SentenceEncoder } from '#text';

const engine: Engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
const loaded: LoadedEncoder[] = [];
afterAll(async () => {
  for (const each of loaded) await each.unload();
  await engine.dispose();
});

const tokenizer = wordTokenizer();

async function load(task: EncoderTask): Promise<{ model: Model; encoder: LoadedEncoder }> {
  const model = tinyEncoder(bertConfig(task));
  const encoder = await LoadedEncoder.load(engine, model, { tokenizer, name: 'tiny' });
  loaded.push(encoder);
  return { model, encoder };
}

/** What the plain graph of the task answers to one text by itself. */
async function alone(model: Model, first: string, second?: string): Promise<number[]> {
  const text = new SentenceEncoder(tokenizer, 24).encode(first, second);
  const program = await engine.compile(buildEncoderGraph(model, { batch: 1, length: text.ids.length }));
  const weights = borrowModel(engine, model);
  const inputs: Record<string, Parameters<typeof program.run>[0][string]> = { ...weights, ...padTexts([text], text.ids.length, 0) };
  const results = await program.run(Object.fromEntries(program.inputNames.map((name) => [name, inputs[name]!])));
  const numbers = Object.values(results).flatMap((buffer) => [...toNumbers(buffer.read())]);
  for (const buffer of [...Object.values(results), ...Object.values(weights)]) buffer.release();
  await program.release();
  return numbers;
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let index = 0; index < expected.length; index++) expect(Math.abs(actual[index]! - expected[index]!)).toBeLessThan(1e-5);
}

const embedTask: EncoderTask = { kind: 'embed', pooling: 'mean', normalize: true };
const long = Array.from({ length: 30 }, () => 'river').join(' ');

describe('a classifier', () => {
  it('answers logits, probabilities and the likeliest label for texts and pairs', async () => {
    const { model, encoder } = await load(twoLabels);
    const inputs = [{ first: 'the old bridge' }, { first: 'the river', second: 'a stone house near the water' }];
    const { labels, results } = await encoder.classify(inputs, quietContext);
    expect(labels).toEqual(['low', 'high']);
    for (const [index, { label, logits, probabilities }] of results.entries()) {
      expectNear(logits, await alone(model, inputs[index]!.first, inputs[index]!.second));
      expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 12);
      expect(Math.log(probabilities[0]! / probabilities[1]!)).toBeCloseTo(logits[0]! - logits[1]!, 8);
      expect(label).toBe(logits[0]! >= logits[1]! ? 'low' : 'high');
    }
  });

  it.each([
    ['no input', [], 'invalid_argument', 'inputs'],
    ['an empty text', [{ first: 'the' }, { first: '  ' }], 'invalid_argument', 'inputs[1].first'],
    ['an empty second text', [{ first: 'the', second: '' }], 'invalid_argument', 'inputs[0].second'],
    ['a text that is too long', [{ first: long, second: 'the' }], 'context_too_long', 'inputs[0].first'],
    ['a second text that is too long', [{ first: 'the' }, { first: 'the', second: long }], 'context_too_long', 'inputs[1].second'],
  ])('refuses %s', async (_, inputs, code, field) => {
    const { encoder } = await load(twoLabels);
    await expect(encoder.classify(inputs, quietContext)).rejects.toMatchObject({ code, details: { field } });
  });
});

describe('a model that embeds', () => {
  it('answers vectors as its task says, or as the caller asks', async () => {
    const { model, encoder } = await load(embedTask);
    const texts = ['the old bridge', 'people crossed the river under the red stone bridge'];
    const normalized = await encoder.embed(texts, {}, quietContext);
    const plain = await encoder.embed(texts, { normalize: false }, quietContext);
    const asIs: Model = { ...model, config: { ...bertConfig({ ...embedTask, normalize: false }) } };
    for (const [index, text] of texts.entries()) {
      expectNear(normalized[index]!.values, await alone(model, text));
      expectNear(plain[index]!.values, await alone(asIs, text));
      expect(normalized[index]).toMatchObject({ tokens: text.split(' ').length + 2, truncated: false });
    }
  });

  it('cuts a text that is too long to its limit, and says so', async () => {
    const { encoder } = await load({ ...embedTask, maxTokens: 8 });
    const [cut, fits] = await encoder.embed([long, long.slice(0, 6 * 6 - 1)], {}, quietContext);
    expect(cut).toMatchObject({ tokens: 8, truncated: true });
    expect(fits).toMatchObject({ tokens: 8, truncated: false });
    expectNear(cut!.values, fits!.values);
  });

  it('refuses no text and an empty one', async () => {
    const { encoder } = await load(embedTask);
    await expect(encoder.embed([], {}, quietContext)).rejects.toMatchObject({ details: { field: 'texts' } });
    await expect(encoder.embed(['the', ''], {}, quietContext)).rejects.toMatchObject({ details: { field: 'texts[1]' } });
  });

  it('is refused by name for other calls', async () => {
    const { encoder } = await load(embedTask);
    const problem = { code: 'wrong_task', message: expect.stringContaining('Call Embed') };
    await expect(encoder.classify([{ first: 'the' }], quietContext)).rejects.toMatchObject(problem);
  });
});

describe('a masked language model', () => {
  it('answers the likeliest tokens of every mask, and the text with each', async () => {
    const { model, encoder } = await load({ kind: 'masked' });
    const texts = ['The old [MASK] was [MASK], green', '[MASK] bridge'];
    const answers = await encoder.fillMask(texts, { topK: 3 }, quietContext);
    expect(answers.map(({ masks }) => masks.length)).toEqual([2, 1]);
    for (const [row, { masks }] of answers.entries()) {
      const logits = await alone(model, texts[row]!);
      const places = [...new SentenceEncoder(tokenizer, 24).encode(texts[row]!).ids.entries()].filter(
        ([, id]) => id === tokenizer.maskToken,
      );
      for (const [mask, candidates] of masks.entries()) {
        const V = model.config.vocabularySize;
        const row = logits.slice(places[mask]![0] * V, (places[mask]![0] + 1) * V);
        const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        const best = [...row.keys()].sort((left, right) => row[right]! - row[left]!).slice(0, 3);
        expect(candidates.map(({ tokenId }) => tokenId)).toEqual(best);
        for (const { tokenId, probability } of candidates) expect(probability).toBeCloseTo(Math.exp(row[tokenId]!) / total, 5);
      }
    }
    const [, second] = answers[0]!.masks;
    expect(second![0]!.text).toBe(`The old [MASK] was ${second![0]!.token}, green`);
  });

  it.each([
    ['no text', [], {}, 'texts'],
    ['a text without a mask', ['the [MASK]', 'the old'], {}, 'texts[1]'],
    ['an empty text', [''], {}, 'texts[0]'],
    ['no candidates', ['the [MASK]'], { topK: 0 }, 'topK'],
    ['more candidates than there are tokens', ['the [MASK]'], { topK: 41 }, 'topK'],
    ['a text that is too long', [`[MASK] ${long}`], {}, 'texts[0]'],
  ])('refuses %s', async (_, texts, options, field) => {
    const { encoder } = await load({ kind: 'masked' });
    await expect(encoder.fillMask(texts, options, quietContext)).rejects.toMatchObject({ details: { field } });
  });
});

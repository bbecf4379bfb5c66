// Training of encoders: losses fall, padding does not matter, and a run that is cut off ends as one that was not.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { GraphBuilder } from '#graph';
import { causalNetwork, type Model, withTask } from '#models';
import { int64, toNumbers } from '#tensor';
import { albertConfig, bertConfig, countingTexts, tinyEncoder, tinyTexts, twoLabels } from '#test/encoders';
import { padTexts, TextSampler } from '#text';
import { fineTuneModel, hideTokens, type MaskedTrainRequest, trainMaskedModel, trainSettings } from '#train';
import { fingerprint, gpt2, MemoryKeeper, tinyModel, watch } from './tiny-training.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterEach(() => {
  expect(engine.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
});
afterAll(() => engine.dispose());

const texts = tinyTexts(64);
const settings = trainSettings({ steps: 64, batchSize: 8, sequenceLength: 20, learningRate: 5e-3, warmupSteps: 2, checkpointEvery: 0 });
const masking: MaskedTrainRequest['masking'] = { maskToken: 39, specialTokens: new Set([0, 1, 39]), share: 0.3 };

describe('fineTuneModel', () => {
  it.each([
    ['BERT', bertConfig(twoLabels)],
    ['ALBERT', albertConfig(twoLabels)],
  ])('teaches %s the labels of texts', async (_, config) => {
    const { reports, ...context } = watch();
    const model = tinyEncoder(config, 1, 0.05);
    const before = await evaluateClassifier(model, { texts }, engine, quietContext);
    const { model: trained } = await fineTuneModel({ model, texts: tinyTexts(256), settings }, engine, context);
    const after = await evaluateClassifier(trained, { texts: tinyTexts(64, 6) }, engine, quietContext);
    expect(after.lossNats).toBeLessThan(0.6 * before.lossNats);
    expect(after.accuracy).toBeGreaterThan(0.85);
    expect(after.matthews).toBeGreaterThan(0.6);
    expect(reports.at(-1)?.metrics).toMatchObject({ accuracy: expect.any(Number) });
  });

  it('ends with the same weights when it is cancelled midway and goes on', async () => {
    const short = { ...settings, steps: 9 };
    const model = tinyEncoder(bertConfig(twoLabels), 1, 0.05);
    const whole = await fineTuneModel({ model, texts, settings: short }, engine, quietContext);
    const checkpoints = new MemoryKeeper();
    const stopped = fineTuneModel({ model, texts, settings: short, checkpoints }, engine, watch(4));
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    const rest = await fineTuneModel({ model, texts, settings: short, checkpoints }, engine, quietContext);
    expect(fingerprint(rest.model)).toBe(fingerprint(whole.model));
    expect(rest.tokensSeen).toBe(whole.tokensSeen);
  });

  it('learns alike from batches of buckets and of one length', async () => {
    const model = tinyEncoder(bertConfig(twoLabels), 1, 0.05);
    const request = { model, texts, settings: { ...settings, steps: 3 } };
    const buckets = await fineTuneModel(request, engine, quietContext);
    const fixed = await fineTuneModel({ ...request, lengths: 'fixed' }, engine, quietContext);
    expect(buckets.finalLoss).toBeCloseTo(fixed.finalLoss, 4);
    expect(buckets.tokensSeen).toBeLessThan(fixed.tokensSeen);
  });

  it('refuses models without labels, labels that the model does not have, and texts that are too long', async () => {
    const model = tinyEncoder(bertConfig(twoLabels));
    const attempt = (changes: object, which: Model = model) =>
      fineTuneModel({ model: which, texts, settings, ...changes }, engine, quietContext);
    await expect(attempt({}, tinyEncoder(bertConfig({ kind: 'masked' })))).rejects.toMatchObject({ code: 'unsupported' });
    await expect(attempt({}, tinyModel(gpt2))).rejects.toMatchObject({ code: 'unsupported' });
    await expect(attempt({ texts: [{ ...texts[0]!, label: 2 }] })).rejects.toMatchObject({ code: 'bad_data' });
    await expect(attempt({ settings: { ...settings, sequenceLength: 5 } })).rejects.toMatchObject({ code: 'context_too_long' });
    await expect(attempt({ texts: [] })).rejects.toMatchObject({ code: 'empty_data' });
  });
});

describe('withTask', () => {
  it('keeps the encoder and begins a new head at random', () => {
    const model = tinyEncoder(bertConfig({ kind: 'masked' }));
    const classifier = withTask(model, twoLabels, new Random(1));
    expect(classifier.parameters.get('h.1.mlp.fc.weight')).toBe(model.parameters.get('h.1.mlp.fc.weight'));
    expect(classifier.parameters.has('transform.weight')).toBe(false);
    expect(classifier.parameters.get('classifier.weight')?.tensors['value']?.shape).toEqual([16, 2]);
    const more = withTask(classifier, { kind: 'classify', labels: ['a', 'b', 'c'] }, new Random(1));
    expect(more.parameters.get('pooler.weight')).toBe(classifier.parameters.get('pooler.weight'));
    expect(more.parameters.get('classifier.weight')?.tensors['value']?.shape).toEqual([16, 3]);
    expect(() => withTask(tinyModel(gpt2), twoLabels, new Random(1))).toThrow(/takes no head/);
  });
});

describe('trainMaskedModel', () => {
  it.each([
    ['BERT', bertConfig({ kind: 'masked' })],
    ['ALBERT', albertConfig({ kind: 'masked' })],
  ])('teaches %s to guess hidden tokens', async (_, config) => {
    const { reports, ...context } = watch();
    const request = {
      model: tinyEncoder(config),
      texts: countingTexts(128),
      settings: { ...settings, steps: 250, batchSize: 16, learningRate: 5e-3 },
      masking,
    };
    const { finalLoss } = await trainMaskedModel(request, engine, context);
    expect(reports[0]?.metrics?.['loss']).toBeGreaterThan(3.4); // ln 40 is 3.7
    expect(finalLoss).toBeLessThan(Math.log(12) - 0.1); // what is known without a look at the neighbours
  });

  it('refuses a model without a head over the vocabulary', async () => {
    const request = { model: tinyEncoder(bertConfig(twoLabels)), texts, settings, masking };
    await expect(trainMaskedModel(request, engine, quietContext)).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('hideTokens', () => {
  const padded = padTexts(tinyTexts(200, 8), 16, 0);
  const hidden = hideTokens(padded, 40, { ...masking, share: 0.15 }, 3);
  const used = Array.from(hidden.weights.data).filter((weight) => weight === 1).length;

  it('hides the share of real, ordinary tokens, 80/10/10, and says which', () => {
    const real = padded.mask.data.reduce((sum, each) => sum + each, 0) - 200;
    expect(used / real).toBeGreaterThan(0.13);
    expect(used / real).toBeLessThan(0.2);
    const kinds = { mask: 0, same: 0, other: 0 };
    for (let index = 0; index < used; index++) {
      const place = Number(hidden.rows.data[index]);
      expect(padded.mask.data[place]).toBe(1);
      const before = padded.tokens.data[place]!;
      expect(hidden.labels.data[index]).toBe(before);
      expect(masking.specialTokens.has(Number(before))).toBe(false);
      const now = hidden.tokens.data[place]!;
      kinds[now === 39n ? 'mask' : now === before ? 'same' : 'other']++;
    }
    expect(kinds.mask / used).toBeGreaterThan(0.7);
    expect(kinds.same / used).toBeGreaterThan(0.04);
    expect(kinds.other / used).toBeGreaterThan(0.04);
    const changed = Array.from(hidden.tokens.data).filter((token, place) => token !== padded.tokens.data[place]).length;
    expect(changed).toBe(kinds.mask + kinds.other);
  });

  it('hides the same for equal seeds and others for others', () => {
    const tokensOf = (seed: number) => Array.from(toNumbers(hideTokens(padded, 40, masking, seed).tokens));
    expect(tokensOf(4)).toEqual(tokensOf(4));
    expect(tokensOf(4)).not.toEqual(tokensOf(5));
  });
});

describe('TextSampler', () => {
  it('hands out every text once an epoch, in batches of similar lengths, and goes on from a cursor', () => {
    const options = { batch: 8, maxLength: 20, seed: 2 };
    const sampler = new TextSampler(texts, options);
    const epoch = Array.from({ length: sampler.batchesPerEpoch }, () => sampler.next());
    expect(epoch.flatMap(({ indices }) => [...indices]).sort((left, right) => left - right)).toEqual(texts.map((_, index) => index));
    expect(epoch.every(({ length }) => length === 16)).toBe(true);
    const { cursor } = sampler;
    const again = new TextSampler(texts, options, cursor);
    expect(Array.from({ length: 11 }, () => again.next())).toEqual(Array.from({ length: 11 }, () => sampler.next()));
    expect(() => new TextSampler(texts, options, { ...cursor, position: 99 })).toThrow(/position 99/);
  });
});

it('an encoder is no network that generates', () => {
  const b = new GraphBuilder();
  const tokens = b.constant(int64([1, 2], [1, 2]));
  expect(() => causalNetwork(b, tinyEncoder(bertConfig(twoLabels)), tokens)).toThrow(/not a generating model/);
});

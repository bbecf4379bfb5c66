// The warm start: whose weight every parameter begins as, what is shared, and what is refused.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '#base';
import { compressModel, type MethodReport, methods, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import {
  architectureOf,
  type BertConfig,
  encoderDecoderConfig,
  type Model,
  materializeParameter,
  parameterCounts,
  sharedOwner,
  storedTensors,
} from '#models';
import { pairsFromTexts, tokenizePairs } from '#text';
import { crossEntropyObjective, trainModel, trainSettings } from '#train';
import { planWarmStart, warmStartConfig } from '../../../src/compress/warm-start/plan.ts';
import { warmStartSettings } from '../../../src/compress/warm-start/settings.ts';
import { albertConfig, bertConfig, tinyEncoder, wordTokenizer } from '../../support/encoders.ts';
import { gpt2Config, tinyModel } from './tiny-model.ts';

const tokenizer = wordTokenizer();
const boundaryTokens = { startToken: 2, endToken: 3 };
const masked = bertConfig({ kind: 'masked' });
const reader = tinyEncoder(masked, 1);
let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

const stored = new Map<string, Model>([
  ['other', tinyEncoder({ ...masked, layers: 1, feedForwardWidth: 20 }, 9)],
  ['wider', tinyEncoder({ ...masked, width: 20 }, 9)],
  ['typeless', tinyEncoder({ ...masked, family: 'distilbert', tokenTypes: 0 }, 9)],
  ['relu', tinyEncoder({ ...masked, activation: 'relu' }, 9)],
]);

async function start(
  settings: object,
  model: Model = reader,
  before: readonly object[] = [],
): Promise<{ model: Model; report: MethodReport }> {
  const recipe = parseRecipe({ steps: [...before, { warmStart: settings }] }, methods);
  const storedModel = async (name: string): Promise<Model> => stored.get(name)!;
  const { model: started, report } = await compressModel(model, recipe, { engine, boundaryTokens, storedModel }, quietContext);
  return { model: started, report: report.steps.at(-1)! };
}

/** Whether a parameter of the encoder-decoder has the numbers of one of a BERT. */
function isCopy(model: Model, path: string, of: Model, source: string): boolean {
  return Buffer.from(materializeParameter(model, path).data.buffer).equals(Buffer.from(materializeParameter(of, source).data.buffer));
}

describe('a warm start', () => {
  it('gives both stacks the weights of one encoder, one table of tokens, and new attention to the source', async () => {
    const { model, report } = await start({});
    for (const side of ['encoder', 'decoder']) {
      expect(isCopy(model, `${side}.h.1.attn.q.weight`, reader, 'h.1.attn.q.weight')).toBe(true);
      expect(isCopy(model, `${side}.h.1.attn.norm.bias`, reader, 'h.1.ln1.bias')).toBe(true);
      expect(isCopy(model, `${side}.h.0.mlp.norm.weight`, reader, 'h.0.ln2.weight')).toBe(true);
      expect(isCopy(model, `${side}.position.weight`, reader, 'embed.position.weight')).toBe(true);
    }
    expect(isCopy(model, 'head.transform.norm.weight', reader, 'transform.norm.weight')).toBe(true);
    expect(sharedOwner(model.parameters.get('embed.source.weight')!)).toBe('embed.token.weight');
    const cross = materializeParameter(model, 'decoder.h.0.cross.k.weight').data;
    const deviation = Math.sqrt(cross.reduce((sum, value) => sum + value * value, 0) / cross.length);
    expect(deviation).toBeGreaterThan(0.016);
    expect(deviation).toBeLessThan(0.024);
    expect(model.config).toMatchObject({ startToken: 2, endTokens: [3], padToken: 0, layers: 2, encoder: { layers: 2 } });
    expect(report.layers.map(({ path }) => path)).toEqual([
      'embed',
      'encoder.embed',
      'encoder.h.0',
      'encoder.h.1',
      'decoder.embed',
      'decoder.h.0',
      'decoder.h.1',
      'head',
    ]);
    expect(report.layers.find(({ path }) => path === 'decoder.h.1')?.note).toBe('16 copied, 10 new');
    expect(report.bytesAfter).toBe(parameterCounts(model).storedBytes);
    expect(report.bytesBefore).toBe(parameterCounts(reader).storedBytes);
  });

  it('stores a shared stack once, and training keeps it one', async () => {
    const { model } = await start({ share: true });
    const own = [...model.parameters.values()].filter(({ path, kind }) => path.startsWith('decoder.') && kind !== 'shared');
    expect(own.every(({ path }) => path.includes('.cross.'))).toBe(true);
    expect(own).toHaveLength(2 * 10);
    const pairs = pairsFromTexts(['house', 'river', 'bridge'].map((word) => ({ source: `the ${word}`, targets: [`a ${word}`] })));
    const corpus = await tokenizePairs(pairs, tokenizer, quietContext);
    const settings = trainSettings({ steps: 3, batchSize: 2, sequenceLength: 8, sourceLength: 8, checkpointEvery: 0 });
    const trained = await trainModel({ model, objective: crossEntropyObjective(), corpus, settings }, engine, quietContext);
    expect([...storedTensors(trained.model).keys()]).toEqual([...storedTensors(model).keys()]);
    const [before, after] = [model, trained.model].map((each) => materializeParameter(each, 'decoder.h.1.attn.q.weight').data);
    expect(after).not.toEqual(before);
    expect(after).toEqual(materializeParameter(trained.model, 'encoder.h.1.attn.q.weight').data);
  });

  it('counts the parameters of the publication at the sizes of BERT', () => {
    const base: BertConfig = {
      ...masked,
      vocabularySize: 30522,
      width: 768,
      layers: 12,
      heads: 12,
      feedForwardWidth: 3072,
      maxPositions: 512,
    };
    const count = (settings: object): number => {
      const checked = warmStartSettings.parse(settings);
      const config = warmStartConfig({ encoder: base, decoder: base }, boundaryTokens);
      const plan = planWarmStart(config, { encoder: base, decoder: base }, checked);
      const sizes = plan.map(({ spec, origin }) =>
        origin.kind === 'shared' ? 0 : spec.shape.reduce((product, side) => product * side, 1),
      );
      return sizes.reduce((sum, size) => sum + size, 0) / 1e6;
    };
    // 221M and 136M there, with what counts as the attention to the encoder a little smaller.
    expect(count({})).toBeCloseTo(223.36, 1);
    expect(count({ share: true })).toBeCloseTo(137.91, 1);
    expect(count({ decoder: 'random' })).toBe(count({}));
    expect(count({ shareEmbedding: false })).toBeCloseTo(223.36 + 23.44, 1);
  });

  it('leaves one side new, whose embedding is then the trained one', async () => {
    const encoderOnly = (await start({ decoder: 'random' })).model;
    expect(isCopy(encoderOnly, 'encoder.h.0.mlp.fc.weight', reader, 'h.0.mlp.fc.weight')).toBe(true);
    expect(isCopy(encoderOnly, 'decoder.h.0.mlp.fc.weight', reader, 'h.0.mlp.fc.weight')).toBe(false);
    expect(isCopy(encoderOnly, 'embed.token.weight', reader, 'embed.token.weight')).toBe(true);
    const decoderOnly = (await start({ encoder: 'random' })).model;
    expect(isCopy(decoderOnly, 'encoder.h.0.mlp.fc.weight', reader, 'h.0.mlp.fc.weight')).toBe(false);
    expect(isCopy(decoderOnly, 'decoder.h.0.mlp.fc.weight', reader, 'h.0.mlp.fc.weight')).toBe(true);
    expect(isCopy(decoderOnly, 'embed.source.weight', reader, 'embed.token.weight')).toBe(true);
  });

  it('takes the decoder from another model, of other depth, with its own table and head', async () => {
    const { model } = await start({ decoder: 'other', crossAttention: 'self' });
    const other = stored.get('other')!;
    expect(encoderDecoderConfig(model)).toMatchObject({ layers: 1, feedForwardWidth: 20, encoder: { layers: 2, feedForwardWidth: 32 } });
    expect(isCopy(model, 'decoder.h.0.attn.v.weight', other, 'h.0.attn.v.weight')).toBe(true);
    expect(isCopy(model, 'decoder.h.0.cross.v.weight', other, 'h.0.attn.v.weight')).toBe(true);
    expect(isCopy(model, 'embed.token.weight', other, 'embed.token.weight')).toBe(true);
    expect(isCopy(model, 'embed.source.weight', reader, 'embed.token.weight')).toBe(true);
    expect(model.parameters.get('embed.source.weight')!.kind).toBe('dense');
  });

  it('is the same for the same seed, and another for another', async () => {
    const path = 'decoder.h.1.cross.out.weight';
    const [one, again, other] = await Promise.all([start({ seed: 4 }), start({ seed: 4 }), start({ seed: 5 })]);
    expect(storedTensors(one.model)).toEqual(storedTensors(again.model));
    expect(isCopy(one.model, path, other.model, path)).toBe(false);
  });

  it('starts from a DistilBERT, whose missing token types are zero, and from one without a head', async () => {
    const typeless = (await start({}, stored.get('typeless')!)).model;
    expect(materializeParameter(typeless, 'decoder.type.weight').data.every((value) => value === 0)).toBe(true);
    const headless = (await start({}, tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: true })))).model;
    expect(materializeParameter(headless, 'head.transform.norm.weight').data.every((value) => value === 1)).toBe(true);
    expect(headless.config.tiedHead).toBe(true);
  });

  it('keeps how weights are stored: in codes, in factors, shared by layers, and in layers of unequal size', async () => {
    const steps = [
      { share: { scheme: 'all' } },
      { lowRank: { ratio: 0.6, include: ['h.0.mlp.*'] } },
      { quantize: { bits: 8, groupSize: 16 } },
    ];
    const { model } = await start({ share: true }, reader, steps);
    expect(model.parameters.get('encoder.h.0.mlp.fc.weight')!.kind).toBe('lowRank');
    for (const path of ['encoder.h.1.mlp.fc.weight', 'decoder.h.0.mlp.fc.weight', 'decoder.h.1.mlp.fc.weight'])
      expect(sharedOwner(model.parameters.get(path)!)).toBe('encoder.h.0.mlp.fc.weight');
    const pruned = await start({}, reader, [{ prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude', include: ['h.1.*'] } }]);
    expect(
      architectureOf(pruned.model.config)
        .parameters(pruned.model.config)
        .find(({ path }) => path === 'decoder.h.1.mlp.fc.weight')?.shape,
    ).toEqual([16, 16]);
  });

  it.each([
    ['a GPT-2', tinyModel(gpt2Config), {}, 'unsupported', /encoder is of the architecture gpt2, .* blocks of BERT, RoBERTa or DistilBERT/],
    ['an ALBERT', tinyEncoder(albertConfig({ kind: 'masked' })), {}, 'unsupported', /architecture albert/],
    [
      'a decoder of another width',
      reader,
      { decoder: 'wider' },
      'shape_mismatch',
      /width is 16 in the encoder's model and 20 in the decoder's/,
    ],
    ['a decoder with another activation', reader, { decoder: 'relu' }, 'bad_recipe', /activation is gelu in the encoder's model and relu/],
    ['a decoder without token types', reader, { decoder: 'typeless' }, 'bad_recipe', /tokenTypes is 2 .* and 1/],
    ['sharing two models', reader, { decoder: 'other', share: true }, 'bad_recipe', /share: needs the same weights on both sides/],
    ['one table of two models', reader, { encoder: 'other', shareEmbedding: true }, 'bad_recipe', /shareEmbedding: needs one table/],
    [
      'two other models',
      reader,
      { encoder: 'other', decoder: 'other' },
      'bad_recipe',
      /encoder: one of encoder and decoder must be "same"/,
    ],
    ['a copy of new weights', reader, { decoder: 'random', crossAttention: 'self' }, 'bad_recipe', /crossAttention: copies/],
    ['a start token outside the vocabulary', reader, { startToken: 40 }, 'bad_config', /startToken 40 is outside 0\.\.39/],
    ['an unknown field', reader, { tie: true }, 'bad_recipe', /warmStart\.tie: unknown field/],
  ])('refuses %s', async (_, model, settings, code, message) => {
    await expect(start(settings, model)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('asks for the tokens around a target where nothing says them, and refuses an encoder-decoder', async () => {
    const recipe = parseRecipe({ steps: [{ warmStart: {} }] }, methods);
    await expect(compressModel(reader, recipe, { engine }, quietContext)).rejects.toMatchObject({
      code: 'bad_recipe',
      message: expect.stringMatching(/warmStart\.startToken: is needed/),
    });
    const { model } = await start({});
    await expect(start({}, model)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/an encoder-decoder already/),
    });
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    stop.abort();
    const recipe = parseRecipe({ steps: [{ warmStart: {} }] }, methods);
    await expect(compressModel(reader, recipe, { engine, boundaryTokens }, { ...quietContext, signal: stop.signal })).rejects.toMatchObject(
      {
        code: 'cancelled',
      },
    );
  });
});

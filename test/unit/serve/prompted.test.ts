// Models with a trained prompt, served: nobody sees its rows, whatever the pieces, caches, drafts and tasks.
import { afterAll, describe, expect, it } from 'vitest';
import { quietContext, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { borrowModel, buildEncoderGraph, buildLogitsGraph, type EncoderTask, type Gpt2Config, initializeModel, type Model } from '#models';
import { type GenerationEvent, type GenerationRequest, LoadedEncoder, LoadedModel } from '#serve';
import { int64, toNumbers } from '#tensor';
import { bertConfig, tinyEncoder, twoLabels, wordTokenizer } from '#test/encoders';
import { padTexts, SentenceEncoder } from '#text';
import { runGraph } from '../models/tiny-models.ts';
import { byteTokenizer } from './fakes.ts';

const engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
const loaded: (LoadedModel | LoadedEncoder)[] = [];
afterAll(async () => {
  for (const each of loaded) await each.unload();
  await engine.dispose();
});

const config: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: byteTokenizer.vocabularySize,
  width: 16,
  layers: 2,
  heads: 2,
  feedForwardWidth: 24,
  maxPositions: 48,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [],
  activation: 'geluTanh',
  prompt: { length: 5 },
};
const model = initializeModel(config, new Random(4), 0.5);
const prompt = [5, 9, 1, 7, 7, 2, 8];

async function load(of: Model = model, prefillTokens = 3): Promise<LoadedModel> {
  const made = await LoadedModel.load(engine, of, { tokenizer: byteTokenizer, slots: 2, prefillTokens, compute: 'exact' });
  loaded.push(made);
  return made;
}

async function eventsOf(of: LoadedModel, request: Partial<GenerationRequest> = {}, draft?: LoadedModel): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of of.generate({ prompt, maxNewTokens: 8, ignoreEnd: true, ...request }, undefined, draft)) events.push(event);
  return events;
}

const idsOf = (events: readonly GenerationEvent[]): number[] => events.flatMap((event) => (event.kind === 'token' ? [event.token.id] : []));

/** Greedy tokens by the graph of whole texts. */
async function greedy(of: Model, count: number): Promise<number[]> {
  const all = [...prompt];
  for (let step = 0; step < count; step++) {
    const { logits } = await runGraph(buildLogitsGraph(of, { batch: 1, length: all.length }), of, { tokens: int64([1, all.length], all) });
    const last = Array.from(toNumbers(logits!).slice(-of.config.vocabularySize));
    all.push(last.indexOf(Math.max(...last)));
  }
  return all.slice(prompt.length);
}

describe('a model with a trained prompt', () => {
  it.each([1, 3, 64])('generates as its graph of whole texts, its prompt in pieces of %i', async (prefillTokens) => {
    expect(idsOf(await eventsOf(await load(model, prefillTokens)))).toEqual(await greedy(model, 8));
  });

  it('counts the tokens of the text alone, and answers their log probabilities', async () => {
    const served = await load();
    expect(served.contextTokens).toBe(43);
    const events = await eventsOf(served, { promptLogprobs: 0, logprobs: 0 });
    const first = events[0]!;
    expect(first.kind === 'prompt' && first.logprobs.map(({ id }) => id)).toEqual(prompt);
    const { logits } = await runGraph(buildLogitsGraph(model, { batch: 1, length: 7 }), model, { tokens: int64([1, 7], prompt) });
    const row = Array.from(toNumbers(logits!).slice(0, config.vocabularySize));
    const largest = Math.max(...row);
    const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest;
    expect(first.kind === 'prompt' && first.logprobs[1]?.logProbability).toBeCloseTo(row[9]! - total, 4);
    const last = events.at(-1)!;
    expect(last.kind === 'finished' && last.usage).toMatchObject({ promptTokens: 7, generatedTokens: 8, cachedPromptTokens: 0 });
  });

  it('is drafted for by a smaller one with a prompt of its own', async () => {
    const small = initializeModel({ ...config, layers: 1, width: 8, prompt: { length: 2 } }, new Random(5), 0.5);
    const [target, draft] = [await load(), await load(small)];
    const events = await eventsOf(target, {}, draft);
    expect(idsOf(events)).toEqual(await greedy(model, 8));
    const last = events.at(-1)!;
    expect(last.kind === 'finished' && last.usage.draftedTokens).toBeGreaterThan(0);
  });

  it('refuses a text that leaves no room beside the prompt', async () => {
    const served = await load();
    const long = Array.from({ length: 43 }, () => 3);
    expect(() => served.generate({ prompt: long })).toThrow('43 tokens leave no room for an answer in a context of 43');
  });
});

describe('an encoder with a trained prompt', () => {
  const tokenizer = wordTokenizer();

  it.each([twoLabels, { kind: 'embed', pooling: 'mean', normalize: true }, { kind: 'embed', pooling: 'first', normalize: true }] as const)(
    'answers %j as its plain graph',
    async (task: EncoderTask) => {
      const of = tinyEncoder({ ...bertConfig(task), prompt: { length: 3 } });
      const encoder = await LoadedEncoder.load(engine, of, { tokenizer, name: 'tiny' });
      loaded.push(encoder);
      const texts = ['the old bridge', 'the river near the stone house'];
      const answers =
        task.kind === 'classify'
          ? (
              await encoder.classify(
                texts.map((first) => ({ first })),
                quietContext,
              )
            ).results.map(({ logits }) => logits)
          : (await encoder.embed(texts, {}, quietContext)).map(({ values }) => values);
      for (const [index, text] of texts.entries()) {
        const encoded = new SentenceEncoder(tokenizer, 21).encode(text);
        const program = await engine.compile(buildEncoderGraph(of, { batch: 1, length: encoded.ids.length }));
        const weights = borrowModel(engine, of);
        const all = { ...weights, ...padTexts([encoded], encoded.ids.length, 0) };
        const results = await program.run(Object.fromEntries(Object.entries(all).filter(([name]) => program.inputNames.includes(name))));
        const expected = Object.values(results).flatMap((buffer) => [...toNumbers(buffer.read())]);
        for (const buffer of [...Object.values(results), ...Object.values(weights)]) buffer.release();
        await program.release();
        for (const [place, value] of Array.from(answers[index]!).entries()) expect(value).toBeCloseTo(expected[place]!, 5);
      }
    },
  );
});

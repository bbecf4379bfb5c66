// Generation on real models: greedy stories, seeds, concurrent requests, cancellation.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { type GenerationEvent, type GenerationRequest, LoadedModel } from '#serve';
import { importHuggingFace } from '#store';
import { type FixtureModel, fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { tinyGpt2, tinyModel } from '../models/tiny-models.ts';
import { byteTokenizer } from './fakes.ts';

async function load(engine: Engine, name: FixtureModel, slots = 4): Promise<LoadedModel> {
  const { model } = await importHuggingFace(fixtureModelFolder(name));
  return LoadedModel.load(engine, model, {
    tokenizer: fixtureTokenizer(name),
    name,
    slots,
    contextTokens: 256,
    prefillTokens: 32,
    keepCacheMs: 0,
  });
}

interface Answer {
  readonly text: string;
  readonly ids: readonly number[];
  readonly last: Extract<GenerationEvent, { kind: 'finished' }>;
}

async function answer(model: LoadedModel, request: GenerationRequest, signal?: AbortSignal): Promise<Answer> {
  let text = '';
  const ids: number[] = [];
  let last: Answer['last'] | undefined;
  for await (const event of model.generate(request, signal)) {
    text += event.text;
    if (event.kind === 'token') ids.push(event.token.id);
    else if (event.kind === 'finished') last = event;
  }
  return { text, ids, last: last! };
}

const idle = { cacheBytes: 0, waiting: 0, active: 0, free: 4 };

/** Soon after the last answer: slots are free before it is heard, memory when the loop has seen that nobody is left. */
async function expectIdle(model: LoadedModel): Promise<void> {
  await vi.waitFor(() => expect(model.memory()).toMatchObject(idle));
}

describe('LoadedModel', () => {
  let engine: Engine;
  let stories: LoadedModel;
  let wiki: LoadedModel;

  beforeAll(async () => {
    engine = await createOnnxEngine({ device: 'cpu' });
    stories = await load(engine, 'stories260K');
    wiki = await load(engine, 'wiki-gpt2-7m');
  });
  afterAll(() => engine.dispose());

  it('tells the greedy story of stories260K from its begin token', async () => {
    const { text, last } = await answer(stories, { prompt: '', maxNewTokens: 80 });
    expect(text).toMatch(/^Once upon a time, there was a little girl named Lily\. She loved to play outside in the park\./);
    expect(last).toMatchObject({ reason: 'length', usage: { promptTokens: 1, generatedTokens: 80 } });
  });

  it('goes on with the same story when its beginning is given', async () => {
    const { text } = await answer(stories, { prompt: 'Once upon a time', maxNewTokens: 30 });
    expect(text).toMatch(/^, there was a little girl named Lily\. She loved to play/);
  });

  it('continues wiki-gpt2-7m greedily', async () => {
    const { text } = await answer(wiki, { prompt: 'The city of', maxNewTokens: 16 });
    expect(text).toMatch(/^ the city is the main city of the city of the city of the city/);
  });

  it('answers side by side as one by one, more requests than slots', async () => {
    const prompts = ['The city of', 'In 1914', 'A', 'The river flows through the north of the country and', 'He was born in', 'Music'];
    const requests = prompts.map((prompt, index) => ({ prompt, maxNewTokens: 6 + 3 * index }));
    const together = await Promise.all(requests.map((request) => answer(wiki, request)));
    for (const [index, request] of requests.entries()) {
      const alone = await answer(wiki, request);
      expect(together[index]!.ids).toEqual(alone.ids);
      expect(together[index]!.text).toBe(alone.text);
    }
    await expectIdle(wiki);
  });

  it('runs a prompt that is longer than a piece as in one', async () => {
    const prompt =
      'Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.';
    const { text, last } = await answer(stories, { prompt, maxNewTokens: 20 });
    expect(last.usage.promptTokens).toBeGreaterThan(32);
    expect(text).toMatch(/^ She wanted to play with it, but it was too high/);
  });

  it('draws the same text from the same seed, alone or not, and another from another', async () => {
    const request = (seed: number): GenerationRequest => ({
      prompt: 'Once upon a time',
      maxNewTokens: 40,
      sampling: { temperature: 1, topP: 0.9, seed },
    });
    const [first, second, other] = await Promise.all([1, 1, 2].map((seed) => answer(stories, request(seed))));
    expect((await answer(stories, request(1))).text).toBe(first!.text);
    expect(second!.text).toBe(first!.text);
    expect(other!.text).not.toBe(first!.text);
  });

  it('stops before a stop text, wherever tokens end', async () => {
    const { text, last } = await answer(stories, { prompt: '', maxNewTokens: 80, stop: ['tle girl na', 'zebra'] });
    expect(text).toBe('Once upon a time, there was a lit');
    expect(last).toMatchObject({ reason: 'stop', stop: 'tle girl na' });
  });

  it('frees the slot and its memory when it is cancelled or left', async () => {
    const stop = new AbortController();
    const events: GenerationEvent[] = [];
    for await (const event of stories.generate({ prompt: '', maxNewTokens: 200 }, stop.signal)) {
      events.push(event);
      if (events.length !== 3) continue;
      expect(stories.memory()).toMatchObject({ active: 1, free: 3 });
      expect(stories.memory().cacheBytes).toBeGreaterThan(0);
      stop.abort();
      expect(stories.memory()).toMatchObject({ active: 0, free: 4 });
    }
    expect(events.at(-1)).toMatchObject({ kind: 'finished', reason: 'cancelled' });
    for await (const event of stories.generate({ prompt: '', maxNewTokens: 200 })) if (event.text.includes('time')) break;
    expect(stories.memory()).toMatchObject({ active: 0, free: 4 });
    // The step under way ends before the memory is given back; a later request comes after it.
    await answer(stories, { prompt: '', maxNewTokens: 1 });
    await expectIdle(stories);
  });

  it('ends at a deadline', async () => {
    const { last } = await answer(wiki, { prompt: 'The', maxNewTokens: 250, ignoreEnd: true }, AbortSignal.timeout(1));
    expect(last.reason).toBe('cancelled');
    expect(last.usage.generatedTokens).toBeLessThan(250);
  });

  it('uses the context to its last position and refuses a prompt that fills it', async () => {
    const tokens = Array.from({ length: 250 }, (_, index) => 5 + index);
    const { ids, last } = await answer(wiki, { prompt: tokens, maxNewTokens: 100, ignoreEnd: true });
    expect(ids).toHaveLength(6);
    expect(last.reason).toBe('length');
    expect(() => wiki.generate({ prompt: [...tokens, ...tokens.slice(0, 6)] })).toThrow(/context_too_long.*256/);
    expect(() => wiki.generate({ prompt: 'a', stop: [''] })).toThrow(/invalid_argument.*stop/);
    expect(() => wiki.generate({ prompt: 'a', sampling: { topP: 2 } })).toThrow(/invalid_argument.*topP/);
    await expectIdle(wiki);
  });

  it('ends what is under way when it is unloaded, and frees everything', async () => {
    for (const other of [stories, wiki]) await expectIdle(other);
    const before = engine.counters();
    const model = await load(engine, 'stories260K');
    expect(model.memory().weightBytes).toBeGreaterThan(260_000 * 4);
    const running = answer(model, { prompt: '', maxNewTokens: 200 });
    const checked = expect(running).rejects.toThrow(/unavailable.*stories260K/);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await Promise.all([model.unload(), model.unload()]);
    await checked;
    expect(() => model.generate({ prompt: '' })).toThrow(/unavailable/);
    expect(engine.counters()).toMatchObject({ bufferBytes: before.bufferBytes, programs: before.programs });
  });

  it('refuses settings and tokenizers that do not fit', async () => {
    const model = tinyModel(tinyGpt2);
    await expect(LoadedModel.load(engine, model, { tokenizer: byteTokenizer })).rejects.toThrow(/tokenizer_mismatch.*257.*23 rows/);
    const programs = engine.counters().programs;
    const tokenizer = { ...byteTokenizer, vocabularySize: 23 };
    await expect(LoadedModel.load(engine, model, { tokenizer, slots: 0 })).rejects.toThrow(/invalid_argument.*slots/);
    await expect(LoadedModel.load(engine, model, { tokenizer, contextTokens: 1 })).rejects.toThrow(/invalid_argument.*contextTokens/);
    expect(engine.counters().programs).toBe(programs);
    const loaded = await LoadedModel.load(engine, model, { tokenizer });
    expect(loaded.contextTokens).toBe(12);
    await loaded.unload();
  });
});

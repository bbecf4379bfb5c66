// One generation: stop strings, held-back text, limits.
import { describe, expect, it } from 'vitest';
import { type CheckedRequest, checkRequest, Generation, type GenerationEvent, type GenerationRequest } from '#serve';
import { tinyGpt2 } from '../models/tiny-models.ts';
import { bytesOf, byteTokenizer, logitsFor } from './fakes.ts';

const config = { ...tinyGpt2, vocabularySize: 258, endTokens: [257] };

/** A clock that moves by 10 ms at each look. */
function tickingClock(): { nowMs(): number; monotonicMs(): number } {
  let timeMs = 0;
  return { nowMs: () => 0, monotonicMs: () => (timeMs += 10) };
}

function checked(request: GenerationRequest, contextTokens = 64): CheckedRequest {
  return checkRequest(request, config, byteTokenizer, contextTokens);
}

/** Lets a generation choose after one token more. */
async function choose(generation: Generation, logits: Float32Array): Promise<readonly GenerationEvent[]> {
  const start = generation.tokens.length - 1;
  const outcome = await generation.accept({ start, numTokens: 1, result: logits, isComplete: true });
  return outcome?.events ?? [];
}

/** All events of a model that says `answer`. */
async function eventsOf(request: GenerationRequest, answer: readonly number[]): Promise<GenerationEvent[]> {
  const generation = new Generation(checked(request), byteTokenizer, tickingClock());
  const events: GenerationEvent[] = [];
  for (const id of answer) {
    events.push(...(await choose(generation, logitsFor(id))));
    if (events.at(-1)!.kind === 'finished') return events;
  }
  return [...events, ...generation.finish('cancelled')];
}

const plainUsage = { cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };

const texts = (events: readonly GenerationEvent[]): string[] => events.map(({ text }) => text);

describe('Generation', () => {
  it('wants no more than the best token where nothing else decides, and takes it', async () => {
    const wants = (request: Partial<GenerationRequest>) =>
      new Generation(checked({ prompt: 'ab', ...request }), byteTokenizer, tickingClock()).wants(0, 2);
    expect(wants({})).toBe('best');
    for (const request of [
      { sampling: { temperature: 0.5 } },
      { logprobs: 0 },
      { sampling: { logitBias: new Map([[1, 2]]) } },
      { sampling: { repetitionPenalty: 1.1 } },
      { sampling: { frequencyPenalty: 1 } },
      { sampling: { presencePenalty: -1 } },
      { minNewTokens: 1, maxNewTokens: 2 },
    ])
      expect(wants(request), JSON.stringify(request)).toBe('last');
    const generation = new Generation(checked({ prompt: 'ab', maxNewTokens: 2 }), byteTokenizer, tickingClock());
    const best = (id: number, logit = 10) =>
      generation.accept({ start: generation.tokens.length - 1, numTokens: 1, result: { id, logit }, isComplete: true });
    expect(await best(0x78)).toMatchObject({ events: [{ kind: 'token', token: { id: 0x78 }, text: 'x' }], isEnd: false, next: [0x78] });
    await expect(best(0, Number.NaN)).rejects.toThrow(/bad_weights.*no finite largest one, but NaN/);
    expect(await best(0x79)).toMatchObject({ events: [{ text: 'y' }, { kind: 'finished', reason: 'length' }], isEnd: true });
  });

  it('sends one event a token, holds incomplete characters back, and counts', async () => {
    const events = await eventsOf({ prompt: 'ab', maxNewTokens: 4 }, bytesOf('xé.y'));
    expect(texts(events)).toEqual(['x', '', 'é', '.', '']);
    expect(events.at(-1)).toEqual({
      kind: 'finished',
      index: 0,
      text: '',
      reason: 'length',
      usage: { ...plainUsage, promptTokens: 2, generatedTokens: 4, firstTokenMs: 10, totalMs: 20 },
    });
  });

  it('sends what is left of an incomplete character at the end as a replacement', async () => {
    expect(texts(await eventsOf({ prompt: 'a', maxNewTokens: 2 }, [0x78, 0xc3])).join('')).toBe('x\uFFFD');
  });

  it('stops at a stop text that spans tokens, and sends neither it nor what follows', async () => {
    const events = await eventsOf({ prompt: 'a', stop: ['END', 'never'] }, bytesOf('one ENTER two END three'));
    expect(texts(events).join('')).toBe('one ENTER two ');
    // "EN" was held back, and came with the character that decided.
    expect(texts(events).slice(4, 7)).toEqual(['', '', 'ENT']);
    expect(events.at(-1)).toMatchObject({ reason: 'stop', stop: 'END', usage: { generatedTokens: 17 } });
  });

  it('sends a possible stop text that was not completed', async () => {
    const events = await eventsOf({ prompt: 'a', stop: ['END'], maxNewTokens: 4 }, bytesOf('x EN'));
    expect(events.at(-1)).toMatchObject({ text: 'EN', reason: 'length' });
  });

  it('ends with the end token, without text of it', async () => {
    const events = await eventsOf({ prompt: 'a' }, [...bytesOf('hi'), 257, ...bytesOf('lost')]);
    expect(texts(events).join('')).toBe('hi');
    expect(events.at(-1)).toMatchObject({ reason: 'end', usage: { generatedTokens: 3 } });
    expect(events.at(-2)).toMatchObject({ kind: 'token', token: { id: 257 } });
  });

  it('goes on past the end token where that is asked for', async () => {
    const events = await eventsOf({ prompt: 'a', ignoreEnd: true, maxNewTokens: 4 }, [...bytesOf('h'), 257, ...bytesOf('i!')]);
    expect(texts(events).join('')).toBe('hi!');
    expect(events.at(-1)).toMatchObject({ reason: 'length' });
  });
});

describe('stop tokens and least lengths', () => {
  it('ends with a stop token as with the end token, whether that is ignored or not', async () => {
    for (const ignoreEnd of [false, true]) {
      const events = await eventsOf({ prompt: 'a', stopTokenIds: [0x21], ignoreEnd }, bytesOf('hi!lost'));
      expect(texts(events).join('')).toBe('hi');
      expect(events.at(-1)).toMatchObject({ reason: 'end', usage: { generatedTokens: 3 } });
    }
  });

  it('lets no end come before so many tokens', async () => {
    const generation = new Generation(checked({ prompt: 'a', minNewTokens: 2, stopTokenIds: [0x21] }), byteTokenizer, tickingClock());
    const logits = logitsFor(257);
    logits[0x21] = 9;
    logits[0x78] = 8;
    const events: GenerationEvent[] = [];
    for (let count = 0; count < 3; count++) events.push(...(await choose(generation, logits)));
    expect(events.filter(({ kind }) => kind === 'token')).toMatchObject([
      { token: { id: 0x78 } },
      { token: { id: 0x78 } },
      { token: { id: 257 } },
    ]);
  });
});

describe('log probabilities', () => {
  it('come with each token where asked for, under the model itself', async () => {
    const request = { prompt: 'a', logprobs: 2, maxNewTokens: 1, sampling: { logitBias: new Map([[0x79, 50]]) } };
    const [event] = await eventsOf(request, bytesOf('x'));
    const rest = Math.log(Math.exp(10) + 257);
    expect(event).toMatchObject({
      kind: 'token',
      token: { id: 0x79 },
      logprobs: { id: 0x79, text: 'y', top: [{ id: 0x78, text: 'x' }, { id: 0 }] },
    });
    if (event?.kind !== 'token') throw new Error('no token');
    expect(event.logprobs?.logProbability).toBeCloseTo(-rest, 6);
    expect(event.logprobs?.top.map(({ logProbability }) => logProbability)).toEqual([
      expect.closeTo(10 - rest, 6),
      expect.closeTo(-rest, 6),
    ]);
    expect((await eventsOf({ ...request, logprobs: 0 }, bytesOf('x')))[0]).toMatchObject({ logprobs: { top: [] } });
  });

  it('of the prompt come before the first token, from pieces of any size', async () => {
    const generation = new Generation(checked({ prompt: 'abcd', promptLogprobs: 1 }), byteTokenizer, tickingClock());
    expect([generation.wants(0, 3), generation.wants(3, 1)]).toEqual(['all', 'all']);
    const rows = (ids: readonly number[]): Float32Array => Float32Array.from(ids.flatMap((id) => [...logitsFor(id)]));
    expect(await generation.accept({ start: 0, numTokens: 3, result: rows(bytesOf('bbd')), isComplete: false })).toBeUndefined();
    const outcome = await generation.accept({ start: 3, numTokens: 1, result: rows(bytesOf('x')), isComplete: true });
    const [prompt, token] = outcome?.events ?? [];
    if (prompt?.kind !== 'prompt') throw new Error('no prompt');
    expect(prompt.logprobs.map(({ text }) => text)).toEqual(['a', 'b', 'c', 'd']);
    const [likely, unlikely] = [10 - Math.log(Math.exp(10) + 257), -Math.log(Math.exp(10) + 257)];
    expect(prompt.logprobs.map(({ logProbability }) => logProbability)).toEqual([
      undefined,
      expect.closeTo(likely, 6),
      expect.closeTo(unlikely, 6),
      expect.closeTo(likely, 6),
    ]);
    expect(prompt.logprobs[2]?.top).toMatchObject([{ text: 'b' }]);
    expect(token).toMatchObject({ kind: 'token', token: { id: 0x78 } });
    expect(generation.wants(4, 1)).toBe('best');
    expect(await choose(generation, logitsFor(0x79))).toHaveLength(1);
  });
});

describe('checkRequest', () => {
  it('cuts the answer to what the context holds', () => {
    expect(checked({ prompt: 'abc', maxNewTokens: 100 }, 8)).toMatchObject({ maxNewTokens: 5 });
    expect(checked({ prompt: 'abcdefg' }, 8).maxNewTokens).toBe(1);
  });

  it('refuses a prompt that leaves no room', () => {
    expect(() => checked({ prompt: 'abcdefgh' }, 8)).toThrow(/context_too_long.*8 tokens.*8/);
  });

  it('begins with the begin token, then with the end token, where the prompt is empty', () => {
    expect([...checked({ prompt: '' }).prompt]).toEqual([256]);
    const { beginToken: _, ...withoutBegin } = byteTokenizer;
    expect([...checkRequest({ prompt: [] }, config, withoutBegin, 8).prompt]).toEqual([257]);
    const silent = { ...withoutBegin, endTokens: [] };
    expect(() => checkRequest({ prompt: '' }, { ...config, endTokens: [] }, silent, 8)).toThrow(/invalid_argument.*prompt/);
  });

  it('refuses tokens outside the vocabulary, and counts that make no sense', () => {
    expect(() => checked({ prompt: [1, 258] })).toThrow(/invalid_argument.*258 at position 1/);
    expect(() => checked({ prompt: [1, -1] })).toThrow(/invalid_argument/);
    expect(() => checked({ prompt: [1.5] })).toThrow(/invalid_argument/);
    expect(() => checked({ prompt: 'a', maxNewTokens: 0 })).toThrow(/invalid_argument.*maxNewTokens/);
  });

  it.each([
    ['minNewTokens', { minNewTokens: 9, maxNewTokens: 8 }],
    ['stopTokenIds', { stopTokenIds: [258] }],
    ['logitBias', { sampling: { logitBias: new Map([[258, 1]]) } }],
    ['frequencyPenalty', { sampling: { frequencyPenalty: 3 } }],
    ['n', { n: 0 }],
    ['n', { n: 129 }],
    ['bestOf', { n: 3, bestOf: 2 }],
    ['logprobs', { logprobs: 21 }],
    ['promptLogprobs', { promptLogprobs: -1 }],
    ['priority', { priority: 0.5 }],
    ['queueTimeoutMs', { queueTimeoutMs: Number.NaN }],
    ['draftTokens', { draftTokens: 0 }],
    ['stop', { stop: [''] }],
  ])('names the field of a bad %s', (field, fields) => {
    let error: unknown;
    try {
      checked({ prompt: 'a', ...fields });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ code: 'invalid_argument', details: { field } });
  });
});

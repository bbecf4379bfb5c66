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

/** All events of a model that says `answer`. */
function eventsOf(request: GenerationRequest, answer: readonly number[]): GenerationEvent[] {
  const generation = new Generation(checked(request), byteTokenizer, tickingClock());
  const events: GenerationEvent[] = [];
  for (const id of answer) {
    events.push(...generation.accept(logitsFor(id)));
    if (events.at(-1)!.kind === 'finished') return events;
  }
  return [...events, generation.finish('cancelled')];
}

const plainUsage = { cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };

const texts = (events: readonly GenerationEvent[]): string[] => events.map(({ text }) => text);

describe('Generation', () => {
  it('sends one event a token, holds incomplete characters back, and counts', () => {
    const events = eventsOf({ prompt: 'ab', maxNewTokens: 4 }, bytesOf('xé.y'));
    expect(texts(events)).toEqual(['x', '', 'é', '.', '']);
    expect(events.at(-1)).toEqual({
      kind: 'finished',
      index: 0,
      text: '',
      reason: 'length',
      usage: { ...plainUsage, promptTokens: 2, generatedTokens: 4, firstTokenMs: 10, totalMs: 20 },
    });
  });

  it('sends what is left of an incomplete character at the end as a replacement', () => {
    expect(texts(eventsOf({ prompt: 'a', maxNewTokens: 2 }, [0x78, 0xc3])).join('')).toBe('x\uFFFD');
  });

  it('stops at a stop text that spans tokens, and sends neither it nor what follows', () => {
    const events = eventsOf({ prompt: 'a', stop: ['END', 'never'] }, bytesOf('one ENTER two END three'));
    expect(texts(events).join('')).toBe('one ENTER two ');
    // "EN" was held back, and came with the character that decided.
    expect(texts(events).slice(4, 7)).toEqual(['', '', 'ENT']);
    expect(events.at(-1)).toMatchObject({ reason: 'stop', stop: 'END', usage: { generatedTokens: 17 } });
  });

  it('sends a possible stop text that was not completed', () => {
    const events = eventsOf({ prompt: 'a', stop: ['END'], maxNewTokens: 4 }, bytesOf('x EN'));
    expect(events.at(-1)).toMatchObject({ text: 'EN', reason: 'length' });
  });

  it('ends with the end token, without text of it', () => {
    const events = eventsOf({ prompt: 'a' }, [...bytesOf('hi'), 257, ...bytesOf('lost')]);
    expect(texts(events).join('')).toBe('hi');
    expect(events.at(-1)).toMatchObject({ reason: 'end', usage: { generatedTokens: 3 } });
    expect(events.at(-2)).toMatchObject({ kind: 'token', token: { id: 257 } });
  });

  it('goes on past the end token where that is asked for', () => {
    const events = eventsOf({ prompt: 'a', ignoreEnd: true, maxNewTokens: 4 }, [...bytesOf('h'), 257, ...bytesOf('i!')]);
    expect(texts(events).join('')).toBe('hi!');
    expect(events.at(-1)).toMatchObject({ reason: 'length' });
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
});

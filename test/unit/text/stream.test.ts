// Streamed decoding and stop strings.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FixtureModel, fixtureTokenizer } from '#test/fixture-tokenizers';
import { StopMatcher, StreamDecoder } from '#text';

const names: readonly FixtureModel[] = ['wiki-gpt2-7m', 'stories260K'];

describe.each(names)('streaming with %s', (name) => {
  const tokenizer = fixtureTokenizer(name);
  const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabularySize - 1 }), { maxLength: 40 });

  it('joins to the decoding of the whole, and never takes text back', () => {
    fc.assert(
      fc.property(ids, fc.boolean(), (list, skipSpecialTokens) => {
        const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens });
        const whole = tokenizer.decode(list, { skipSpecialTokens });
        let text = '';
        for (const id of list) {
          text += decoder.push(id);
          expect(whole.startsWith(text)).toBe(true);
        }
        expect(text + decoder.end()).toBe(whole);
      }),
      { numRuns: 300 },
    );
  });

  it('holds back the bytes of a character until it is complete', () => {
    const list = [...tokenizer.encode('🙂', { addSpecialTokens: false })];
    expect(list.length).toBeGreaterThan(2);
    const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: false });
    const parts = list.map((id) => decoder.push(id));
    expect(parts.filter((part) => part !== '')).toEqual(['🙂']);
    expect(decoder.end()).toBe('');
  });

  it('ends a broken character as U+FFFD', () => {
    const list = [...tokenizer.encode('x🙂', { addSpecialTokens: false })].slice(0, -1);
    const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: false });
    expect(list.map((id) => decoder.push(id)).join('')).toBe('x');
    expect(decoder.end()).toBe('\uFFFD');
  });

  it('continues the text of a prompt with its space', () => {
    const prompt = tokenizer.encode('Once upon', { addSpecialTokens: true });
    const next = tokenizer.encode('Once upon a time', { addSpecialTokens: true }).subarray(prompt.length);
    const decoder = new StreamDecoder(tokenizer, { skipSpecialTokens: true, after: prompt });
    expect([...next].map((id) => decoder.push(id)).join('') + decoder.end()).toBe(' a time');
  });
});

describe('stop strings', () => {
  /** The rule, read off the whole text: the match that ends first, and of several the longest. */
  function cutWhole(text: string, stops: readonly string[]): string {
    for (let end = 1; end <= text.length; end++) {
      const starts = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => end - stop.length);
      if (starts.length > 0) return text.slice(0, Math.min(...starts));
    }
    return text;
  }

  it('cut at the same place however the text is cut into pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 24 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        letters,
        fc.array(stop, { maxLength: 3 }),
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1 }),
        (text, stops, sizes) => {
          const matcher = new StopMatcher(stops);
          let out = '';
          for (let start = 0, index = 0; start < text.length; index++) {
            const size = sizes[index % sizes.length] ?? 1;
            out += matcher.push(text.slice(start, start + size)).text;
            start += size;
          }
          expect(out + matcher.end()).toBe(cutWhole(text, stops));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('are found across pieces, and the beginning of one is held back', () => {
    const matcher = new StopMatcher(['\n\nQ:']);
    expect(matcher.push('yes\n')).toEqual({ text: 'yes' });
    expect(matcher.push('\n')).toEqual({ text: '' });
    expect(matcher.push('Q: more')).toEqual({ text: '', stop: '\n\nQ:' });
    expect(matcher.push('after')).toEqual({ text: '', stop: '\n\nQ:' });
    expect(matcher.end()).toBe('');
  });

  it('give held text back when nothing followed', () => {
    const matcher = new StopMatcher(['END']);
    expect(matcher.push('the EN')).toEqual({ text: 'the ' });
    expect(matcher.end()).toBe('EN');
  });

  it('must not be empty', () => {
    expect(() => new StopMatcher(['a', ''])).toThrow(/invalid_argument.*empty stop string/);
  });
});

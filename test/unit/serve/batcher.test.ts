// The loop that runs steps for many requests, with a fake executor.
import { describe, expect, it } from 'vitest';
import { AppError, systemClock } from '#base';
import { Batcher, type BatcherOptions, checkRequest, Generation, type GenerationEvent, type GenerationRequest } from '#serve';
import { tinyGpt2 } from '../models/tiny-models.ts';
import { byteTokenizer, FakeExecutor } from './fakes.ts';

const config = { ...tinyGpt2, vocabularySize: 258, endTokens: [257] };

function generation(request: GenerationRequest): Generation {
  return new Generation(checkRequest(request, config, byteTokenizer, 64), byteTokenizer, systemClock);
}

/** The next character of the alphabet. */
const successor = (tokens: readonly number[]): number => tokens.at(-1)! + 1;

async function collect(events: AsyncIterable<GenerationEvent>): Promise<{ text: string; last: GenerationEvent | undefined }> {
  let text = '';
  let last: GenerationEvent | undefined;
  for await (const event of events) {
    text += event.text;
    last = event;
  }
  return { text, last };
}

function setUp(slots = 2, prefillTokens = 16, more: Partial<BatcherOptions> = {}): { executor: FakeExecutor; batcher: Batcher } {
  const executor = new FakeExecutor(successor);
  return { executor, batcher: new Batcher(executor, { slots, prefillTokens, ...more }) };
}

const idle = { waiting: 0, active: 0, paused: 0, free: 2, blocks: { held: 0 } };

describe('Batcher', () => {
  it('serves more requests than it has slots, each as if it were alone', async () => {
    const { executor, batcher } = setUp();
    const prompts = ['a', 'cde', 'k', 'mnopqrs', 'A'];
    const results = await Promise.all(
      prompts.map((prompt, index) => collect(batcher.submit(generation({ prompt, maxNewTokens: 2 + index })))),
    );
    expect(results.map(({ text }) => text)).toEqual(['bc', 'fgh', 'lmno', 'tuvwx', 'BCDEFG']);
    expect(batcher.gauges).toMatchObject(idle);
    expect([...executor.sequences.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    expect(Math.max(...executor.steps.map((shares) => shares.length))).toBe(2);
  });

  it('runs a long prompt in pieces and wants logits of the last only', async () => {
    const { executor, batcher } = setUp(2, 3);
    const { text } = await collect(batcher.submit(generation({ prompt: 'abcdefg', maxNewTokens: 2 })));
    expect(text).toBe('hi');
    const prompt = executor.steps.slice(0, 3).map(([share]) => [String.fromCharCode(...share!.tokens), share!.wantsLogits]);
    expect(prompt).toEqual([
      ['abc', 'none'],
      ['def', 'none'],
      ['g', 'best'],
    ]);
  });

  it('frees the slot at once when the signal fires, and others go on', async () => {
    const { executor, batcher } = setUp();
    const stop = new AbortController();
    const seen: unknown[] = [];
    executor.onStep = (step) => {
      if (step !== 4) return;
      stop.abort();
      seen.push(batcher.gauges);
    };
    const stopped = collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 20 }), stop.signal));
    const other = collect(batcher.submit(generation({ prompt: 'k', maxNewTokens: 6 })));
    expect((await stopped).last).toMatchObject({ kind: 'finished', reason: 'cancelled', usage: { generatedTokens: 3 } });
    expect((await other).text).toBe('lmnopq');
    expect(seen).toMatchObject([{ waiting: 0, active: 1, free: 1 }]);
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('takes a request that was cancelled before it began, or while it waits', async () => {
    const { executor, batcher } = setUp(1);
    const stop = new AbortController();
    const first = collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 5 })));
    const waiting = collect(batcher.submit(generation({ prompt: 'b' }), stop.signal));
    const never = collect(batcher.submit(generation({ prompt: 'b' }), AbortSignal.abort()));
    executor.onStep = (step) => {
      if (step === 2) stop.abort();
    };
    expect((await waiting).last).toMatchObject({ reason: 'cancelled', usage: { generatedTokens: 0 } });
    expect((await never).last).toMatchObject({ reason: 'cancelled' });
    expect((await first).text).toBe('bcdef');
    expect([...executor.sequences.keys()]).toEqual([1]);
    expect(batcher.gauges).toMatchObject({ waiting: 0, active: 0, free: 1 });
  });

  it('stops when the caller leaves the loop', async () => {
    const { executor, batcher } = setUp();
    for await (const event of batcher.submit(generation({ prompt: 'a', maxNewTokens: 50 }))) if (event.text === 'c') break;
    expect(batcher.gauges).toMatchObject(idle);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(executor.steps.length).toBeLessThan(10);
  });

  it('hands the signal to a step that serves one request, and to no other', async () => {
    const { executor, batcher } = setUp();
    const { signal } = new AbortController();
    const given: boolean[] = [];
    executor.onStep = (_, stepSignal) => void given.push(stepSignal === signal);
    await Promise.all([
      collect(batcher.submit(generation({ prompt: 'abc', maxNewTokens: 6 }), signal)),
      collect(batcher.submit(generation({ prompt: 'abc', maxNewTokens: 3 }))),
    ]);
    expect(given.at(-1)).toBe(true);
    expect(executor.steps.some((shares) => shares.length === 2)).toBe(true);
    executor.steps.forEach((shares, index) => {
      if (shares.length === 2) expect(given[index]).toBe(false);
    });
  });

  it('fails the requests of a step that failed, and serves the next ones', async () => {
    const { executor, batcher } = setUp();
    executor.onStep = (step) => {
      if (step === 2) throw new AppError('out_of_memory', 'no room for a cache.');
    };
    await expect(collect(batcher.submit(generation({ prompt: 'abc' })))).rejects.toThrow(/out_of_memory/);
    expect(batcher.gauges).toMatchObject(idle);
    expect((await collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 2 })))).text).toBe('bc');
  });

  it('fails only the request that could not take part in a step', async () => {
    const { executor, batcher } = setUp();
    executor.onShare = ({ id }) => (id === 2 ? new AppError('out_of_memory', 'no room.') : undefined);
    const good = collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 4 })));
    await expect(collect(batcher.submit(generation({ prompt: 'k' })))).rejects.toThrow(/out_of_memory/);
    expect((await good).text).toBe('bcde');
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('fails everybody, and hangs nobody, when the executor breaks its promise', async () => {
    const { executor, batcher } = setUp();
    executor.run = async () => {};
    await expect(collect(batcher.submit(generation({ prompt: 'a' })))).rejects.toThrow(/internal.*without an answer/);
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('fails only the request whose logits are no numbers', async () => {
    const executor = new FakeExecutor((tokens) => (tokens[0] === 65 ? Number.NaN : successor(tokens)));
    const batcher = new Batcher(executor, { slots: 2, prefillTokens: 8 });
    const bad = collect(batcher.submit(generation({ prompt: 'A' })));
    const good = collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 3 })));
    await expect(bad).rejects.toThrow(/bad_weights/);
    expect((await good).text).toBe('bcd');
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('ends everything when it is closed', async () => {
    const { executor, batcher } = setUp(1);
    const results = [
      collect(batcher.submit(generation({ prompt: 'a', maxNewTokens: 60 }))),
      collect(batcher.submit(generation({ prompt: 'b' }))),
    ];
    const closed = new Promise<void>((resolve, reject) => {
      executor.onStep = (step) => {
        if (step === 3) batcher.close(new AppError('unavailable', 'stopping.')).then(resolve, reject);
      };
    });
    for (const result of await Promise.allSettled(results))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    await closed;
    expect(batcher.gauges).toMatchObject({ waiting: 0, active: 0, free: 1 });
    expect(() => batcher.submit(generation({ prompt: 'a' }))).toThrow(/unavailable/);
  });

  it('delivers events that were made before the caller looked', async () => {
    const { batcher } = setUp();
    const events = batcher.submit(generation({ prompt: 'a', maxNewTokens: 3 }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(batcher.gauges).toMatchObject(idle);
    expect((await collect(events)).text).toBe('bcd');
  });
});

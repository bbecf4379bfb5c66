// Waiting for a place: priorities, time limits, too many, readers that are slow, and a cache that is too small; with a fake executor and clock.
import { describe, expect, it } from 'vitest';
import { AppError, type Clock } from '#base';
import { Batcher, type BatcherOptions, checkRequest, Generation, type GenerationEvent, type GenerationRequest } from '#serve';
import { continuations } from '../../../src/serve/continuations.ts';
import { tinyGpt2 } from '../models/tiny-models.ts';
import { byteTokenizer, FakeExecutor } from './fakes.ts';

const config = { ...tinyGpt2, vocabularySize: 258, maxPositions: 1024, endTokens: [257] };

class StepClock implements Clock {
  #ms = 0;
  advance(ms: number): void {
    this.#ms += ms;
  }
  nowMs(): number {
    return this.#ms;
  }
  monotonicMs(): number {
    return this.#ms;
  }
}

interface SetUp {
  readonly executor: FakeExecutor;
  readonly batcher: Batcher;
  readonly clock: StepClock;
  submit(request: GenerationRequest): AsyncIterableIterator<GenerationEvent>;
}

/** Letters go round: a b c … z a. */
const successor = (tokens: readonly number[]): number => (tokens.at(-1) === 122 ? 97 : tokens.at(-1)! + 1);

function setUp(options: Partial<BatcherOptions> = {}): SetUp {
  const executor = new FakeExecutor(successor);
  const clock = new StepClock();
  const batcher = new Batcher(executor, { slots: 1, prefillTokens: 16, keepCacheMs: 0, clock, ...options });
  const submit = (request: GenerationRequest): AsyncIterableIterator<GenerationEvent> =>
    batcher.submit(new Generation(checkRequest(request, config, byteTokenizer, 1024), byteTokenizer, clock));
  return { executor, batcher, clock, submit };
}

async function textOf(events: AsyncIterable<GenerationEvent>): Promise<string> {
  let text = '';
  for await (const event of events) text += event.text;
  return text;
}

async function usageOf(events: AsyncIterable<GenerationEvent>): Promise<Extract<GenerationEvent, { kind: 'finished' }>['usage']> {
  for await (const event of events) if (event.kind === 'finished') return event.usage;
  throw new Error('no end');
}

/** So many letters from `a` on. */
function letters(first: string, count: number): string {
  return Array.from({ length: count }, (_, index) => String.fromCharCode(97 + ((first.charCodeAt(0) - 97 + index) % 26))).join('');
}

const idle = { waiting: 0, active: 0, paused: 0, blocks: { held: 0 } };

describe('waiting', () => {
  it('is by priority, smaller ones first, and the queue time is told', async () => {
    const { submit, clock, executor } = setUp();
    const order: string[] = [];
    executor.onStep = () => clock.advance(10);
    const follow = async (name: string, priority: number): Promise<void> => {
      const { queueMs } = await usageOf(submit({ prompt: 'a', maxNewTokens: 2, priority }));
      order.push(`${name} ${queueMs}`);
    };
    await Promise.all([follow('late', 1), follow('usual', 0), follow('usual too', 0), follow('first', -5)]);
    expect(order).toEqual(['first 0', 'usual 20', 'usual too 40', 'late 60']);
  });

  it('ends after the time that the request or the server allows, with the time to wait before trying again', async () => {
    const { submit, clock, executor, batcher } = setUp({ queueTimeoutMs: 100, name: 'm' });
    executor.onStep = () => clock.advance(30);
    const first = textOf(submit({ prompt: 'a', maxNewTokens: 10 }));
    const patient = textOf(submit({ prompt: 'p', maxNewTokens: 2, queueTimeoutMs: 1000 }));
    const usual = textOf(submit({ prompt: 'u', maxNewTokens: 2 }));
    const hasty = textOf(submit({ prompt: 'h', maxNewTokens: 2, queueTimeoutMs: 40 }));
    await expect(hasty).rejects.toThrow(/overloaded.*"m".*no place was free for 60 ms.*Try again in 1000 ms/);
    await expect(usual).rejects.toMatchObject({ code: 'overloaded', details: { retryAfterMs: 1000 } });
    expect(await first).toBe(letters('b', 10));
    expect(await patient).toBe('qr');
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('is refused at once when too many wait, with advice from how fast others leave', async () => {
    const { submit, clock, executor } = setUp({ maxWaiting: 2 });
    executor.onStep = () => clock.advance(200);
    const answers = [submit({ prompt: 'a', maxNewTokens: 3 }), submit({ prompt: 'b', maxNewTokens: 3 })].map(textOf);
    expect(() => submit({ prompt: 'c' })).toThrow(/overloaded.*2 requests wait already/);
    await Promise.all(answers);
    const more = [submit({ prompt: 'a', maxNewTokens: 3 }), submit({ prompt: 'b', maxNewTokens: 3 })].map(textOf);
    // One leaves every 600 ms; half of those who wait are one.
    expect(() => submit({ prompt: 'c' })).toThrow(/Try again in 600 ms/);
    await Promise.all(more);
  });

  it('is refused at once to what could never fit', () => {
    const { submit, batcher } = setUp({ blocks: 4 });
    expect(() => submit({ prompt: 'a', maxNewTokens: 64 })).toThrow(/insufficient_memory.*65 tokens.*at most 64/);
    expect(batcher.gauges).toMatchObject(idle);
  });
});

describe('a slow reader', () => {
  it('has a bounded number of events kept, gives its place to others, and misses nothing', async () => {
    const { submit, batcher, executor } = setUp();
    const slow = submit({ prompt: 'a', maxNewTokens: 300 });
    await slow.next();
    await expect.poll(() => batcher.gauges).toMatchObject({ paused: 1, active: 0, free: 1, blocks: { held: 0 } });
    const numSteps = executor.steps.length;
    expect(numSteps).toBeLessThan(100);
    expect(await textOf(submit({ prompt: 'm', maxNewTokens: 30 }))).toBe(letters('n', 30));
    expect(executor.steps.length).toBe(numSteps + 30);
    expect(`b${await textOf(slow)}`).toBe(letters('b', 300));
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('of several continuations holds all of them back', async () => {
    const { submit, batcher } = setUp({ slots: 3 });
    const merged = continuations({ n: 3, bestOf: 3, showsLogprobs: false }, () => submit({ prompt: 'a', maxNewTokens: 300 }));
    await merged.next();
    await expect.poll(() => batcher.gauges).toMatchObject({ paused: 3, active: 0 });
    let tokens = 1;
    for await (const { kind } of merged) if (kind === 'token') tokens += 1;
    expect(tokens).toBe(900);
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('that leaves while it is paused leaves nothing behind', async () => {
    const { submit, batcher } = setUp();
    const slow = submit({ prompt: 'a', maxNewTokens: 300 });
    await slow.next();
    await expect.poll(() => batcher.gauges.paused).toBe(1);
    await slow.return?.();
    expect(batcher.gauges).toMatchObject(idle);
  });
});

describe('a small cache', () => {
  it('makes sequences lose their place, and their answers stay the same', async () => {
    const { submit, batcher, executor } = setUp({ slots: 3, blocks: 6 });
    const answers = await Promise.all(['a', 'h', 'q'].map((prompt) => textOf(submit({ prompt, maxNewTokens: 60 }))));
    expect(answers).toEqual([letters('b', 60), letters('i', 60), letters('r', 60)]);
    const prompts = executor.steps.flat().filter(({ tokens }) => tokens.length > 1);
    expect(prompts.length).toBeGreaterThan(0);
    expect(batcher.gauges).toMatchObject(idle);
    for (const { rows, columns } of executor.arrangements) expect(rows * columns).toBeLessThanOrEqual(6);
  });

  it('is asked for less where the device has no memory, and only who cannot do with less fails', async () => {
    const { submit, executor, batcher } = setUp({ slots: 2 });
    executor.onArrange = ({ rows, columns }) => {
      if (rows * columns > 8) throw new AppError('out_of_memory', 'no room for a cache.');
    };
    const large = textOf(submit({ prompt: 'a'.repeat(100), maxNewTokens: 100 }));
    const small = textOf(submit({ prompt: 'k', maxNewTokens: 5 }));
    await expect(large).rejects.toThrow(/out_of_memory/);
    expect(await small).toBe('lmnop');
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('is given back when nobody is left', async () => {
    const { submit, executor } = setUp();
    await textOf(submit({ prompt: 'a', maxNewTokens: 3 }));
    await expect.poll(() => executor.isCleared).toBe(true);
  });
});

describe('a beginning that was there before', () => {
  it('does not run again, and is told', async () => {
    const { submit, executor } = setUp({ keepCacheMs: 1000 });
    const prompt = letters('a', 40);
    expect(await usageOf(submit({ prompt, maxNewTokens: 8 }))).toMatchObject({ cachedPromptTokens: 0 });
    const before = executor.steps.length;
    // The answer is the beginning of the next prompt too, but for its last token, which never ran.
    const usage = await usageOf(submit({ prompt: `${letters('a', 48)}xyz`, maxNewTokens: 2 }));
    expect(usage).toMatchObject({ promptTokens: 51, cachedPromptTokens: 47 });
    expect(executor.steps[before]).toMatchObject([{ start: 47, tokens: { length: 4 } }]);
  });

  it('is not trusted after a step that failed', async () => {
    const { submit, executor, batcher } = setUp({ slots: 2 });
    let second: Promise<string> | undefined;
    let hasFailed = false;
    executor.onStep = () => {
      // Comes while the first is on its way, however fast that is.
      if (executor.steps.length === 3) {
        second = textOf(submit({ prompt: `${letters('a', 40)}k`, maxNewTokens: 3 }));
        second.catch(() => {});
      }
      // Whoever is copied from the first one, in the step that should copy.
      if (hasFailed || executor.steps.at(-1)?.length !== 2) return;
      hasFailed = true;
      throw new AppError('engine_failure', 'the copy was not made.');
    };
    const first = textOf(submit({ prompt: letters('a', 40), maxNewTokens: 500 }));
    await expect(first).rejects.toThrow(/engine_failure/);
    await expect(second).rejects.toThrow(/engine_failure/);
    expect(executor.isCleared).toBe(true);
    expect(await usageOf(submit({ prompt: `${letters('a', 40)}k`, maxNewTokens: 3 }))).toMatchObject({ cachedPromptTokens: 0 });
    expect(batcher.gauges).toMatchObject(idle);
  });

  it('runs again where the log probabilities of the prompt are wanted', async () => {
    const { submit } = setUp({ keepCacheMs: 1000 });
    const prompt = letters('a', 40);
    await usageOf(submit({ prompt, maxNewTokens: 2 }));
    const kinds: string[] = [];
    for await (const event of submit({ prompt, maxNewTokens: 2, promptLogprobs: 1 })) {
      kinds.push(event.kind);
      if (event.kind === 'prompt') expect(event.logprobs).toHaveLength(40);
      if (event.kind === 'finished') expect(event.usage.cachedPromptTokens).toBe(0);
    }
    expect(kinds).toEqual(['prompt', 'token', 'token', 'finished']);
  });
});

// Several continuations as one stream: order, ranking, leaving and failing.
import { describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { continuations, type GenerationEvent } from '#serve';

const usage = { promptTokens: 1, generatedTokens: 1, totalMs: 1, cachedPromptTokens: 0, draftedTokens: 0, acceptedTokens: 0 };

function token(index: number, id: number, logProbability?: number): GenerationEvent {
  const logprobs = logProbability === undefined ? {} : { logprobs: { id, text: `${id}`, logProbability, top: [] } };
  return { kind: 'token', index, token: { id }, text: `${id} `, ...logprobs };
}

const finished = (index: number): GenerationEvent => ({ kind: 'finished', index, text: '', reason: 'length', usage });

/** One continuation that says what it is told to; remembers whether it was left. */
class Scripted implements AsyncIterableIterator<GenerationEvent> {
  isLeft = false;
  readonly #events: (GenerationEvent | AppError | 'waits')[];

  constructor(events: readonly (GenerationEvent | AppError | 'waits')[]) {
    this.#events = [...events];
  }

  async next(): Promise<IteratorResult<GenerationEvent>> {
    const event = this.#events.shift();
    if (event === undefined || this.isLeft) return { done: true, value: undefined };
    if (event === 'waits') return new Promise(() => {});
    if (event instanceof AppError) throw event;
    return { done: false, value: event };
  }

  async return(): Promise<IteratorResult<GenerationEvent>> {
    this.isLeft = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function collect(events: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const all: GenerationEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe('continuations', () => {
  it('starts the others when the first has its first token, and hands on the events of all', async () => {
    const started: number[] = [];
    const seen: number[][] = [];
    const all = await collect(
      continuations({ n: 3, bestOf: 3, showsLogprobs: false }, (index) => {
        started.push(index);
        const script: GenerationEvent[] = [token(index, 10 + index), token(index, 20 + index), finished(index)];
        if (index === 0) script.unshift({ kind: 'prompt', text: '', logprobs: [] });
        seen.push([...started]);
        return new Scripted(script);
      }),
    );
    expect(seen).toEqual([[0], [0, 1], [0, 1, 2]]);
    expect(all[0]).toMatchObject({ kind: 'prompt' });
    for (const index of [0, 1, 2])
      expect(all.filter((event) => event.kind !== 'prompt' && event.index === index)).toEqual([
        token(index, 10 + index),
        token(index, 20 + index),
        finished(index),
      ]);
  });

  it('answers the best by mean log probability, the best first, each as a whole', async () => {
    const scripts = [
      [token(0, 1, -3), finished(0)],
      [token(1, 2, -1), token(1, 3, -1.5), token(1, 4, -1), finished(1)],
      [token(2, 5, -2), token(2, 6, 0), finished(2)],
    ];
    const run = (showsLogprobs: boolean): Promise<GenerationEvent[]> =>
      collect(continuations({ n: 2, bestOf: 3, showsLogprobs }, (index) => new Scripted(scripts[index]!)));
    expect(await run(true)).toEqual([
      token(0, 5, -2),
      token(0, 6, 0),
      finished(0),
      token(1, 2, -1),
      token(1, 3, -1.5),
      token(1, 4, -1),
      finished(1),
    ]);
    expect((await run(false))[0]).toEqual(token(0, 5));
  });

  it('stops all when the caller leaves', async () => {
    const scripts = [new Scripted([token(0, 1), 'waits']), new Scripted(['waits'])];
    for await (const _ of continuations({ n: 2, bestOf: 2, showsLogprobs: false }, (index) => scripts[index]!)) break;
    expect(scripts.map(({ isLeft }) => isLeft)).toEqual([true, true]);
  });

  it('stops all when one fails, and says why', async () => {
    const scripts = [new Scripted([token(0, 1), 'waits']), new Scripted([new AppError('bad_weights', 'no numbers.')])];
    const all = collect(continuations({ n: 2, bestOf: 2, showsLogprobs: false }, (index) => scripts[index]!));
    await expect(all).rejects.toThrow(/bad_weights/);
    expect(scripts[0]!.isLeft).toBe(true);
  });

  it('starts no others when the first ends without a token', async () => {
    const started: number[] = [];
    const all = continuations({ n: 2, bestOf: 2, showsLogprobs: false }, (index) => {
      started.push(index);
      return new Scripted([finished(index)]);
    });
    expect(await collect(all)).toEqual([finished(0)]);
    expect(started).toEqual([0]);
  });
});

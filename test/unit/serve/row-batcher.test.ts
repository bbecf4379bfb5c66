// Texts of several requests in common batches: results go back to their own, and leaving, failing and closing end what they should.
import { describe, expect, it } from 'vitest';
import { AppError, Random } from '#base';
import { RowBatcher, type RowBatcherOptions, type RowExecutor } from '#serve';

const limits = { batchTokens: 64, batchRows: 8, maxDelayMs: 0, maxPadding: 1, queueTokens: 1000 };

/** Doubles what it is given, one batch each time the test lets it. */
class Doubler implements RowExecutor<number, number> {
  readonly batches: (readonly number[])[] = [];
  readonly signals: AbortSignal[] = [];
  #go: (() => void)[] = [];
  held = false;
  fails: AppError | undefined;

  async run(rows: readonly number[], signal: AbortSignal): Promise<readonly (number | AppError)[]> {
    this.batches.push(rows);
    this.signals.push(signal);
    if (this.held) await new Promise<void>((resolve) => this.#go.push(resolve));
    if (this.fails !== undefined) throw this.fails;
    return rows.map((row) => (row < 0 ? new AppError('bad_weights', `no answer for ${row}`) : 2 * row));
  }

  release(): void {
    this.held = false;
    for (const go of this.#go.splice(0)) go();
  }
}

function start(options: Partial<RowBatcherOptions> = {}): { doubler: Doubler; batcher: RowBatcher<number, number> } {
  const doubler = new Doubler();
  return { doubler, batcher: new RowBatcher<number, number>(doubler, () => 4, { ...limits, ...options }) };
}

const quiet = () => ({ signal: new AbortController().signal });
const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

describe('the batcher of texts', () => {
  it('runs requests that come together as one batch and answers each its own', async () => {
    const { doubler, batcher } = start();
    const answers = await Promise.all([batcher.submit([1, 2, 3], quiet()), batcher.submit([4], quiet()), batcher.submit([], quiet())]);
    expect(answers).toEqual([[2, 4, 6], [8], []]);
    expect(doubler.batches).toHaveLength(1);
    expect(batcher.gauges).toMatchObject({ waitingRequests: 0, waitingRows: 0, batches: 1, rows: 4, tokens: 16, paddedTokens: 0 });
  });

  it('batches whoever comes while a batch runs', async () => {
    const { doubler, batcher } = start();
    doubler.held = true;
    const first = batcher.submit([1], quiet());
    await turn();
    const others = [batcher.submit([2], quiet()), batcher.submit([3], quiet())];
    expect(batcher.gauges.waitingRows).toBe(2);
    doubler.release();
    expect(await Promise.all([first, ...others])).toEqual([[2], [4], [6]]);
    expect(doubler.batches.map((batch) => batch.length)).toEqual([1, 2]);
  });

  it('cuts a large request into batches and tells of each', async () => {
    const { doubler, batcher } = start();
    const done: number[] = [];
    const rows = Array.from({ length: 20 }, (_, index) => index);
    expect(await batcher.submit(rows, { ...quiet(), onProgress: (count) => done.push(count) })).toEqual(rows.map((row) => 2 * row));
    expect(done).toEqual([8, 16, 20]);
    expect(doubler.batches).toHaveLength(3);
  });

  it('never runs what was cancelled before its batch', async () => {
    const { doubler, batcher } = start();
    doubler.held = true;
    const first = batcher.submit([1], quiet());
    await turn();
    const stop = new AbortController();
    const gone = batcher.submit([2, 3], stop);
    stop.abort();
    await expect(gone).rejects.toMatchObject({ code: 'cancelled' });
    expect(batcher.gauges).toMatchObject({ waitingRequests: 0, waitingRows: 0, waitingTokens: 0 });
    await expect(batcher.submit([4], stop)).rejects.toMatchObject({ code: 'cancelled' });
    doubler.release();
    expect(await first).toEqual([2]);
    expect(doubler.batches).toEqual([[1]]);
  });

  it('stops a batch that nobody waits for, and only then', async () => {
    const { doubler, batcher } = start();
    doubler.held = true;
    const stops = [new AbortController(), new AbortController()] as const;
    const calls = stops.map((stop, index) => batcher.submit([index], stop));
    for (const call of calls) call.catch(() => {});
    await turn();
    stops[0].abort();
    expect(doubler.signals[0]!.aborted).toBe(false);
    stops[1].abort();
    expect(doubler.signals[0]!.aborted).toBe(true);
    doubler.release();
    expect((await Promise.allSettled(calls)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('fails only the request whose row has no answer', async () => {
    const { batcher } = start();
    const [good, bad] = await Promise.allSettled([batcher.submit([1], quiet()), batcher.submit([2, -1], quiet())]);
    expect(good).toMatchObject({ status: 'fulfilled', value: [2] });
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'bad_weights' } });
  });

  it('fails a batch as a whole and goes on with the next', async () => {
    const { doubler, batcher } = start();
    doubler.fails = new AppError('out_of_memory', 'too much');
    await expect(batcher.submit([1], quiet())).rejects.toMatchObject({ code: 'out_of_memory' });
    doubler.fails = undefined;
    expect(await batcher.submit([1], quiet())).toEqual([2]);
  });

  it('wakes up early when a batch fills while it waits for others', async () => {
    let isWaiting = false;
    const sleep = (_: number, signal: AbortSignal): Promise<void> => {
      isWaiting = true;
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    };
    const { doubler, batcher } = start({ maxDelayMs: 1000, clock: { nowMs: () => 0, monotonicMs: () => 0 }, sleep });
    const calls = [batcher.submit([1], quiet()), batcher.submit([2], quiet())];
    await turn();
    expect([isWaiting, doubler.batches]).toEqual([true, []]);
    calls.push(batcher.submit(new Array<number>(14).fill(3), quiet()));
    const settled = Promise.allSettled(calls);
    await turn();
    expect(doubler.batches[0]).toHaveLength(8);
    await batcher.close(new AppError('unavailable', 'closing'));
    await settled;
  });

  it('holds nothing of a thousand requests of which many break off at random', async () => {
    const { doubler, batcher } = start({ queueTokens: 1e6 });
    const random = new Random(3);
    const calls = Array.from({ length: 1000 }, async (_, index) => {
      const stop = new AbortController();
      await new Promise<void>((resolve) => setTimeout(resolve, random.integer(20)));
      const rows = Array.from({ length: 1 + random.integer(12) }, (_row, place) => index + place);
      const call = batcher.submit(rows, stop);
      if (random.uniform() < 0.5) setTimeout(() => stop.abort(), random.integer(10));
      return { rows, answer: await call };
    });
    const settled = await Promise.allSettled(calls);
    for (const each of settled)
      if (each.status === 'fulfilled') expect(each.value.answer).toEqual(each.value.rows.map((row) => 2 * row));
      else expect(each.reason).toMatchObject({ code: 'cancelled' });
    expect(settled.some(({ status }) => status === 'rejected')).toBe(true);
    expect(batcher.gauges).toMatchObject({ waitingRequests: 0, waitingRows: 0, waitingTokens: 0 });
    expect(doubler.batches.every((batch) => batch.length <= limits.batchRows)).toBe(true);
  });

  it('ends everything when it is closed', async () => {
    const { doubler, batcher } = start();
    doubler.held = true;
    const calls = [batcher.submit([1], quiet()), batcher.submit([2], quiet())];
    const settled = Promise.allSettled(calls);
    await turn();
    const closed = batcher.close(new AppError('unavailable', 'closing'));
    doubler.release();
    await closed;
    expect((await settled).map((each) => each.status === 'rejected' && (each.reason as AppError).code)).toEqual([
      'unavailable',
      'unavailable',
    ]);
    await expect(batcher.submit([1], quiet())).rejects.toMatchObject({ code: 'unavailable' });
  });
});

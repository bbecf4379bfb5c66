// Which texts run together: budgets, buckets, fairness, delays, and the counts, for any sequence of events.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lengthBucket, type QueuedRow, RowQueue, type RowQueueOptions } from '#serve';

const options: RowQueueOptions = { batchTokens: 64, batchRows: 8, maxDelayMs: 0, maxPadding: 0.2, queueTokens: 1000 };

function run(queue: RowQueue, nowMs = 0): readonly QueuedRow[] {
  const plan = queue.next(nowMs);
  if (plan?.kind !== 'run') throw new Error(`no batch: ${plan?.kind}`);
  return plan.rows;
}

const lengthsOf = (rows: readonly QueuedRow[]): number[] => rows.map(({ tokens }) => tokens);

describe('the queue of texts', () => {
  it('puts texts of like length together, longest first', () => {
    const queue = new RowQueue(options);
    queue.add(1, [4, 30, 3, 31], 0);
    queue.add(2, [5], 0);
    expect(lengthsOf(run(queue))).toEqual([31, 30]);
    expect(lengthsOf(run(queue)).sort()).toEqual([3, 4, 5]);
    expect(queue.next(0)).toBeUndefined();
  });

  it('runs a text that is longer than a batch by itself', () => {
    const queue = new RowQueue(options);
    queue.add(1, [100, 99], 0);
    expect(lengthsOf(run(queue))).toEqual([100]);
    expect(lengthsOf(run(queue))).toEqual([99]);
  });

  it('serves a small request after one batch of a large one, however many texts that has waiting', () => {
    const queue = new RowQueue(options);
    queue.add(1, new Array<number>(50).fill(16), 0);
    run(queue);
    queue.add(2, [16], 1);
    expect(run(queue, 1).map(({ request }) => request)).toContain(2);
    queue.add(3, [8], 2);
    expect([...run(queue, 2), ...run(queue, 2)].map(({ request }) => request)).toContain(3);
  });

  it('waits for others at most so long, and not at all where a client is alone or the batch is full', () => {
    const queue = new RowQueue({ ...options, maxDelayMs: 5 });
    queue.add(1, [8], 0);
    expect(run(queue)).toHaveLength(1);
    queue.add(2, [8], 10);
    queue.add(3, [8], 12);
    expect(queue.next(12)).toEqual({ kind: 'wait', ms: 3 });
    expect(run(queue, 15)).toHaveLength(2);
    queue.add(4, [8], 20);
    expect(queue.next(21)).toEqual({ kind: 'wait', ms: 4 });
    queue.add(5, new Array<number>(7).fill(8), 21);
    expect(run(queue, 21)).toHaveLength(8);
  });

  it('refuses what would make others wait too long, and says so', () => {
    const queue = new RowQueue({ ...options, queueTokens: 20 });
    queue.add(1, [50], 0);
    expect(() => queue.add(2, [1], 0)).toThrow(/overloaded/);
    run(queue);
    queue.add(2, [20], 0);
  });

  it.each([
    ['batchTokens', 0],
    ['batchRows', 1.5],
    ['maxDelayMs', -1],
    ['maxPadding', 2],
  ])('refuses %s = %d', (field, value) => {
    expect(() => new RowQueue({ ...options, [field]: value })).toThrow(new RegExp(`invalid_argument.*${field}`));
  });

  it('has buckets that grow, hold their lengths, and waste at most an eighth of long texts', () => {
    let before = 0;
    for (let tokens = 1; tokens < 3000; tokens++) {
      const bucket = lengthBucket(tokens);
      expect(bucket).toBeGreaterThanOrEqual(tokens);
      expect(bucket).toBeGreaterThanOrEqual(before);
      expect(lengthBucket(bucket)).toBe(bucket);
      if (tokens > 64) expect((bucket - tokens) / bucket).toBeLessThan(1 / 8);
      before = bucket;
    }
  });

  type Event =
    | { readonly kind: 'add'; readonly lengths: readonly number[] }
    | { readonly kind: 'remove'; readonly which: number }
    | { readonly kind: 'run' };
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), lengths: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }) }),
    fc.record({ kind: fc.constant('remove' as const), which: fc.nat(30) }),
    fc.record({ kind: fc.constant('run' as const) }),
  );

  it('runs every text that is not removed exactly once, within its limits, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const queue = new RowQueue({ ...options, queueTokens: 1e6 });
        const waiting = new Map<string, number>();
        let lastId = 0;
        const check = (rows: readonly QueuedRow[]): void => {
          for (const { request, index, tokens } of rows) {
            expect(waiting.get(`${request}.${index}`)).toBe(tokens);
            waiting.delete(`${request}.${index}`);
          }
          const longest = Math.max(...lengthsOf(rows));
          const padded = rows.length * longest;
          expect(rows.length === 1 || (padded <= options.batchTokens && rows.length <= options.batchRows)).toBe(true);
          expect(1 - lengthsOf(rows).reduce((sum, length) => sum + length, 0) / padded).toBeLessThanOrEqual(options.maxPadding);
        };
        const step = (each: Event): void => {
          if (each.kind === 'add') {
            lastId += 1;
            queue.add(lastId, each.lengths, 0);
            for (const [index, length] of each.lengths.entries()) waiting.set(`${lastId}.${index}`, length);
          } else if (each.kind === 'remove') {
            queue.remove(each.which);
            for (const key of [...waiting.keys()]) if (key.startsWith(`${each.which}.`)) waiting.delete(key);
          } else {
            const plan = queue.next(0);
            expect(plan === undefined).toBe(waiting.size === 0);
            if (plan?.kind === 'run') check(plan.rows);
          }
          const { waitingRows, waitingTokens } = queue.gauges;
          expect([waitingRows, waitingTokens]).toEqual([waiting.size, [...waiting.values()].reduce((sum, length) => sum + length, 0)]);
        };
        for (const each of events) step(each);
        for (let left = waiting.size; left > 0; left--) step({ kind: 'run' });
        expect(waiting.size).toBe(0);
        expect(queue.gauges.waitingRequests).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('lets no request wait for more than its share, whatever the others send', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 5, maxLength: 40 }), { minLength: 1, maxLength: 5 }),
        (others) => {
          const queue = new RowQueue({ ...options, queueTokens: 1e6 });
          for (const [index, lengths] of others.entries()) queue.add(index + 1, lengths, 0);
          for (let batch = 0; batch < 3; batch++) queue.next(0);
          queue.add(99, [7], 0);
          // Each other request may begin one batch before it at most.
          const batches = Array.from({ length: others.length + 1 }, () => queue.next(0)).flatMap((plan) =>
            plan?.kind === 'run' ? [plan.rows] : [],
          );
          expect(batches.some((rows) => rows.some(({ request }) => request === 99))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});

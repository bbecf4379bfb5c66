// Turns on a shared device, on a clock that the work itself moves.
import { describe, expect, it } from 'vitest';
import type { Clock } from '#base';
import { DeviceTurns } from '#serve';

class WorkClock implements Clock {
  ms = 0;
  nowMs(): number {
    return this.ms;
  }
  monotonicMs(): number {
    return this.ms;
  }
}

/** Users that always have work, until the device has been busy for so long; answers the time that each had. */
async function share(costs: readonly number[], totalMs: number, startAfterMs: readonly number[] = []): Promise<number[]> {
  const clock = new WorkClock();
  const turns = new DeviceTurns(clock);
  const used = costs.map(() => 0);
  let overlapping = 0;
  const work = async (index: number): Promise<void> => {
    const user = turns.join();
    while (clock.ms < (startAfterMs[index] ?? 0)) await new Promise((resolve) => setImmediate(resolve));
    while (clock.ms < totalMs)
      await turns.take(user, async () => {
        overlapping += 1;
        expect(overlapping).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        clock.ms += costs[index]!;
        used[index]! += costs[index]!;
        overlapping -= 1;
      });
  };
  await Promise.all(costs.map((_, index) => work(index)));
  return used;
}

describe('DeviceTurns', () => {
  it('gives busy models equal time, whatever their steps cost', async () => {
    const used = await share([1, 10, 3], 3000);
    for (const ms of used) expect(Math.abs(ms - 1000)).toBeLessThanOrEqual(20);
  });

  it('lets nobody save up time by being away', async () => {
    const [first, late] = await share([5, 5], 3000, [0, 2000]);
    expect(first! - late!).toBeGreaterThan(1900);
    expect(late).toBeGreaterThan(450);
  });

  it('goes on after work that failed', async () => {
    const turns = new DeviceTurns(new WorkClock());
    const [first, second] = [turns.join(), turns.join()];
    const failed = turns.take(first, async () => Promise.reject(new Error('no')));
    const after = turns.take(second, async () => 'done');
    await expect(failed).rejects.toThrow('no');
    expect(await after).toBe('done');
  });
});

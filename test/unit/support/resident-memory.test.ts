// The leak check itself: it sees a process that leaks, and is not alarmed by one that breathes.
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { floorGrowth, residentBytesOf, type Sample, watchMemory } from '#test/resident-memory';

const megabyte = 2 ** 20;
const minute = 60_000;

function made(bytesAt: (share: number) => number): Sample[] {
  return Array.from({ length: 600 }, (_, index) => ({ timeMs: (index / 600) * minute, bytes: bytesAt(index / 600) }));
}

describe('the growth of the floor', () => {
  it('is that of a leak, whatever is collected in between', () => {
    const saw = (share: number): number => 30 * megabyte * ((share * 23) % 1);
    const leaking = floorGrowth(made((share) => 200 * megabyte + 12 * megabyte * share + saw(share)));
    expect(leaking).toBeGreaterThan(8 * megabyte);
    expect(leaking).toBeLessThan(16 * megabyte);
    expect(Math.abs(floorGrowth(made((share) => 200 * megabyte + saw(share))))).toBeLessThan(4 * megabyte);
  });

  it('leaves the warming up out', () => {
    expect(Math.abs(floorGrowth(made((share) => megabyte * (100 + 100 * Math.min(1, share * 4)))))).toBeLessThan(0.1 * megabyte);
    expect(floorGrowth([])).toBe(0);
  });
});

/** Takes so much every 50 ms, and keeps it or gives it back. */
function start(keeps: boolean): ChildProcess {
  const script = `const kept = []; setInterval(() => { const part = Buffer.alloc(${megabyte / 2}, 1); if (${keeps}) kept.push(part); else gc(); }, 50);`;
  return spawn(process.execPath, ['--expose-gc', '-e', script], { stdio: 'ignore' });
}

describe.skipIf(residentBytesOf(process.pid) === undefined)('a watched process', () => {
  it.each([
    [true, 'leaks and is found out'],
    [false, 'gives back what it took and is not'],
  ])('that keeps what it takes: %s, %s', async (keeps) => {
    const child = start(keeps);
    try {
      const watch = watchMemory(child.pid ?? 0, 50);
      await new Promise((resolve) => setTimeout(resolve, 6000));
      const growth = floorGrowth(watch.stop(), 1 / 2);
      // 10 MiB a second are 600 MiB a minute.
      if (keeps) expect(growth).toBeGreaterThan(150 * megabyte);
      else expect(growth).toBeLessThan(150 * megabyte);
    } finally {
      child.kill();
    }
  });
});

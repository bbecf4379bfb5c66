// Jobs stand back for their part of the time while there are calls, and not a moment longer.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkShare } from '../../../src/cli/job-processes.ts';
import { DutyCycle } from '../../../src/jobs/isolation/duty-cycle.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

/** Milliseconds of the next so many in which jobs run. */
function runningTime(share: number, calls: (timeMs: number) => boolean, totalMs: number): number {
  let runs = true;
  const cycle = new DutyCycle({
    share,
    hold: () => {
      runs = false;
    },
    go: () => {
      runs = true;
    },
  });
  let time = 0;
  for (let now = 0; now < totalMs; now++) {
    cycle.set(calls(now));
    if (runs) time += 1;
    vi.advanceTimersByTime(1);
  }
  cycle.end();
  expect(runs).toBe(true);
  return time;
}

describe('the duty cycle of jobs', () => {
  it.each([0.1, 0.25, 0.5])('lets jobs run for %d of the time while there are calls', (share) => {
    expect(runningTime(share, () => true, 2000) / 2000).toBeCloseTo(share, 1);
  });

  it('leaves them alone without calls, with a share of 1, and at once when the last call has ended', () => {
    expect(runningTime(0.1, () => false, 500)).toBe(500);
    expect(runningTime(1, () => true, 500)).toBe(500);
    expect(runningTime(0.1, (now) => now < 50, 500)).toBe(450);
  });

  it('has shares that mean something', () => {
    expect(checkShare(1)).toBe(1);
    for (const share of [0, -1, 1.5, Number.NaN]) expect(() => checkShare(share)).toThrow(/invalid_argument.*job share/);
  });
});

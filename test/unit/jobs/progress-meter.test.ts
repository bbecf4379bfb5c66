// Remaining time from steps and an injected clock.
import { describe, expect, it } from 'vitest';
import { ProgressMeter } from '../../../src/jobs/progress-meter.ts';

function meterAt(): { meter: ProgressMeter; pass: (ms: number) => void } {
  let nowMs = 1000;
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  return { meter: new ProgressMeter(clock, () => 42), pass };
}

describe('ProgressMeter', () => {
  it('extends the mean pace of the phase to the steps that are left', () => {
    const { meter, pass } = meterAt();
    expect(meter.time({ phase: 'train', step: 0, total: 10 }).etaMs).toBeUndefined();
    pass(400);
    expect(meter.time({ phase: 'train', step: 4, total: 10 })).toMatchObject({ elapsedMs: 400, etaMs: 600 });
    pass(300);
    expect(meter.time({ phase: 'train', step: 6, total: 10 }).etaMs).toBeCloseTo((700 / 6) * 4);
  });

  it('counts only the steps of this attempt, and starts again with each phase', () => {
    const { meter, pass } = meterAt();
    meter.time({ phase: 'train', step: 90, total: 100 });
    pass(50);
    expect(meter.time({ phase: 'train', step: 95, total: 100 }).etaMs).toBe(50);
    expect(meter.time({ phase: 'save' })).toMatchObject({ elapsedMs: 0 });
  });

  it('adds resident memory and leaves out numbers that JSON cannot hold', () => {
    const { meter } = meterAt();
    expect(meter.time({ phase: 'train', metrics: { loss: Number.NaN, error: 0.5 } }).metrics).toEqual({ residentBytes: 42, error: 0.5 });
  });
});

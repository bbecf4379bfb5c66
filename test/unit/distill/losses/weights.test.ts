// Weights from step to step: schedules, shares of the gradient, and what a checkpoint keeps of them.
import { describe, expect, it } from 'vitest';
import { LossWeights, weightAt } from '../../../../src/distill/losses/weights.ts';

describe('weightAt', () => {
  it('goes from one end to the other in so many steps, and stays there', () => {
    const linear = { from: 1, to: 3, steps: 4, shape: 'linear' } as const;
    expect([1, 2, 3, 5, 6, 99].map((step) => weightAt(linear, step))).toEqual([1, 1.5, 2, 3, 3, 3]);
    const cosine = { ...linear, shape: 'cosine' } as const;
    const values = [1, 2, 3, 4, 5, 9].map((step) => weightAt(cosine, step));
    expect([values[0], values[2], values[4], values[5]]).toEqual([1, 2, 3, 3]);
    expect(values[1]! - 1).toBeLessThan(0.5);
    expect(weightAt(0.25, 7)).toBe(0.25);
  });
});

describe('LossWeights', () => {
  it('gives each term its share of the gradient, and leaves the sum of the norms as it was', () => {
    const weights = new LossWeights([1, 3], 5);
    expect(weights.at(1)).toEqual([1, 3]);
    weights.observe(1, [2, 100]);
    const [first, second] = weights.at(2);
    expect((second! * 100) / (first! * 2)).toBeCloseTo(3, 10);
    expect(first! * 2 + second! * 100).toBeCloseTo(1 * 2 + 3 * 100, 10);
  });

  it('measures every k steps from the first that it is asked for, and smooths', () => {
    const weights = new LossWeights([1, 1], 3);
    const measures = [1, 2, 3, 4, 5, 7].map((step) => {
      const isDue = weights.measuresAt(step);
      if (isDue) weights.observe(step, [step === 1 ? 4 : 8, 8]);
      if (step === 4) expect(weights.norms).toEqual([5, 8]);
      return isDue;
    });
    expect(measures).toEqual([true, false, false, true, false, true]);
    expect(new LossWeights([1], undefined).measuresAt(1)).toBe(false);
  });

  it('leaves a term without a gradient as it is, and stays within bounds', () => {
    const weights = new LossWeights([1, 1, 0], 1);
    weights.observe(1, [0, 1e-9, 1]);
    const [silent, faint, off] = weights.at(2);
    expect([silent, off]).toEqual([1, 0]);
    expect(faint).toBeLessThanOrEqual(1000);
  });

  it('moves with its schedule while it is balanced', () => {
    const weights = new LossWeights([1, { from: 1, to: 0, steps: 2, shape: 'linear' }], 1);
    weights.observe(1, [1, 10]);
    expect(weights.at(3)[1]).toBe(0);
    expect(weights.at(2)[1]! * 10).toBeCloseTo(weights.at(2)[0]! * 0.5, 10);
  });

  it('goes on from what was saved, and refuses what is of other losses', () => {
    const [saved, resumed] = [new LossWeights([1, 2], 4), new LossWeights([1, 2], 4)];
    saved.observe(7, [3, 5]);
    resumed.restore(JSON.parse(JSON.stringify(saved.save())));
    expect(resumed.at(9)).toEqual(saved.at(9));
    expect([10, 11].map((step) => resumed.measuresAt(step))).toEqual([false, true]);
    expect(() => new LossWeights([1], 4).restore(saved.save())).toThrow(expect.objectContaining({ code: 'resume_mismatch' }));
    expect(() => resumed.restore(null)).toThrow(/other losses/);
  });
});

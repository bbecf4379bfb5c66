// Hard-concrete gates: how often they are open, how they begin, and the schedule of what is asked of them.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { GraphBuilder, gradients } from '#graph';
import { float32, toNumbers } from '#tensor';
import { gateNoise, gatesByLoss, initialGates, openGates } from '../../../../src/compress/flop/flop-scheme.ts';
import { drawnGate, evaluatedGate, initialGate, keepProbability, logisticNoise } from '../../../../src/compress/flop/hard-concrete.ts';
import { sizePenalty, targetAt } from '../../../../src/compress/flop/lagrangian.ts';
import { endOfStage, gateSchedule } from '../../../../src/compress/flop/schedule.ts';
import { flopSettings } from '../../../../src/compress/flop/settings.ts';

describe('hard-concrete gates', () => {
  it('are open as often as the formula says', () => {
    const random = new Random(3);
    const draws = 200_000;
    for (const beta of [1, 2 / 3])
      for (const alpha of [-4, -1, 0, 0.5, 2.94]) {
        let numOpen = 0;
        for (let draw = 0; draw < draws; draw++) if (drawnGate(alpha, logisticNoise(random.uniform()), beta) > 0) numOpen++;
        expect(Math.abs(numOpen / draws - keepProbability(alpha, beta)), `α ${alpha}, β ${beta}`).toBeLessThan(0.004);
      }
  });

  it('begin as open as the drop tendency says', () => {
    // The shares that the method's description states for β = 1.
    expect(keepProbability(initialGate(0.5), 1)).toBeCloseTo(0.917, 3);
    expect(keepProbability(initialGate(0.1), 1)).toBeCloseTo(0.99, 3);
    expect(keepProbability(initialGate(0.05), 1)).toBeCloseTo(0.995, 3);
  });

  it('are soft multipliers at evaluation', () => {
    expect(evaluatedGate(3, 1)).toBeCloseTo(1 / (1 + Math.exp(-2.4)), 12);
    expect(evaluatedGate(3, 2 / 3)).toBeCloseTo(1 / (1 + Math.exp(-3.6)), 12);
  });

  it('begin in a straight line from the strongest term of a matrix to the weakest', () => {
    expect([...initialGates([3, 1], 2, 4)]).toEqual([4, 2, 0, 2]);
    expect([...initialGates([2, 1], 2, 0)]).toEqual([2, 2, 2]);
  });

  it('begin in the order of what the loss minds, where that is known', () => {
    const plain = initialGates([2, 3], 2, 4); // [4, 0, 4, 2, 0]
    expect([...gatesByLoss(plain, [undefined, undefined, 5, 9, 1], 2, 4)]).toEqual([4, 0, 2, 4, 0]);
  });

  it('draw the same for the same seed and step, and other numbers for the next', () => {
    expect(gateNoise(4, 7, 16)).toEqual(gateNoise(4, 7, 16));
    expect(gateNoise(4, 7, 16)).not.toEqual(gateNoise(4, 8, 16));
    expect(gateNoise(4, 7, 16)).not.toEqual(gateNoise(5, 7, 16));
    expect(gateNoise(4, 7, 1000).every(Number.isFinite)).toBe(true);
  });

  it('count as closed for good below the bound', () => {
    expect(
      openGates(
        [
          [2, -9, 0, -7],
          [-9, -8, -10],
        ],
        1,
        0.02,
      ),
    ).toEqual([[0, 2], []]);
  });
});

describe('the Lagrangian', () => {
  /** Multipliers after some steps up their gradient, with s̄ and t held. */
  async function ascended(form: 'signed' | 'absolute', sparsity: number, target: number): Promise<[number, number]> {
    const b = new GraphBuilder();
    const multipliers = [b.input('first', 'float32', []), b.input('second', 'float32', [])] as const;
    const penalty = sizePenalty(b, form, multipliers, b.constant(float32([], [sparsity])), b.constant(float32([], [target])));
    const [first, second] = gradients(b, penalty, multipliers);
    const program = await createReferenceEngine().compile(b.graph({ first: first!, second: second! }), { name: 'ascent' });
    const state = [0, 0] as [number, number];
    for (let step = 0; step < 5; step++) {
      const available = { first: float32([], [state[0]]), second: float32([], [state[1]]) };
      const results = await program.run(
        Object.fromEntries(program.inputNames.map((name) => [name, available[name as keyof typeof available]])),
      );
      state[0] += 0.1 * toNumbers(results['first']!.read())[0]!;
      state[1] += 0.1 * toNumbers(results['second']!.read())[0]!;
    }
    return state;
  }

  it('drives λ1 below 0 and λ2 up while too little is gone, so that sparsity pays', async () => {
    const [first, second] = await ascended('signed', 0.2, 0.5);
    expect(first).toBeLessThan(-0.1);
    expect(second).toBeGreaterThan(0);
  });

  it('drives λ1 up when too much is gone, and λ2 up all the same', async () => {
    const [first, second] = await ascended('signed', 0.8, 0.5);
    expect(first).toBeGreaterThan(0.1);
    expect(second).toBeGreaterThan(0);
  });

  it('never pays for being off the target in the absolute form', async () => {
    for (const sparsity of [0.2, 0.8]) expect((await ascended('absolute', sparsity, 0.5))[0]).toBeGreaterThan(0.1);
  });

  it('asks for the target in a straight line from where training starts', () => {
    expect([0, 5, 10, 20].map((step) => targetAt(step, 10, -1, 0.5))).toEqual([-1, -0.25, 0.5, 0.5]);
    expect(targetAt(1, 0, 0, 0.5)).toBe(0.5);
  });
});

describe('the schedule', () => {
  const settings = (fields: object) => flopSettings.parse({ ratio: 0.5, ...fields });

  it('fills in a warm-up of half the gated steps and ten graphs', () => {
    expect(gateSchedule(settings({}), { steps: 90, learningRate: 1e-3 })).toMatchObject({
      gatedSteps: 60,
      targetWarmupSteps: 30,
      recompileEvery: 9,
    });
  });

  it('ends a stage at the next smaller graph, at the last gated step, and at the end', () => {
    const schedule = gateSchedule(settings({ recompileEvery: 30, settleSteps: 20 }), { steps: 100, learningRate: 1e-3 });
    expect([0, 29, 30, 60, 79, 80, 95].map((step) => endOfStage(schedule, step, 100))).toEqual([30, 30, 60, 80, 80, 100, 100]);
    const whole = gateSchedule(settings({ recompileEvery: 0, settleSteps: 0 }), { steps: 100, learningRate: 1e-3 });
    expect([0, 50].map((step) => endOfStage(whole, step, 100))).toEqual([100, 100]);
  });

  it('is refused where the target comes after the gates, or no step is left for them', () => {
    const late = settings({ targetWarmupSteps: 90, settleSteps: 20 });
    expect(() => gateSchedule(late, { steps: 100, learningRate: 1e-3 })).toThrow(/flop\.targetWarmupSteps.*step 90.*80 steps/);
    expect(() => gateSchedule(settings({ settleSteps: 100 }), { steps: 100, learningRate: 1e-3 })).toThrow(/flop\.settleSteps/);
  });
});

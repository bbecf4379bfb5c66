// What a compression will need is known before it starts: it is made to fit, or refused with what would.
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { parseRecipe } from '#compress';
import { initializeModel, type Model } from '#models';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { type MemoryRequest, memoryLimitBytes, PeakMemory, planMemory } from '../../../src/jobs/memory-plan.ts';
import { gpt2Config } from '../compress/tiny-model.ts';

const MiB = 2 ** 20;
const model: Model = initializeModel({ ...gpt2Config, width: 64, feedForwardWidth: 256, maxPositions: 512 }, new Random(1));
const gptq = { quantize: { bits: 4, method: 'gptq' } };

function request(steps: readonly object[], changes: Partial<MemoryRequest> = {}): MemoryRequest {
  const base = { window: 512, windowsPerRun: 8, limitBytes: 2 ** 40, residentBytes: 100 * MiB };
  return { model, recipe: parseRecipe({ steps }, recipeMethods), ...base, ...changes };
}

describe('the memory of a compression', () => {
  it('grows with the window, the batch of a training and what is held already', () => {
    const peak = (steps: readonly object[], changes?: Partial<MemoryRequest>): number =>
      planMemory(request(steps, changes)).estimatedPeakBytes;
    expect(peak([gptq])).toBeGreaterThan(peak([gptq], { window: 128 }));
    expect(peak([gptq], { residentBytes: 150 * MiB })).toBe(peak([gptq]) + 50 * MiB);
    const distill = (batchSize: number): object => ({ distill: { batchSize, sequenceLength: 512 } });
    expect(peak([distill(64)])).toBeGreaterThan(2 * peak([distill(8)]) - 200 * MiB);
    expect(planMemory(request([distill(64)])).phase).toBe('distill');
    // Of a frozen model there are no gradients, moments and checkpoints.
    const wide = { model: initializeModel({ ...gpt2Config, width: 512, feedForwardWidth: 2048, layers: 4 }, new Random(1)) };
    const training = { batchSize: 1, sequenceLength: 16 };
    for (const adapts of [{ lora: { training } }, { ladder: { initial: 'random', training } }])
      expect(peak([adapts], wide)).toBeLessThan(peak([{ distill: training }], wide) - 200 * MiB);
    const flopTraining = { batchSize: 8, sequenceLength: 16 };
    // The weights that did best are kept beside the newest.
    const flop = (fields: object): number => peak([{ flop: { ratio: 0.5, startRatio: 1, training: flopTraining, ...fields } }], wide);
    expect(flop({ patience: 2 }) - flop({})).toBeGreaterThan(4 * 512 * 2048);
    // Several teachers, and the attention that losses compare.
    const taught = (fields: object): number => peak([{ qat: { bits: 8, training: { batchSize: 8, sequenceLength: 64, ...fields } } }]);
    const teachers = [{ model: 'one' }, { model: 'two' }];
    expect(taught({ teachers }) - taught({ teachers: teachers.slice(1) })).toBeGreaterThan(0);
    expect(taught({ losses: [{ kind: 'relation' }] }) - taught({ losses: [{ kind: 'hidden' }] })).toBe(
      4 * 2 * model.config.layers * 8 * model.config.heads * 64 ** 2,
    );
    // Of a teacher elsewhere there are answers, not weights.
    const far = { teacher: 'athanor://host:1/far' };
    expect(taught({ ...far, teacherTopK: 64 }) - taught({ ...far, teacherTopK: 4 })).toBe(4 * 12 * 60 * 8 * 64);
    expect(taught({ ...far, teacherTopK: 4 })).toBeLessThan(taught({ teacher: 'near' }));
    // Factors of full rank are larger than what they stand for.
    expect(peak([{ flop: { ratio: 0.5, training: flopTraining } }])).toBeGreaterThan(
      peak([{ flop: { ratio: 0.5, startRatio: 1, training: flopTraining } }]),
    );
  });

  it('gives calibration less room where there is little, and the largest layer’s at least', () => {
    const wide = initializeModel({ ...gpt2Config, width: 512, feedForwardWidth: 2048 }, new Random(1));
    const usual = planMemory(request([gptq], { model: wide, window: 16, windowsPerRun: 1 }));
    const tight = planMemory(request([gptq], { model: wide, window: 16, windowsPerRun: 1, limitBytes: usual.neededBytes - 20 * MiB }));
    expect(tight.calibrationBytes).toBeLessThan(usual.calibrationBytes);
    expect(tight.calibrationBytes).toBeGreaterThanOrEqual(3 * 8 * 2048 * 2048);
    expect(tight.neededBytes).toBeLessThanOrEqual(tight.limitBytes);
  });

  it('is refused with what would fit', () => {
    const refused = (steps: readonly object[], limitBytes: number, changes: Partial<MemoryRequest> = {}): unknown => {
      try {
        return planMemory(request(steps, { limitBytes, ...changes }));
      } catch (error) {
        return error;
      }
    };
    const long = { model: initializeModel({ ...gpt2Config, width: 64, maxPositions: 4096 }, new Random(1)), window: 4096 };
    expect(refused([gptq], 600 * MiB, long)).toMatchObject({
      code: 'insufficient_memory',
      message: expect.stringMatching(
        /are needed at the peak \(calibration\).*is the limit\. What would fit: calibration\.sequenceLength \d+ \(about \d+ MiB\)/,
      ),
    });
    expect(refused([{ distill: { batchSize: 64, sequenceLength: 512 } }], 600 * MiB)).toMatchObject({
      code: 'insufficient_memory',
      message: expect.stringMatching(
        /\(distill\).*What would fit: distill\.batchSize \d+ with more gradientAccumulation \(about \d+ MiB\); distill\.memory "auto"/,
      ),
    });
    expect(refused([{ lowRank: { ratio: 0.5 } }], 50 * MiB)).toMatchObject({
      code: 'insufficient_memory',
      message: expect.stringMatching(/give the server at least \d+ MiB/),
    });
  });

  it('is limited by what was configured and by the machine', () => {
    expect(memoryLimitBytes(5 * MiB)).toBe(5 * MiB);
    expect(memoryLimitBytes(undefined)).toBeGreaterThan(100 * MiB);
    expect(memoryLimitBytes(2 ** 60)).toBe(memoryLimitBytes(undefined));
  });

  it('is measured at its largest', () => {
    const peak = new PeakMemory();
    const before = peak.peakBytes;
    const held = Buffer.alloc(64 * MiB, 1);
    expect(peak.peakBytes).toBeGreaterThan(before + 32 * MiB);
    expect(held.length).toBe(64 * MiB);
    peak.end();
  });
});

// Trainings that do not fit: refused with the plan by part and what would fit, or with memory "auto" arranged so that they do.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AppError, Progress } from '#base';
import { temporaryFolder } from '#test/temporary';
import { type TrainSettings, trainSettings } from '#train';
import { slackBytes } from '../../../src/jobs/memory-plan.ts';
import { arrangements, settleTraining } from '../../../src/jobs/training-plan.ts';

const MiB = 2 ** 20;
const given = trainSettings({ batchSize: 8, sequenceLength: 128, gradientAccumulation: 1 });
/** 100 MiB for each sequence, a third of that where activations are computed again. */
const planFor = async ({ batchSize, recompute = false }: TrainSettings) => ({
  parameterBytes: 10 * MiB,
  gradientBytes: 10 * MiB,
  optimizerBytes: 20 * MiB,
  batchBytes: MiB,
  activationBytes: (batchSize * 99 * MiB) / (recompute ? 3 : 1),
});
/** Parameters, gradients, moments, a batch and a checkpoint. */
const fixedBytes = 71 * MiB + slackBytes;

function settle(activationMegabytes: number, changes: Partial<TrainSettings> = {}, extra: object = {}) {
  const reports: Progress[] = [];
  const settled = settleTraining({
    place: 'distill',
    settings: { ...given, ...changes },
    planFor,
    limitBytes: 200 * MiB + fixedBytes + activationMegabytes * MiB,
    residentBytes: 200 * MiB,
    report: (progress) => reports.push(progress),
    ...extra,
  });
  return { settled, reports };
}

describe('a training that fits', () => {
  it('keeps its settings, and says its plan by part', async () => {
    const { settled, reports } = settle(800);
    expect((await settled).settings).toEqual(given);
    expect(reports).toEqual([
      {
        phase: 'plan',
        item: 'distill',
        metrics: expect.objectContaining({ estimatedPeakBytes: 200 * MiB + fixedBytes + 8 * 99 * MiB, activationBytes: 8 * 99 * MiB }),
      },
    ]);
    expect((await settle(800, { memory: 'auto' }).settled).settings.batchSize).toBe(8);
  });
});

describe('a training that does not fit', () => {
  it('is refused with its parts and the settings that would fit, with their bytes', async () => {
    const error = (await settle(300).settled.catch((thrown: unknown) => thrown)) as AppError;
    expect(error).toMatchObject({ code: 'insufficient_memory', details: { activationBytes: 792 * MiB, gradientBytes: 10 * MiB } });
    expect(error.message).toMatch(
      /distill: about 1\.0\d GiB are needed at the peak, 200 MiB of them held already, and \d+ MiB is the limit\./,
    );
    expect(error.message).toMatch(/It takes activations 792 MiB, checkpoints 30 MiB, optimizer state 20 MiB, .*batches 1 MiB\./);
    const fits = /What would fit: (.*)\.$/.exec(error.message)?.[1]?.split('; ') ?? [];
    expect(fits[0]).toBe(`batchSize 2 with gradientAccumulation 4 (about ${Math.ceil((200 * MiB + fixedBytes + 198 * MiB) / MiB)} MiB)`);
    expect(fits[1]).toBe(`recompute (about ${Math.ceil((200 * MiB + fixedBytes + 264 * MiB) / MiB)} MiB)`);
    expect(fits.at(-1)).toBe('memory "auto", which chooses among the settings');
  });

  it('names another teacher where that would do', async () => {
    const savings = [{ what: 'a recorded teacher', bytes: 600 * MiB }];
    await expect(settle(300, {}, { savings }).settled).rejects.toThrow(/; a recorded teacher \(about \d+ MiB\); memory "auto"/);
  });

  it('is refused whatever its settings where even one sequence is too many', async () => {
    for (const memory of ['given', 'auto'] as const)
      await expect(settle(20, { memory }).settled).rejects.toThrow(/It takes .*Unload other models, or give the server at least/);
  });
});

describe('memory "auto"', () => {
  it('takes the cheapest settings that fit, and says which', async () => {
    const { settled, reports } = settle(500, { memory: 'auto' });
    expect((await settled).settings).toMatchObject({ batchSize: 4, gradientAccumulation: 2, recompute: false });
    expect(reports[0]?.metrics).toMatchObject({ batchSize: 4, gradientAccumulation: 2, recompute: 0 });
    expect((await settle(40, { memory: 'auto' }).settled).settings).toMatchObject({
      batchSize: 1,
      gradientAccumulation: 8,
      recompute: true,
    });
    // What the caller asked for is never taken back.
    expect((await settle(150, { memory: 'auto', recompute: true }).settled).settings).toMatchObject({ batchSize: 4, recompute: true });
  });

  it('makes the same choice when the job goes on, with more room or less', async () => {
    const choicePath = `${temporaryFolder()}/kept/arrangement.json`;
    const first = await settle(250, { memory: 'auto' }, { choicePath }).settled;
    expect(first.settings).toMatchObject({ batchSize: 2, gradientAccumulation: 4 });
    expect(JSON.parse(readFileSync(choicePath, 'utf8'))).toEqual({ batchSize: 2, gradientAccumulation: 4, recompute: false });
    for (const megabytes of [2000, 10]) {
      const again = await settle(megabytes, { memory: 'auto' }, { choicePath }).settled;
      expect(again.settings).toEqual(first.settings);
    }
  });

  it('keeps nothing where nothing fits', async () => {
    const choicePath = `${temporaryFolder()}/arrangement.json`;
    await expect(settle(10, { memory: 'auto' }, { choicePath }).settled).rejects.toThrow('insufficient_memory');
    expect(existsSync(choicePath)).toBe(false);
  });
});

it('tries whole micro-batches of equal sizes, the cheapest first', () => {
  const options = arrangements({ ...given, batchSize: 6, gradientAccumulation: 2 });
  expect(new Set(options.map(({ batchSize }) => batchSize))).toEqual(new Set([6, 3, 2, 1]));
  for (const { batchSize, gradientAccumulation } of options) expect(batchSize * gradientAccumulation).toBe(12);
  expect(options[0]).toEqual({ batchSize: 3, gradientAccumulation: 4, recompute: false });
  expect(options.at(-1)).toEqual({ batchSize: 1, gradientAccumulation: 12, recompute: true });
});

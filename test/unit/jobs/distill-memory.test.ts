// A distill job whose batch does not fit: refused by name with what would, or with memory "auto" done in parts that fit.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Progress, quietContext, silentLogger } from '#base';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { JobStore, ModelHub } from '#jobs';
import { storeFixture } from '#test/model-server';
import { temporaryFolder } from '#test/temporary';
import { distillHandler } from '../../../src/jobs/handlers/distill.ts';
import { slackBytes } from '../../../src/jobs/memory-plan.ts';

const MiB = 2 ** 20;
const text = readFileSync(fileURLToPath(new URL('../../fixtures/text/distill.txt', import.meta.url)), 'utf8').slice(0, 60_000);

let engine: Engine;
beforeAll(async () => {
  engine = await createOnnxEngine({ device: 'cpu', threads: 1 });
});
afterAll(() => engine.dispose());

async function withHub(work: (hub: ModelHub) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  const notes = JobStore.open(`${folder}/jobs.db`);
  const hub = new ModelHub({ store: await storeFixture(folder, 'stories260K', 'm'), engine, ledger: notes.models });
  try {
    await work(hub);
  } finally {
    await hub.dispose();
    notes.close();
  }
}

async function distil(hub: ModelHub, settings: object) {
  const reports: Progress[] = [];
  const handler = distillHandler(hub, engine, { memoryLimitBytes: process.memoryUsage.rss() + slackBytes + 60 * MiB });
  const spec = handler.parse({
    student: 'm',
    teacher: 'm',
    name: 'small',
    replace: true,
    data: { inlineText: text },
    settings: { steps: 1, batchSize: 32, sequenceLength: 128, checkpointEvery: 0, ...settings },
  });
  const context = {
    ...quietContext,
    jobId: 'j',
    workFolder: temporaryFolder(),
    logger: silentLogger,
    report: (progress: Progress) => reports.push(progress),
  };
  return { result: await handler.run(spec, context), reports };
}

describe('a distill job that does not fit', () => {
  it('is refused with its plan by part and the settings that would fit', () =>
    withHub(async (hub) => {
      await expect(distil(hub, {})).rejects.toThrow(
        /insufficient_memory.*distill: about .* are needed at the peak, .* of them held already, and .* is the limit\. It takes activations \d+ MiB.*What would fit: .*batchSize \d+ with gradientAccumulation \d+ \(about .*memory "auto"/,
      );
    }));

  it('is done in micro-batches with memory "auto", and says so', () =>
    withHub(async (hub) => {
      const { result, reports } = await distil(hub, { memory: 'auto' });
      expect(result.steps).toBe(1);
      const plan = reports.find(({ phase }) => phase === 'plan');
      const { batchSize = 0, gradientAccumulation = 0, recompute } = plan?.metrics ?? {};
      expect(batchSize * gradientAccumulation).toBe(32);
      expect(batchSize < 32 || recompute === 1).toBe(true);
      expect(result.memory.estimatedPeakBytes).toBeLessThanOrEqual(result.memory.limitBytes);
    }));
});

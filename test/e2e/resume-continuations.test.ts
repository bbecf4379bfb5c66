// A server that is killed while a teacher writes behind beginnings of a text, and while the student learns them: it ends as a straight run does.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { JobEventMessage } from '#server';
import { withServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

describe('a killed server', () => {
  it('goes on writing, and then learning, to the weights of a straight run', async () => {
    const store = temporaryFolder();
    const inlineText = Buffer.from(readFileSync(fixture('text/distill.txt'), 'utf8').slice(0, 20_000));
    const spec = (name: string): object => ({
      student: 'model',
      teacher: 'model',
      name,
      fromScratch: true,
      data: { inlineText },
      settings: { steps: 30, batchSize: 2, sequenceLength: 32, checkpointEvery: 3 },
      sequenceLevel: { promptTokens: 6, temperature: 0.8 },
    });
    let jobId = '';
    let seen = 0;
    for (const [attempt, until] of [
      { phase: 'targets', step: 16 },
      { phase: 'distill', step: 8 },
    ].entries())
      await withServeProcess(store, 'SIGKILL', async (client) => {
        if (attempt === 0) await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
        const events =
          attempt === 0
            ? client.serverStream(client.protocol.distillation.Distill, { spec: spec('killed') })
            : client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 });
        for await (const { event } of events) {
          jobId = event?.jobId ?? jobId;
          seen = event?.sequence ?? seen;
          if (event?.error) throw new Error(event.error.message);
          if (event?.progress?.phase === until.phase && event.progress.step >= until.step) break;
        }
      });
    await withServeProcess(store, 'SIGTERM', async (client) => {
      const written: number[] = [];
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 }))
        if (event?.progress?.phase === 'targets') written.push(event.progress.step);
      expect(written).toEqual([]);
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 3 });
      let straight: JobEventMessage | null = null;
      for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec: spec('straight') }))
        if (event?.result) straight = event;
      const [resumed, other] = [job?.result?.distill, (straight as JobEventMessage | null)?.result?.distill];
      expect(resumed?.model?.hash).toBe(other?.model?.hash);
      expect(JSON.parse(resumed?.model?.lineage?.settingsJson ?? '{}')).toMatchObject({
        sequenceLevel: { promptTokens: 6, temperature: 0.8 },
      });
    });
  }, 120_000);
});

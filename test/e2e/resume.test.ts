// A server that is killed in the middle of a training goes on after its restart and ends with the same weights.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

describe('a killed server', () => {
  it('resumes a distillation to the same weights as a straight run, and stops in order on SIGTERM', async () => {
    const store = temporaryFolder();
    const inlineText = Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000));
    const settings = { steps: 30, batchSize: 2, sequenceLength: 64, checkpointEvery: 4 };
    const spec = (name: string): object => ({
      student: 'model',
      teacher: 'model',
      name,
      data: { inlineText },
      settings,
      fromScratch: true,
    });

    const first = await startServeProcess(store);
    const client = new AthanorClient(first.target);
    await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
    let jobId = '';
    let seen = 0;
    try {
      for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec: spec('killed') })) {
        jobId = event?.jobId ?? '';
        seen = event?.sequence ?? 0;
        if ((event?.progress?.step ?? 0) >= 10 && event?.progress?.phase === 'distill') break;
      }
    } finally {
      client.close();
      expect(await first.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    }

    const second = await startServeProcess(store);
    const again = new AthanorClient(second.target);
    const steps: number[] = [];
    for await (const { event } of again.serverStream(again.protocol.job.Watch, { jobId, fromSequence: seen + 1 })) {
      expect(event?.sequence).toBe(++seen);
      if (event?.progress?.phase === 'distill') steps.push(event.progress.step);
    }
    expect(steps.at(-1)).toBe(30);
    const { job } = await again.unary(again.protocol.job.Get, { jobId });
    expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
    let straight = '';
    for await (const { event } of again.serverStream(again.protocol.distillation.Distill, { spec: spec('straight') }))
      straight = event?.result?.distill?.model?.hash ?? straight;
    again.close();
    expect(job?.result?.distill?.model?.hash).toBe(straight);
    expect(await second.end('SIGTERM')).toEqual([0, null]);
  });
});

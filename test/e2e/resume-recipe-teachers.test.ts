// A server that is killed while a step of a recipe learns from a recording by gates: it goes on to the artefact of a straight run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AthanorClient, JobEventMessage } from '#server';
import { withServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

describe('a killed server', () => {
  it('goes on learning from a recording inside a step', async () => {
    const store = temporaryFolder();
    const recording = join(temporaryFolder(), 'recording');
    const data = { inlineText: Buffer.from(readFileSync(fixture('text/distill.txt'), 'utf8').slice(0, 8000)) };
    const training = { steps: 12, batchSize: 2, sequenceLength: 32, checkpointEvery: 2, recording };
    const flop = { ratio: 0.6, recompileEvery: 3, settleSteps: 3, gateLearningRate: 2, training };
    const spec = (name: string): object => ({ model: 'model', name, recipe: { steps: [{ flop }] }, data });
    const ended = async (client: AthanorClient, jobSpec: object): Promise<JobEventMessage | null> => {
      const { job } = await client.unary(client.protocol.job.Submit, { spec: jobSpec });
      let last: JobEventMessage | null = null;
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' })) {
        if (event?.error) throw new Error(event.error.message);
        if (event?.result) last = event;
      }
      return last;
    };
    let jobId = '';
    await withServeProcess(store, 'SIGKILL', async (client) => {
      await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
      await ended(client, { record: { teacher: 'model', data, path: recording, settings: { topK: 16, sequenceLength: 32 } } });
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec: spec('killed') })) {
        jobId = event?.jobId ?? jobId;
        if (event?.error) throw new Error(event.error.message);
        if (event?.progress?.phase === 'flop' && event.progress.step >= 7) break;
      }
    });
    await withServeProcess(store, 'SIGTERM', async (client) => {
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId }))
        if (event?.error) throw new Error(event.error.message);
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
      const straight = await ended(client, { compress: spec('straight') });
      expect(job?.result?.compress?.model?.hash).toBe(straight?.result?.compress?.model?.hash);
      expect(job?.result?.compress?.model?.lineage?.parents.map(({ role }) => role)).toEqual(['source', 'teacher']);
    });
  }, 120_000);
});

// A server that is killed in the middle of a recipe goes on after its restart, layer by layer and step by step, and ends with the same artefact.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { AthanorClient, JobEventMessage } from '#server';
import { withServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const recipe = {
  steps: [
    { lowRank: { method: 'whitened', ratio: 0.5, include: ['h.*.mlp.*'] } },
    { distill: { steps: 8, batchSize: 2, sequenceLength: 32, checkpointEvery: 2 } },
    { quantize: { bits: 4, method: 'gptq', include: ['h.0.*'] } },
  ],
};

async function textOf(numBytes: number): Promise<Buffer> {
  return Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, numBytes));
}

describe('a killed server', () => {
  it('goes on with a recipe after its finished layers and checkpoints, to the same artefact as a straight run', async () => {
    const store = temporaryFolder();
    const inlineText = await textOf(20_000);
    const spec = (name: string): object => ({
      model: 'model',
      name,
      recipe,
      data: { inlineText },
      calibration: { sequences: 8, sequenceLength: 64 },
    });
    let jobId = '';
    let seen = 0;
    const note = (event: JobEventMessage | null): void => {
      jobId = event?.jobId ?? jobId;
      seen = event?.sequence ?? seen;
    };
    const isAt = (event: JobEventMessage | null, phase: string, step: number): boolean =>
      event?.progress?.phase === phase && event.progress.step >= step;

    await withServeProcess(store, 'SIGKILL', async (client) => {
      await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/wiki-gpt2-7m') });
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec: spec('killed') })) {
        note(event);
        if (isAt(event, 'low rank', 3)) break;
      }
    });
    const layers = await readdir(join(store, 'work', jobId, 'layers'));
    expect(layers.length).toBeGreaterThanOrEqual(3);
    expect(layers.length).toBeLessThan(12);

    await withServeProcess(store, 'SIGKILL', async (client) => {
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 })) {
        note(event);
        if (isAt(event, 'distill', 4)) break;
      }
    });
    expect(await readdir(join(store, 'work', jobId))).toContain('training-1');

    await withServeProcess(store, 'SIGTERM', async (client) => {
      const phases: string[] = [];
      const steps: number[] = [];
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 })) {
        if (event?.progress) phases.push(event.progress.phase);
        if (event?.progress?.phase === 'distill') steps.push(event.progress.step);
      }
      // The layers of the first step were all there: nothing was calibrated for them, and the training went on after a checkpoint.
      expect(phases.slice(0, phases.indexOf('distill'))).not.toContain('calibrate');
      expect(Math.min(...steps)).toBeGreaterThan(2);
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 3 });
      let straight: JobEventMessage | null = null;
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec: spec('straight') }))
        if (event?.result) straight = event;
      const [resumed, other] = [job?.result?.compress, (straight as JobEventMessage | null)?.result?.compress];
      expect(resumed?.model?.hash).toBe(other?.model?.hash);
      expect(resumed?.changes).toEqual(other?.changes);
      expect(resumed?.steps).toEqual(other?.steps);
    });
    expect(await readdir(join(store, 'work'))).toEqual([]);
  });

  it('goes on with module replacing, in the part that draws and in the part that measures', async () => {
    const store = temporaryFolder();
    const inlineText = await textOf(8_000);
    const training = { steps: 8, batchSize: 2, sequenceLength: 16, checkpointEvery: 1 };
    const theseus = { modules: 3, replacementSteps: 4, patience: 9, evaluateEvery: 1, training };
    const spec = (name: string): object => ({ model: 'model', name, recipe: { steps: [{ theseus }] }, data: { inlineText } });
    let [jobId, seen] = ['', 0];
    const until = async (events: AsyncIterable<{ readonly event: JobEventMessage | null }>, step: number): Promise<void> => {
      for await (const { event } of events) {
        jobId = event?.jobId ?? jobId;
        seen = event?.sequence ?? seen;
        if (event?.progress?.phase === 'theseus' && event.progress.step >= step) break;
      }
    };
    const watch = (client: AthanorClient) => client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 });
    await withServeProcess(store, 'SIGKILL', async (client) => {
      await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/wiki-gpt2-7m') });
      await until(client.serverStream(client.protocol.compression.Compress, { spec: spec('killed') }), 3);
    });
    await withServeProcess(store, 'SIGKILL', (client) => until(watch(client), 6));
    await withServeProcess(store, 'SIGTERM', async (client) => {
      await until(watch(client), 99);
      let straight: JobEventMessage | null = null;
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec: spec('straight') }))
        if (event?.result) straight = event;
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 3 });
      const other = (straight as JobEventMessage | null)?.result?.compress;
      expect(job?.result?.compress?.model?.hash).toBe(other?.model?.hash);
      expect(job?.result?.compress?.steps).toEqual(other?.steps);
    });
  });

  it('keeps the layers of a job that is cancelled', async () => {
    const store = temporaryFolder();
    const inlineText = await textOf(20_000);
    await withServeProcess(store, 'SIGTERM', async (client) => {
      await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/wiki-gpt2-7m') });
      let [jobId, state] = ['', ''];
      const spec = { model: 'model', name: 'never', recipe, data: { inlineText }, calibration: { sequences: 8, sequenceLength: 64 } };
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec })) {
        jobId = event?.jobId ?? '';
        state = event?.state?.state ?? state;
        if (event?.progress?.phase === 'low rank' && event.progress.step === 2) await client.unary(client.protocol.job.Cancel, { jobId });
      }
      expect(state).toBe('JOB_STATE_CANCELLED');
      expect((await readdir(join(store, 'work', jobId, 'layers'))).length).toBeGreaterThanOrEqual(2);
      await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
    });
  });
});

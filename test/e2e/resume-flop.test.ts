// A server that is killed while it trains with gates goes on after its restart, with as many terms as were left, and ends with the same artefact.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { JobEventMessage } from '#server';
import { withServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const flop = {
  ratio: 0.5,
  include: ['h.*', 'embed.token.weight'],
  clusters: [64, 128],
  lagrangian: 'absolute',
  recompileEvery: 3,
  settleSteps: 3,
  gateLearningRate: 2,
  training: { steps: 12, batchSize: 2, sequenceLength: 32, checkpointEvery: 2 },
};

describe('a killed server', () => {
  it('goes on with a training whose graph got smaller, to the same artefact as a straight run', async () => {
    const store = temporaryFolder();
    const inlineText = Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000));
    const spec = (name: string): object => ({ model: 'model', name, recipe: { steps: [{ flop }] }, data: { inlineText } });
    let jobId = '';
    let seen = 0;
    for (const [attempt, step] of [5, 10].entries())
      await withServeProcess(store, 'SIGKILL', async (client) => {
        if (attempt === 0) await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
        const events =
          attempt === 0
            ? client.serverStream(client.protocol.compression.Compress, { spec: spec('killed') })
            : client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 });
        for await (const { event } of events) {
          jobId = event?.jobId ?? jobId;
          seen = event?.sequence ?? seen;
          if (event?.progress?.phase === 'flop' && event.progress.step >= step) break;
        }
      });

    await withServeProcess(store, 'SIGTERM', async (client) => {
      const steps: number[] = [];
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 }))
        if (event?.progress?.phase === 'flop') steps.push(event.progress.step);
      expect(Math.min(...steps)).toBeGreaterThan(8);
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 3 });
      let straight: JobEventMessage | null = null;
      for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec: spec('straight') }))
        if (event?.result) straight = event;
      const [resumed, other] = [job?.result?.compress, (straight as JobEventMessage | null)?.result?.compress];
      expect(resumed?.model?.hash).toBe(other?.model?.hash);
      expect(resumed?.changes).toEqual(other?.changes);
      expect(resumed?.steps).toEqual(other?.steps);
      const kinds = new Set(resumed?.changes?.map(({ parametrization }) => parametrization));
      expect([...kinds].sort()).toEqual(['adaptiveEmbedding', 'lowRank']);
      const generated = client.serverStream(client.protocol.inference.Generate, {
        model: 'killed',
        text: 'Once',
        maxNewTokens: 3,
        ignoreEnd: true,
      });
      let numTokens = 0;
      for await (const _ of generated) numTokens++;
      expect(numTokens).toBeGreaterThan(0);
    });
  });
});

// A server that is killed while a step of a recipe trains in a way of its own goes on after its restart, to the same artefact, and serves it.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const training = { steps: 8, batchSize: 2, sequenceLength: 32, checkpointEvery: 2 };
const recipe = {
  steps: [
    { prune: { method: 'movement', sparsity: 0.5, warmupSteps: 1, cooldownSteps: 2, every: 3, training } },
    { qat: { scheme: 'ternary', threshold: 'absmean', activations: 'token', lambdaSteps: 4, training: { ...training, teacher: 'none' } } },
  ],
};

describe('a killed server', () => {
  it('goes on with learned pruning and with quantization-aware training after a checkpoint', async () => {
    const store = temporaryFolder();
    const inlineText = Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000));
    const spec = (name: string): object => ({ model: 'model', name, recipe, data: { inlineText } });
    let [jobId, seen] = ['', 0];
    /** Takes the events of a job until it has done `step` steps of `phase`, or to its end. */
    const follow = async (
      events: AsyncIterable<{ event: JobEventMessage | null }>,
      phase?: string,
      step = 0,
    ): Promise<JobEventMessage[]> => {
      const all: JobEventMessage[] = [];
      for await (const { event } of events) {
        if (event === null) continue;
        all.push(event);
        jobId = event.jobId;
        seen = event.sequence;
        if (phase !== undefined && event.progress?.phase === phase && event.progress.step >= step) break;
      }
      return all;
    };
    const stepsOf = (events: readonly JobEventMessage[], phase: string): number[] =>
      events.flatMap(({ progress }) =>
        progress?.phase === phase && progress.metrics['gradientNorm'] !== undefined ? [progress.step] : [],
      );

    for (const [index, phase] of ['prune', 'qat'].entries()) {
      const server = await startServeProcess(store);
      const client = new AthanorClient(server.target);
      try {
        if (index === 0) await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
        const events =
          index === 0
            ? client.serverStream(client.protocol.compression.Compress, { spec: spec('killed') })
            : client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 });
        const steps = stepsOf(await follow(events, phase, 5), phase);
        expect(Math.max(...steps)).toBeLessThan(8);
      } finally {
        client.close();
        await server.end('SIGKILL');
      }
    }

    const server = await startServeProcess(store);
    const client = new AthanorClient(server.target);
    try {
      const rest = await follow(client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 }));
      expect(stepsOf(rest, 'prune')).toEqual([]);
      expect(Math.min(...stepsOf(rest, 'qat'))).toBeGreaterThan(2);
      const { job } = await client.unary(client.protocol.job.Get, { jobId });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 3 });
      const straight = (await follow(client.serverStream(client.protocol.compression.Compress, { spec: spec('straight') }))).find(
        ({ result }) => result,
      )?.result?.compress;
      expect(job?.result?.compress?.model?.hash).toBe(straight?.model?.hash);
      expect(job?.result?.compress?.changes).toEqual(straight?.changes);
      expect(job?.result?.compress?.steps).toEqual(straight?.steps);
      expect(straight?.steps[0]?.note).toMatch(/50\.00 % zeros/);
      expect(straight?.steps[1]?.note).toMatch(/rounded without training/);
      let text = '';
      for await (const { text: piece } of client.serverStream(client.protocol.inference.Generate, {
        model: 'killed',
        text: 'Once',
        maxNewTokens: 8,
      }))
        text += piece;
      expect(text).not.toBe('');
    } finally {
      client.close();
      await server.end('SIGTERM');
    }
  });
});

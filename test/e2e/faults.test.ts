// Faults at named points, armed from the environment of the server alone: what breaks there leaves nothing broken behind.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { type ServeProcess, startServeProcess } from '#test/serve-process';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const data = { inlineText: readFileSync(fixture('text/distill.txt')).subarray(0, 8000) };
const settings = { steps: 10, batchSize: 2, sequenceLength: 32, checkpointEvery: 2 };

/** Works with a server in whose process, and whose jobs' processes, something is to go wrong. */
async function broken<Result>(
  store: string,
  faults: string,
  work: (client: AthanorClient, server: ServeProcess) => Promise<Result>,
  options: readonly string[] = [],
): Promise<Result> {
  const server = await startServeProcess(store, options, { ATHANOR_TEST_FAULTS: faults });
  const client = new AthanorClient(server.target);
  try {
    return await work(client, server);
  } finally {
    client.close();
    await server.end('SIGTERM');
  }
}

const importStories = (client: AthanorClient) =>
  client.unary(client.protocol.model.Import, { name: 'm', path: fixture('models/stories260K') });

async function submit(client: AthanorClient, name = 'student'): Promise<string> {
  const { job } = await client.unary(client.protocol.job.Submit, {
    spec: { distill: { student: 'm', teacher: 'm', name, data, settings } },
  });
  return job?.id ?? '';
}

async function ended(client: AthanorClient, jobId: string) {
  const final = ['JOB_STATE_SUCCEEDED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED', 'JOB_STATE_PAUSED'];
  for (;;) {
    const { job } = await client.unary(client.protocol.job.Get, { jobId });
    if (job !== null && final.includes(job.state)) return job;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until the job is no longer in a state. */
async function left(client: AthanorClient, jobId: string, state: string): Promise<void> {
  while ((await client.unary(client.protocol.job.Get, { jobId })).job?.state === state)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

const hashOf = async (client: AthanorClient, name: string) => (await client.unary(client.protocol.model.Get, { name })).model?.hash;

describe('a fault', () => {
  const folder = temporaryFolderForSuite();
  let straight: string | undefined;

  beforeAll(async () => {
    straight = await broken(folder, '', async (client) => {
      await importStories(client);
      expect(await ended(client, await submit(client))).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 1 });
      return hashOf(client, 'student');
    });
  });

  it('at a training step that takes the process of the job down costs the job nothing but time', async () => {
    await broken(temporaryFolder(), 'train step=crash@7', async (client) => {
      await importStories(client);
      expect(await ended(client, await submit(client))).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
      expect(await hashOf(client, 'student')).toBe(straight);
    });
  });

  it('that keeps the process of a job from hearing does not keep the job from being cancelled, and its checkpoint serves a retry', async () => {
    // Had the process to be waited for, the test would run out of time.
    await broken(temporaryFolder(), 'train step=block:3600000@8', async (client) => {
      await importStories(client);
      const jobId = await submit(client);
      // A silent job's last progress is repeated by the server: only then is it sure that the eighth step has been reached.
      let timesSeen = 0;
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 }))
        if (event?.progress?.step === 7 && event.progress.phase === 'distill' && ++timesSeen === 2) break;
      await client.unary(client.protocol.job.Cancel, { jobId });
      expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_CANCELLED' });
      const { job } = await client.unary(client.protocol.job.Retry, { jobId });
      expect(await ended(client, job?.id ?? '')).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
      expect(await hashOf(client, 'student')).toBe(straight);
    });
  });

  it('at a checkpoint fails the job by name, and a retry goes on from the checkpoint before', async () => {
    await broken(temporaryFolder(), 'checkpoint=fail@3', async (client) => {
      await importStories(client);
      const jobId = await submit(client);
      expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_FAILED', error: { code: 'unavailable' } });
      const { job } = await client.unary(client.protocol.job.Retry, { jobId });
      expect(await ended(client, job?.id ?? '')).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
      expect(await hashOf(client, 'student')).toBe(straight);
    });
  });

  it.each([
    ['lose', 'device_lost'],
    ['exhaust', 'out_of_memory'],
  ])(
    'of the device in the middle of training (%s) parks the job with a checkpoint, the server goes on, and the job ends as if nothing had been',
    async (action, code) => {
      await broken(temporaryFolder(), `train step=${action}@6`, async (client) => {
        await importStories(client);
        const jobId = await submit(client);
        expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_PAUSED', error: { code } });
        let pieces = 0;
        const request = { model: 'm', text: 'Once', maxNewTokens: 4, temperature: 0 };
        for await (const _ of client.serverStream(client.protocol.inference.Generate, request)) pieces += 1;
        expect(pieces).toBeGreaterThan(1);
        await client.unary(client.protocol.job.Resume, { jobId });
        await left(client, jobId, 'JOB_STATE_PAUSED');
        expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
        expect(await hashOf(client, 'student')).toBe(straight);
      });
    },
  );

  it('of the device in the middle of an update leaves the checkpoint before it, from which the job ends as if nothing had been', async () => {
    await broken(temporaryFolder(), 'weight update=lose@8', async (client) => {
      await importStories(client);
      const jobId = await submit(client);
      expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_PAUSED', error: { code: 'device_lost' } });
      await client.unary(client.protocol.job.Resume, { jobId });
      await left(client, jobId, 'JOB_STATE_PAUSED');
      expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
      expect(await hashOf(client, 'student')).toBe(straight);
    });
  });

  it.each([
    ['lose', 'device_lost'],
    ['exhaust', 'out_of_memory'],
  ])('of the device at a decode step (%s) ends the sequences of that step by name, and the server goes on', async (action, code) => {
    await broken(temporaryFolder(), `decode step=${action}@3`, async (client) => {
      await importStories(client);
      const generate = async (): Promise<void> => {
        const request = { model: 'm', text: 'Once', maxNewTokens: 12, temperature: 0 };
        for await (const _ of client.serverStream(client.protocol.inference.Generate, request));
      };
      await expect(generate()).rejects.toMatchObject({ code });
      await generate();
      expect(await ended(client, await submit(client))).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
    });
  });

  it('that kills the server while a model gets its name leaves no half model, and the job ends after a restart', async () => {
    const store = temporaryFolder();
    await broken(store, '', importStories);
    const jobId = await broken(
      store,
      'publish=crash',
      async (client, server) => {
        const id = await submit(client);
        await new Promise((resolve) => server.process.once('exit', resolve));
        return id;
      },
      ['--isolation', 'none'],
    );
    await broken(store, '', async (client) => {
      expect(await ended(client, jobId)).toMatchObject({ state: 'JOB_STATE_SUCCEEDED' });
      const { models } = await client.unary(client.protocol.model.List, {});
      expect(models.map(({ name, version }) => [name, version])).toEqual([
        ['m', 1],
        ['student', 1],
      ]);
      expect(await hashOf(client, 'student')).toBe(straight);
    });
  });

  it('at a decode step ends the sequences of that step by name, and the next call is served', async () => {
    await broken(temporaryFolder(), 'decode step=fail@3', async (client) => {
      await importStories(client);
      const generate = async (): Promise<number> => {
        let pieces = 0;
        const request = { model: 'm', text: 'Once', maxNewTokens: 12, temperature: 0 };
        for await (const _ of client.serverStream(client.protocol.inference.Generate, request)) pieces += 1;
        return pieces;
      };
      await expect(generate()).rejects.toMatchObject({ code: 'unavailable' });
      expect(await generate()).toBeGreaterThan(1);
    });
  });

  it('is armed by no one who calls, and refused where it is written wrongly', async () => {
    await expect(startServeProcess(temporaryFolder(), [], { ATHANOR_TEST_FAULTS: 'train step=explode' })).rejects.toThrow(
      /invalid_argument/,
    );
    await expect(startServeProcess(temporaryFolder(), [], { ATHANOR_TEST_FAULTS: 'nowhere=fail' })).rejects.toThrow(
      /points are train step/,
    );
  });
});

// A server that is killed while a student learns on its own samples, with a recording and a training from it behind: all end as straight runs do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

describe('a killed server', () => {
  it('resumes on-policy training and training from a recording to the same weights', async () => {
    const store = temporaryFolder();
    const path = join(temporaryFolder(), 'recording');
    const data = { inlineText: Buffer.from(readFileSync(fixture('text/distill.txt'), 'utf8').slice(0, 4000)) };
    const common = { student: 'model', fromScratch: true, data };
    const settings = { steps: 24, batchSize: 2, sequenceLength: 32, checkpointEvery: 3 };
    const losses = [{ kind: 'labels', weight: 0.5 }, { kind: 'logits' }, { kind: 'hidden', projection: 'learned' }, { kind: 'relation' }];
    const own = (name: string): object => ({
      ...common,
      name,
      teachers: [{ model: 'model', weight: 2 }, { model: 'model@1' }],
      settings: { ...settings, losses, balance: 'gradientNorm', balanceEvery: 3 },
      onPolicy: { promptTokens: 4, maxNewTokens: 12 },
    });
    const recorded = (name: string): object => ({ ...common, name, recording: path, settings: { ...settings, steps: 60 } });

    const first = await startServeProcess(store);
    const client = new AthanorClient(first.target);
    const submit = async (to: AthanorClient, spec: object): Promise<string> =>
      (await to.unary(to.protocol.job.Submit, { spec })).job?.id ?? '';
    const seen = async (to: AthanorClient, jobId: string, step = Number.POSITIVE_INFINITY): Promise<void> => {
      for await (const { event } of to.serverStream(to.protocol.job.Watch, { jobId })) {
        if (event?.error) throw new Error(event.error.message);
        if (event?.progress?.phase === 'distill' && event.progress.step >= step) return;
      }
    };
    await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
    await seen(client, await submit(client, { record: { teacher: 'model', data, path, settings: { topK: 16, sequenceLength: 32 } } }));
    const jobs = [await submit(client, { distill: own('own') })];
    await seen(client, jobs[0]!, 8);
    client.close();
    expect(await first.end('SIGKILL')).toEqual([null, 'SIGKILL']);

    const second = await startServeProcess(store);
    const again = new AthanorClient(second.target);
    await seen(again, jobs[0]!);
    jobs.push(await submit(again, { distill: recorded('recorded') }));
    await seen(again, jobs[1]!, 8);
    again.close();
    expect(await second.end('SIGKILL')).toEqual([null, 'SIGKILL']);

    const third = await startServeProcess(store);
    const last = new AthanorClient(third.target);
    await seen(last, jobs[1]!);
    const hashOf = async (jobId: string): Promise<string | undefined> => {
      const { job } = await last.unary(last.protocol.job.Get, { jobId });
      return job?.result?.distill?.model?.hash;
    };
    for (const [index, spec] of [own('own-straight'), recorded('recorded-straight')].entries()) {
      const straight = await submit(last, { distill: spec });
      await seen(last, straight);
      const { job } = await last.unary(last.protocol.job.Get, { jobId: jobs[index]! });
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
      expect(await hashOf(jobs[index]!)).toBe(await hashOf(straight));
    }
    last.close();
    expect(await third.end('SIGTERM')).toEqual([0, null]);
  }, 120_000);
});

// Jobs in processes of their own: killed, deaf or in a crash loop, they take neither the server nor its callers with them.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const data = { inlineText: readFileSync(fixture('text/distill.txt')).subarray(0, 8000) };
const settings = { steps: 40, batchSize: 2, sequenceLength: 64, checkpointEvery: 4 };

/** Processes of jobs that a process has started; undefined where the system does not tell. */
function workersOf(processId: number): readonly number[] | undefined {
  try {
    const children = readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('job-worker.js'));
  } catch {
    return undefined;
  }
}

describe.skipIf(workersOf(process.pid) === undefined)('a job in a process of its own', () => {
  const folder = temporaryFolderForSuite();
  let running: RunningServer;
  let client: AthanorClient;

  beforeAll(async () => {
    running = await startServer({ store: folder, address: '127.0.0.1:0', isolation: 'process', checkResults: false });
    client = new AthanorClient(`127.0.0.1:${running.server.port}`);
    await client.unary(client.protocol.model.Import, { name: 'teacher', path: fixture('models/stories260K') });
  });

  afterAll(async () => {
    client.close();
    await running.stop();
    expect(workersOf(process.pid)).toEqual([]);
  });

  const distill = async (name: string): Promise<string> => {
    const spec = { distill: { student: 'teacher', teacher: 'teacher', name, data, settings } };
    const { job } = await client.unary(client.protocol.job.Submit, { spec });
    return job?.id ?? '';
  };

  /** Follows a job to its end, or to where it rests, and does something after some of its steps. */
  const follow = async (jobId: string, afterStep: (step: number) => Promise<void> | void = () => {}): Promise<string> => {
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 })) {
      const { progress, state } = event as JobEventMessage;
      if (progress?.phase === 'distill' && progress.step !== undefined) await afterStep(Number(progress.step));
      if (state?.state === 'JOB_STATE_PAUSED') return state.state;
    }
    const { job } = await client.unary(client.protocol.job.Get, { jobId });
    return job?.state ?? '';
  };

  const theWorker = (): number => {
    const [worker, ...others] = workersOf(process.pid) ?? [];
    expect(others).toEqual([]);
    expect(worker).toBeDefined();
    return worker ?? 0;
  };

  const hashOf = async (name: string): Promise<string> => (await client.unary(client.protocol.model.Get, { name })).model?.hash ?? '';

  it('goes on where it was when the process is killed, to the same weights, while calls are answered', async () => {
    expect(await follow(await distill('straight'))).toBe('JOB_STATE_SUCCEEDED');
    let killed = false;
    const steps: number[] = [];
    const jobId = await distill('killed');
    const generated = follow(jobId, async (step) => {
      steps.push(step);
      if (killed || step < 10) return;
      killed = true;
      process.kill(theWorker(), 'SIGKILL');
      let text = '';
      for await (const { text: piece } of client.serverStream(client.protocol.inference.Generate, {
        model: 'teacher',
        text: 'Once',
        maxNewTokens: 8,
        temperature: 0,
      }))
        text += piece;
      expect(text.length).toBeGreaterThan(0);
    });
    expect(await generated).toBe('JOB_STATE_SUCCEEDED');
    expect(killed).toBe(true);
    // From the checkpoint, not from the beginning.
    const again = steps.findIndex((step, index) => index > 0 && step < (steps[index - 1] ?? 0));
    expect(again === -1 ? 4 : steps[again]).toBeGreaterThanOrEqual(4);
    expect((await client.unary(client.protocol.job.Get, { jobId })).job?.attempts).toBe(2);
    expect(await hashOf('killed')).toBe(await hashOf('straight'));
  });

  it('is put aside when its process dies again and again, and goes on when a person says so', async () => {
    let kills = 0;
    let last = 0;
    const jobId = await distill('crashing');
    const state = await follow(jobId, () => {
      const [worker = 0] = workersOf(process.pid) ?? [];
      if (worker === 0 || worker === last || kills === 3) return;
      last = worker;
      kills += 1;
      process.kill(worker, 'SIGKILL');
    });
    expect(state).toBe('JOB_STATE_PAUSED');
    expect(kills).toBe(3);
    const { job } = await client.unary(client.protocol.job.Get, { jobId });
    expect(job?.error).toMatchObject({ code: 'crash_loop' });
    await client.unary(client.protocol.job.Resume, { jobId });
    await expect
      .poll(async () => (await client.unary(client.protocol.job.Get, { jobId })).job?.state, { timeout: 60_000 })
      .toBe('JOB_STATE_SUCCEEDED');
    expect(await hashOf('crashing')).toBe(await hashOf('straight'));
  });

  it('does not end by the signals that a terminal or a service manager sends to the whole group', async () => {
    const jobId = await distill('signalled');
    let sent = 0;
    const state = await follow(jobId, () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) if (sent < 9) process.kill(theWorker(), signal);
      sent += 3;
    });
    expect(state).toBe('JOB_STATE_SUCCEEDED');
    expect(sent).toBeGreaterThanOrEqual(9);
    expect((await client.unary(client.protocol.job.Get, { jobId })).job?.attempts).toBe(1);
    expect(await hashOf('signalled')).toBe(await hashOf('straight'));
  });

  it('goes with its server, also while it stands back behind calls', async () => {
    const server = await startServeProcess(temporaryFolder(), ['--job-share', '0.01']);
    const other = new AthanorClient(server.target);
    try {
      await other.unary(other.protocol.model.Import, { name: 'teacher', path: fixture('models/stories260K') });
      const spec = { distill: { student: 'teacher', teacher: 'teacher', name: 's', data, settings: { ...settings, steps: 100_000 } } };
      const { job } = await other.unary(other.protocol.job.Submit, { spec });
      for await (const { event } of other.serverStream(other.protocol.job.Watch, { jobId: job?.id ?? '', fromSequence: 1 }))
        if (event?.progress?.phase === 'distill') break;
      const [worker = 0] = workersOf(server.process.pid ?? 0) ?? [];
      const stateOf = (): string => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${worker}/status`, 'utf8'))?.[1] ?? '';
      const calls = other.serverStream(other.protocol.inference.Generate, {
        model: 'teacher',
        text: 'Once',
        maxNewTokens: 400,
        ignoreEnd: true,
      });
      await calls.next();
      // Nearly all of the time while the call is open.
      await expect.poll(stateOf, { interval: 3, timeout: 10_000 }).toBe('T');
      await server.end('SIGKILL');
      await calls.return(undefined).catch(() => {});
      await expect.poll(() => existsSync(`/proc/${worker}`), { timeout: 10_000 }).toBe(false);
    } finally {
      other.close();
      await server.end('SIGKILL');
    }
  });

  it('keeps the models that it uses from being deleted, and not from being unloaded by the server', async () => {
    const jobId = await distill('guarded');
    let tried = false;
    await follow(jobId, async () => {
      if (tried) return;
      tried = true;
      await expect(client.unary(client.protocol.model.Delete, { name: 'teacher' })).rejects.toMatchObject({ code: 'wrong_state' });
      await client.unary(client.protocol.model.Unload, { name: 'teacher' });
    });
    expect(tried).toBe(true);
  });

  it('leaves its evaluation with the server', async () => {
    const { job } = await client.unary(client.protocol.job.Submit, { spec: { evaluate: { model: 'straight', teacher: 'teacher', data } } });
    expect(await follow(job?.id ?? '')).toBe('JOB_STATE_SUCCEEDED');
    const { model } = await client.unary(client.protocol.model.Get, { name: 'straight' });
    expect(model?.evaluation?.bitsPerByte).toBeGreaterThan(0);
    expect(model?.lineage?.jobId).not.toBe('');
  });

  it('says its errors as they are', async () => {
    const tooLong = { ...settings, sequenceLength: 100_000 };
    const spec = { distill: { student: 'teacher', teacher: 'teacher', name: 'long', data, settings: tooLong } };
    const { job } = await client.unary(client.protocol.job.Submit, { spec });
    expect(await follow(job?.id ?? '')).toBe('JOB_STATE_FAILED');
    const { job: ended } = await client.unary(client.protocol.job.Get, { jobId: job?.id ?? '' });
    expect(ended?.error).toMatchObject({ code: 'context_too_long' });
  });
});

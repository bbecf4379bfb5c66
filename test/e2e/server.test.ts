// The server over a real connection: job streams, leaving and coming back, cancelling, limits, errors and an orderly end.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { RegisteredHandler } from '#jobs';
import { maxMessageBytes } from '#server';
import { temporaryFolder } from '#test/temporary';
import { type CountOptions, countHandler, Gate } from '#test/trivial-job';
import { startTrivialServer, type TrivialServer, type TrivialServerOptions } from '#test/trivial-server';

const running: TrivialServer[] = [];

/** Counts `settings.window` steps as an evaluation; the teacher "stepwise" waits for the gate, the teacher "fails" fails at step 2. */
function countingEvaluation(options: CountOptions = {}): RegisteredHandler {
  const inner = countHandler({ ...options, kind: 'evaluate' });
  return {
    ...inner,
    bind(input) {
      const { teacher = '', settings = {} } = input as { teacher?: string; settings?: { window?: number } };
      const bound = inner.bind({ steps: settings.window, stepwise: teacher === 'stepwise', failAt: teacher === 'fails' ? 2 : 0 });
      return {
        ...bound,
        spec: input,
        async run(context) {
          await bound.run(context);
          return { report: { model: 'counted', bitsPerByte: 1.5, latencies: [{ phase: 'decode', batchSize: 8 }] } };
        },
      };
    },
  };
}

async function start(options: Partial<TrivialServerOptions> = {}): Promise<TrivialServer> {
  const server = await startTrivialServer({ handlers: [countingEvaluation()], folder: temporaryFolder(), ...options });
  running.push(server);
  return server;
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

const spec = (window: number, teacher = ''): { spec: { model: string; teacher: string; settings: { window: number } } } => ({
  spec: { model: 'm', teacher, settings: { window } },
});

describe('job streams', () => {
  it('carry the job id first, then numbered progress, the result and the final state', async () => {
    const { client } = await start();
    const events = [];
    for await (const { event } of client.serverStream(client.protocol.evaluation.Evaluate, spec(3))) events.push(event);
    expect(events[0]).toMatchObject({ jobId: expect.stringMatching(/^evaluate-/), sequence: 1, state: { state: 'JOB_STATE_QUEUED' } });
    expect(events.map((event) => event?.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(events[4]).toMatchObject({ progress: { phase: 'count', step: 3, total: 3, metrics: { loss: 1 / 3 } } });
    expect(events[5]).toMatchObject({ result: { evaluate: { report: { bitsPerByte: 1.5, latencies: [{ batchSize: 8 }] } } } });
    expect(events[6]).toMatchObject({ state: { state: 'JOB_STATE_SUCCEEDED' } });
  });

  it('leave the job running when the client leaves, and go on from a sequence number', async () => {
    const gate = new Gate();
    const { client, runner } = await start({ handlers: [countingEvaluation({ gate })] });
    let jobId = '';
    for await (const { event } of client.serverStream(client.protocol.evaluation.Evaluate, spec(3, 'stepwise'))) {
      jobId = event?.jobId ?? '';
      if (event?.sequence === 2) break;
    }
    gate.advance(3);
    await runner.result(jobId);
    const rest = [];
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 3 })) rest.push(event?.sequence);
    expect(rest).toEqual([3, 4, 5, 6, 7]);
    const { job } = await client.unary(client.protocol.job.Get, { jobId });
    expect(job).toMatchObject({
      state: 'JOB_STATE_SUCCEEDED',
      lastSequence: 7,
      attempts: 1,
      result: { evaluate: { report: { model: 'counted' } } },
    });
  });

  it('end with the error and FAILED when the job fails', async () => {
    const { client } = await start();
    const events = [];
    for await (const { event } of client.serverStream(client.protocol.evaluation.Evaluate, spec(3, 'fails'))) events.push(event);
    expect(events.at(-2)).toMatchObject({
      error: { code: 'bad_data', message: '[bad_data] row 2: cannot be counted.', details: { row: '2' } },
    });
    expect(events.at(-1)).toMatchObject({ state: { state: 'JOB_STATE_FAILED' } });
  });

  it('show a cancelled job, and the queue goes on', async () => {
    const gate = new Gate();
    const { client } = await start({ handlers: [countingEvaluation({ gate })] });
    const states: (string | undefined)[] = [];
    for await (const { event } of client.serverStream(client.protocol.evaluation.Evaluate, spec(3, 'stepwise'))) {
      if (event?.event === 'state') states.push(event.state?.state);
      if (event?.state?.state === 'JOB_STATE_RUNNING') await client.unary(client.protocol.job.Cancel, { jobId: event.jobId });
    }
    expect(states).toEqual(['JOB_STATE_QUEUED', 'JOB_STATE_RUNNING', 'JOB_STATE_CANCELLING', 'JOB_STATE_CANCELLED']);
    const { job } = await client.unary(client.protocol.job.Submit, { spec: { evaluate: spec(1).spec } });
    for await (const _ of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' })) {
      // until its end
    }
    const { jobs } = await client.unary(client.protocol.job.List, {});
    expect(jobs.map(({ state }) => state)).toEqual(['JOB_STATE_SUCCEEDED', 'JOB_STATE_CANCELLED']);
    const { jobs: cancelled } = await client.unary(client.protocol.job.List, { states: ['JOB_STATE_CANCELLED'] });
    expect(cancelled).toHaveLength(1);
  });
});

describe('errors over the wire', () => {
  it('name the field of a wrong request in ErrorInfo and leave no job', async () => {
    const { client } = await start();
    const missing = client.unary(client.protocol.job.Submit, { spec: { evaluate: { model: 'm' } } });
    await expect(missing).rejects.toMatchObject({ name: 'AppError', code: 'invalid_argument', details: { field: 'steps' } });
    await expect(client.unary(client.protocol.job.Submit, {})).rejects.toMatchObject({
      code: 'invalid_argument',
      details: { field: 'spec' },
    });
    expect((await client.unary(client.protocol.job.List, {})).jobs).toEqual([]);
  });

  it('name unknown models and jobs', async () => {
    const { client } = await start();
    await expect(client.unary(client.protocol.model.Get, { name: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });
    await expect(client.unary(client.protocol.job.Cancel, { jobId: 'nothing' })).rejects.toMatchObject({ code: 'job_not_found' });
    const generate = client.serverStream(client.protocol.inference.Generate, { model: 'nobody', text: 'Once' });
    await expect(generate.next()).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('keep stacks and paths of defects at home', async () => {
    const inference = { tokenize: () => Promise.reject(new TypeError('cannot read /srv/athanor/src/secret.ts of undefined')) };
    const { client } = await start({ inference });
    const failure = await client
      .unary(client.protocol.inference.Tokenize, { model: 'm', text: 't' })
      .catch((error: Error) => error.message);
    expect(failure).toMatch(/^\[internal\] cannot read … of undefined/);
    expect(failure).not.toMatch(/secret|\n/);
  });

  it('name a message over the limit, and the server goes on', async () => {
    const { client } = await start();
    const large = { model: 'm', text: 'x'.repeat(maxMessageBytes + 1) };
    await expect(client.unary(client.protocol.inference.Tokenize, large)).rejects.toMatchObject({ code: 'message_too_large' });
    await expect(client.answers(5000)).resolves.toBe(true);
  });
});

describe('uploads', () => {
  const chunk = (fileName: string, text: string, offsetBytes = 0, size = text.length): { chunk: object } => ({
    chunk: { fileName, offsetBytes, data: Buffer.from(text), fileSizeBytes: size },
  });

  async function upload({ client }: TrivialServer, parts: readonly object[]): Promise<unknown> {
    async function* send(): AsyncGenerator<object> {
      yield* parts;
    }
    return client.clientStream(client.protocol.model.ImportUpload, send());
  }

  it('refuse names that leave the folder, gaps, and files that are cut short, and leave nothing behind', async () => {
    const server = await start();
    const header = { header: { name: 'up' } };
    for (const bad of ['../evil', '/etc/evil', 'a/../b', '.hidden', ''])
      await expect(upload(server, [header, chunk(bad, 'x')])).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(upload(server, [header, chunk('a', 'xy', 1, 3)])).rejects.toThrow(/does not follow/);
    await expect(upload(server, [header, chunk('a', 'xy', 0, 3)])).rejects.toThrow(/2 of its 3 bytes/);
    await expect(upload(server, [chunk('a', 'xy')])).rejects.toMatchObject({ details: { field: 'header' } });
    await expect(upload(server, [header])).rejects.toThrow(/holds no file/);
    expect(await readdir(join(server.folder, 'uploads'))).toEqual([]);
  });
});

describe('generating', () => {
  it('is stopped when the client leaves', async () => {
    let stopped = false;
    const inference: TrivialServerOptions['inference'] = {
      async *generate(_model, _request, signal) {
        try {
          while (!signal.aborted) {
            yield { kind: 'token', index: 0, token: { id: 1 }, text: 'word ' };
            await new Promise((resolve) => setTimeout(resolve, 1));
          }
        } finally {
          stopped = true;
        }
      },
    };
    const { client, server } = await start({ inference });
    let pieces = 0;
    for await (const { text, tokenIds } of client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'p' })) {
      expect([text, tokenIds]).toEqual(['word ', [1]]);
      if (++pieces === 3) break;
    }
    await expect.poll(() => [stopped, server.openCalls]).toEqual([true, 0]);
  });

  it('holds back a model that is faster than its reader', async () => {
    let made = 0;
    const inference: TrivialServerOptions['inference'] = {
      async *generate(_model, _request, signal) {
        for (; made < 200 && !signal.aborted; made++) {
          yield { kind: 'token', index: 0, token: { id: 1 }, text: 'x'.repeat(64 * 1024) };
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    };
    const { client } = await start({ inference });
    const stream = client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'p' });
    await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(made).toBeLessThan(100);
    await stream.return(undefined);
  });
});

describe('stopping', () => {
  it('ends streams of jobs with the sequence number to go on from, and queues jobs that can resume', async () => {
    const gate = new Gate();
    const started = await start({ handlers: [countingEvaluation({ gate, canResume: true })] });
    const { client, server, runner } = started;
    let jobId = '';
    const follow = async (): Promise<void> => {
      for await (const { event } of client.serverStream(client.protocol.evaluation.Evaluate, spec(3, 'stepwise'))) {
        jobId = event?.jobId ?? '';
        if (event?.state?.state === 'JOB_STATE_RUNNING') void server.stop({ graceMs: 1000 });
      }
    };
    await expect(follow()).rejects.toMatchObject({ code: 'unavailable', details: { fromSequence: expect.stringMatching(/^\d+$/) } });
    await server.stop();
    expect(runner.get(jobId).state).toBe('QUEUED');
    await expect(client.unary(client.protocol.job.List, {}, { timeoutMs: 2000 })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

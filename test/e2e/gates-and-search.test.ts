// Gates and searches through the server: what is stored, what is told, and what an interrupted search repeats.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';
import { resultText } from '../../src/cli/reports.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;
let data: { inlineText: Buffer };
let validation: { inlineText: Buffer };

beforeAll(async () => {
  running = await startServer({ store: folder, address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  data = { inlineText: Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000)) };
  validation = { inlineText: Buffer.from((await readFile(fixture('text/evaluate.txt'), 'utf8')).slice(0, 4_000)) };
  await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

async function eventsOf(spec: object, from = client): Promise<JobEventMessage[]> {
  const events: JobEventMessage[] = [];
  for await (const { event } of from.serverStream(from.protocol.compression.Compress, { spec })) if (event !== null) events.push(event);
  return events;
}

const calibration = { sequences: 8, sequenceLength: 32 };
const codes = (bits: number): object => ({ quantize: { bits, groupSize: 16 } });

describe('a recipe with gates', () => {
  it('stores the model of the last gate that held, and says what it dropped', async () => {
    const steps = [
      { prune: { structure: 'ffn', ratio: 0.9, importance: 'magnitude' } },
      { distill: { steps: 2, batchSize: 2, sequenceLength: 32 } },
      { gate: { maxLoss: 1 } },
      codes(2),
      { gate: { maxLoss: 0.0001, against: 'previous' } },
    ];
    const events = await eventsOf({ model: 'model', name: 'kept', recipe: { steps }, data, validation });
    const result = events.find(({ result: one }) => one)?.result;
    const compress = result?.compress;
    expect(events.at(-1)?.state?.state).toBe('JOB_STATE_SUCCEEDED');
    expect(compress?.steps).toMatchObject([
      { method: 'prune', dropped: false },
      { method: 'distill', dropped: false },
      { method: 'gate', dropped: false, gate: { metric: 'loss', held: true } },
      { method: 'quantize', dropped: true },
      { method: 'gate', dropped: true, gate: { held: false } },
    ]);
    expect(compress?.stop).toMatchObject({ step: 4, keptSteps: 3, reason: expect.stringMatching(/not held/) });
    // Stages are measured because there is validation data.
    for (const { metrics } of compress?.steps ?? [])
      expect(Object.keys(metrics).sort()).toEqual(['accuracy', 'bitsPerByte', 'loss', 'perplexity']);
    expect(compress?.startMetrics['loss']).toBe(compress?.steps[2]?.gate?.reference);
    expect(compress?.steps[2]?.gate?.value).toBe(compress?.steps[1]?.metrics['loss']);
    expect(compress?.changes.map(({ step }) => step)).not.toContain(3);
    expect(compress?.model?.parameters.every(({ parametrization }) => parametrization === 'dense')).toBe(true);
    expect(compress?.model?.storedBytes).toBe(compress?.steps[1]?.storedBytesAfter);
    expect(JSON.parse(compress?.model?.lineage?.settingsJson ?? '{}')).toMatchObject({
      stop: { step: 4, keptSteps: 3 },
      heldOut: { share: false },
    });
    expect(compress?.verification?.maxRelativeDifference).toBeLessThan(1e-4);
    const text = resultText(result ?? ({} as never));
    expect(text).toMatch(/after step +loss +bits\/byte +perplexity +accuracy/);
    expect(text).toMatch(/5, gate .* not held, dropped/);
    expect(text).toMatch(/stopped at step 5: loss .* not held; the result is the model after step 3/);
    expect(text).toMatch(/step 4, quantize \(dropped\)/);
    const report = await client.unary(client.protocol.model.Get, { name: 'kept' });
    expect(report.model?.hash).toBe(compress?.model?.hash);
  });

  it('fails and stores nothing where no gate held', async () => {
    const steps = [codes(2), { gate: { metric: 'accuracy', atLeast: 0.999 } }];
    const events = await eventsOf({ model: 'model', name: 'never', recipe: { steps }, data, calibration });
    expect(events.find(({ error }) => error)?.error).toMatchObject({
      code: 'gate_not_met',
      message: expect.stringMatching(/steps\[1\]: gate: accuracy 0\./),
    });
    await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('holds a share of the data out where no validation is given, and trains on the rest', async () => {
    const training = { distill: { steps: 1, batchSize: 2, sequenceLength: 32 } };
    const settings = async (name: string, steps: object[]): Promise<unknown> => {
      const events = await eventsOf({ model: 'model', name, recipe: { steps }, data });
      return events.find(({ result }) => result)?.result?.compress?.model?.lineage;
    };
    const [whole, shared] = [await settings('whole', [training]), await settings('shared', [training, { gate: { maxLoss: 9 } }])];
    expect(JSON.parse((shared as { settingsJson: string }).settingsJson)).toMatchObject({ heldOut: { share: true } });
    expect((shared as { dataFingerprint: string }).dataFingerprint).not.toBe((whole as { dataFingerprint: string }).dataFingerprint);
  });

  it('wants something to measure on before it is queued', async () => {
    const recipe = { steps: [{ lowRank: { ratio: 0.5 } }, { gate: { maxLoss: 1 } }] };
    await expect(eventsOf({ model: 'model', name: 'never', recipe })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/compress\.validation: .*Give validation or data/),
    });
  });

  it('keeps the last good stage where a training diverges, and names the step without one', async () => {
    const explode = {
      distill: { steps: 30, batchSize: 2, sequenceLength: 32, learningRate: 1e30, warmupSteps: 0, clipNorm: 0, checkpointEvery: 1 },
    };
    const gated = await eventsOf({
      model: 'model',
      name: 'survivor',
      recipe: { steps: [codes(8), { gate: { maxLoss: 1 } }, explode] },
      data,
    });
    expect(gated.find(({ result }) => result)?.result?.compress?.stop).toMatchObject({
      step: 2,
      reason: expect.stringMatching(/diverged.*steps\[2\]: step \d+:/),
    });
    const failed = await eventsOf({ model: 'model', name: 'never', recipe: { steps: [codes(8), explode] }, data });
    expect(failed.find(({ error }) => error)?.error).toMatchObject({
      code: 'diverged',
      details: { step: '1', trainingStep: expect.stringMatching(/^\d+$/) },
    });
  });
});

describe('a training that diverges', () => {
  it('fails with its step and keeps a checkpoint, from which the job goes on when it is tried again', async () => {
    const settings = { steps: 30, batchSize: 2, sequenceLength: 32, learningRate: 1e30, warmupSteps: 0, clipNorm: 0, checkpointEvery: 1 };
    const spec = { student: 'model', teacher: 'model', name: 'never', data, settings };
    const events: JobEventMessage[] = [];
    for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec })) if (event) events.push(event);
    const error = events.find((event) => event.error)?.error;
    const step = Number(error?.details['step']);
    expect(error).toMatchObject({
      code: 'diverged',
      message: expect.stringMatching(
        new RegExp(`step ${step}: the (loss|gradient's norm) is .* The checkpoint of step ${step - 1} was kept`),
      ),
      details: { checkpointStep: String(step - 1) },
    });
    await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
    const { job } = await client.unary(client.protocol.job.Retry, { jobId: events[0]?.jobId ?? '' });
    const again: JobEventMessage[] = [];
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' })) if (event) again.push(event);
    expect(again.filter(({ progress }) => progress?.phase === 'distill' && Number(progress.step) < step)).toEqual([]);
    expect(again.find((event) => event.error)?.error?.details['step']).toBe(String(step));
  });
});

describe('a search', () => {
  const candidates = [
    { name: 'eight', steps: [codes(8)] },
    { name: 'four', steps: [codes(4)] },
    { name: 'half', steps: [{ lowRank: { method: 'whitened', ratio: 0.5 } }, codes(8)] },
  ];

  it('streams its trials, stores the best and reports the front', async () => {
    const search = { target: { ratio: 0.6 }, budget: { trials: 3 }, candidates };
    const events = await eventsOf({ model: 'model', name: 'found', recipe: { steps: [{ search }] }, data, validation, calibration });
    const trials = events.flatMap(({ progress }) => (progress?.phase === 'search' && 'onFront' in progress.metrics ? [progress] : []));
    expect(trials.map(({ item, step, total }) => [item, Number(step), Number(total)])).toEqual([
      ['eight', 1, 3],
      ['four', 2, 3],
      ['half', 3, 3],
    ]);
    const result = events.find(({ result: one }) => one)?.result;
    const [step] = result?.compress?.steps ?? [];
    const report = step?.search;
    expect(report?.trials.map(({ name, meetsTarget, failure }) => [name, meetsTarget, failure])).toEqual([
      ['eight', true, ''],
      ['four', true, ''],
      ['half', true, ''],
    ]);
    const chosen = report?.trials[report.chosen ?? -1];
    expect(chosen?.metrics['loss']).toBe(Math.min(...(report?.trials ?? []).map(({ metrics }) => metrics['loss'] ?? 99)));
    expect(chosen?.metrics['storedBytes']).toBe(result?.compress?.model?.storedBytes);
    expect(JSON.parse(chosen?.recipeJson ?? '{}')).toEqual({ steps: candidates.find(({ name }) => name === chosen?.name)?.steps });
    expect(step?.metrics['loss']).toBeCloseTo(chosen?.metrics['loss'] ?? 0, 6);
    const text = resultText(result ?? ({} as never));
    expect(text).toMatch(/trial +stored bytes +loss/);
    expect(text).toMatch(new RegExp(`\n>\\* ${chosen?.name} `));
    expect(text).toMatch(/3 trials, ended by the budget of trials/);
  });

  it('fails where the target is out of reach, and says what was reached', async () => {
    const search = { target: { storedBytes: 1000 }, budget: { trials: 2 }, candidates };
    const events = await eventsOf({ model: 'model', name: 'never', recipe: { steps: [{ search }] }, data, calibration });
    expect(events.find(({ error }) => error)?.error).toMatchObject({
      code: 'target_not_reached',
      message: expect.stringMatching(/storedBytes at most 1000 is wanted, and the nearest of 2 trials is "four" with \d+ stored bytes/),
    });
    await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('goes on after kill -9 without a trial made twice, to the same model', async () => {
    const store = temporaryFolder();
    const search = {
      target: { ratio: 0.9 },
      budget: { trials: 4 },
      candidates,
      distill: { steps: 4, batchSize: 2, sequenceLength: 32, checkpointEvery: 1 },
    };
    const spec = (name: string): object => ({ model: 'model', name, recipe: { steps: [{ search }] }, data, validation, calibration });
    const first = await startServeProcess(store);
    const before = new AthanorClient(first.target);
    let [jobId, seen] = ['', 0];
    try {
      await before.unary(before.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
      for await (const { event } of before.serverStream(before.protocol.compression.Compress, { spec: spec('killed') })) {
        jobId = event?.jobId ?? jobId;
        seen = event?.sequence ?? seen;
        // In the training of the last trial.
        if (event?.progress?.item.includes('distilled: distill')) break;
      }
    } finally {
      before.close();
      await first.end('SIGKILL');
    }
    const second = await startServeProcess(store);
    const after = new AthanorClient(second.target);
    try {
      const items: string[] = [];
      for await (const { event } of after.serverStream(after.protocol.job.Watch, { jobId, fromSequence: seen + 1 }))
        if (event?.progress?.phase === 'search') items.push(event.progress.item);
      expect(items.filter((item) => /^(eight|four|half): /.test(item))).toEqual([]);
      expect(items.some((item) => /, distilled$/.test(item))).toBe(true);
      const { job } = await after.unary(after.protocol.job.Get, { jobId });
      const straight = (await eventsOf(spec('straight'), after)).find(({ result }) => result)?.result?.compress;
      const resumed = job?.result?.compress;
      expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
      expect(resumed?.model?.hash).toBe(straight?.model?.hash);
      const untimed = (of: typeof resumed) => of?.steps[0]?.search?.trials.map((trial) => ({ ...trial, elapsedMs: 0 }));
      expect(untimed(resumed)).toEqual(untimed(straight));
      await expect.poll(() => readdir(join(store, 'work'))).toEqual([]);
    } finally {
      after.close();
      await second.end('SIGTERM');
    }
  });
});

// What a compress job tells: its plan first, every layer on the way, and in the end steps, notes, calibration rows, memory and the fresh process.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage } from '#server';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;
let data: { inlineText: Buffer };

beforeAll(async () => {
  running = await startServer({ store: folder, address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  data = { inlineText: Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000)) };
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

describe('a compress job', () => {
  it('reports its plan, its layers and everything that made its result', async () => {
    const recipe = {
      steps: [
        { lowRank: { method: 'whitened', ratio: 0.5, include: ['h.0.*'] } },
        { distill: { steps: 2, batchSize: 2, sequenceLength: 32 } },
        { quantize: { bits: 8, include: ['h.0.*', 'h.1.mlp.*'] } },
      ],
    };
    const events = await eventsOf({ model: 'model', name: 'small', recipe, data, calibration: { sequences: 12, sequenceLength: 32 } });
    const progress = events.flatMap(({ progress: one }) => (one ? [one] : []));
    expect(progress[0]).toMatchObject({ phase: 'plan' });
    expect(Number(progress[0]?.metrics['estimatedPeakBytes'])).toBeGreaterThan(1e8);
    expect(progress.every(({ metrics }) => Number(metrics['residentBytes']) > 0)).toBe(true);
    const layer = progress.filter(({ phase }) => phase === 'quantize').at(-1);
    expect(layer?.metrics).toMatchObject({
      errorBefore: expect.any(Number),
      weightError: expect.any(Number),
      bytesSaved: expect.any(Number),
    });

    const result = events.find(({ result: one }) => one)?.result?.compress;
    expect(result?.steps).toMatchObject([
      { method: 'lowRank', note: '' },
      { method: 'distill', note: expect.stringMatching(/^2 steps on 128 tokens/) },
      { method: 'quantize' },
    ]);
    const changes = result?.changes ?? [];
    expect(changes.map(({ step }) => step)).toEqual([...Array(7).fill(0), ...Array(10).fill(2)]);
    const [first, again] = [0, 2].map((at) => changes.find(({ path, step }) => path.endsWith('mlp.up.weight') && step === at));
    expect(first).toMatchObject({ errorBefore: 0, parametrization: 'lowRank' });
    expect(first?.outputError).toBe(first?.relativeError);
    expect(again?.errorBefore).toBe(first?.weightError);
    expect(result?.calibration).toMatchObject({
      paths: ['inlineText'],
      rows: 12,
      rowTokens: 32,
      documents: 1,
      padding: expect.any(String),
    });
    expect(result?.calibration?.rowHashes).toHaveLength(12);
    expect(result?.memory?.peakBytes).toBeGreaterThan(1e7);
    expect(result?.memory?.limitBytes).toBeGreaterThan(result?.memory?.estimatedPeakBytes ?? 0);
    expect(result?.verification).toMatchObject({ tokens: 32, tolerance: 1e-4 });
    expect(result?.verification?.maxRelativeDifference).toBeLessThan(1e-5);
    const settings = JSON.parse(result?.model?.lineage?.settingsJson ?? '{}') as { calibration?: { rowsHash?: string } };
    expect(settings.calibration?.rowsHash).toBe(result?.calibration?.rowsHash);
  });

  it('takes a shipped recipe by its name', async () => {
    const spec = { model: 'model', name: 'named', recipeName: 'tqcompressor', data };
    let [state, item] = ['', ''];
    for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec })) {
      state = event?.state?.state ?? state;
      if (event?.progress?.phase !== 'kronecker' || item !== '') continue;
      item = event.progress.item;
      await client.unary(client.protocol.job.Cancel, { jobId: event.jobId });
    }
    expect([state, item]).toEqual(['JOB_STATE_CANCELLED', 'embed.token.weight']);
    await expect(eventsOf({ ...spec, recipeName: 'tqcompresser' })).rejects.toMatchObject({
      code: 'bad_recipe',
      message: expect.stringMatching(/tqcompresser.*Did you mean "tqcompressor"/),
    });
  });

  it('wants text and teachers that are there before it is queued', async () => {
    const spec = { model: 'model', name: 'never', recipe: { steps: [{ distill: { steps: 1, teacher: 'nobody' } }] } };
    await expect(eventsOf(spec)).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(/distill needs text/) });
    await expect(eventsOf({ ...spec, data })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('leaves nothing behind when it fails', async () => {
    const events = await eventsOf({
      model: 'model',
      name: 'never',
      recipe: { steps: [{ lowRank: { ratio: 0.5, include: ['nowhere'] } }] },
    });
    const failed = events.find(({ error }) => error);
    expect(failed?.error?.code).toBe('pattern_matches_nothing');
    await expect.poll(async () => await readdir(join(folder, 'work'))).not.toContain(failed?.jobId);
  });

  it('is refused by a server with too little memory, and writes nothing', async () => {
    const store = temporaryFolder();
    const large = await startServer({ store, address: '127.0.0.1:0', checkResults: false });
    const importing = new AthanorClient(`127.0.0.1:${large.server.port}`);
    await importing.unary(importing.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
    importing.close();
    await large.stop();
    const small = await startServer({ store, address: '127.0.0.1:0', memoryLimitBytes: 50e6, checkResults: false });
    const other = new AthanorClient(`127.0.0.1:${small.server.port}`);
    try {
      const again = other.unary(other.protocol.model.Import, { name: 'again', path: fixture('models/stories260K') });
      await expect(again).rejects.toMatchObject({ code: 'insufficient_memory' });
      const events = await eventsOf({ model: 'model', name: 'never', recipe: { steps: [{ lowRank: { ratio: 0.5 } }] } }, other);
      expect(events.find(({ error }) => error)?.error).toMatchObject({
        code: 'insufficient_memory',
        message: expect.stringMatching(/48 MiB is the limit.*give the server at least/),
      });
      await expect(other.unary(other.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
    } finally {
      other.close();
      await small.stop();
    }
  });
});

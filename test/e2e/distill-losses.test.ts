// Sums of losses through the real server: a killed distillation with balanced weights and projections goes on to the same weights, and mistakes are named.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolderForSuite } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const store = temporaryFolderForSuite();

let serving: Awaited<ReturnType<typeof startServeProcess>>;
let client: AthanorClient;
let inlineText: Buffer;

async function start(): Promise<void> {
  serving = await startServeProcess(store);
  client = new AthanorClient(serving.target);
}

beforeAll(async () => {
  inlineText = Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 20_000));
  await start();
  await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
}, 60_000);
afterAll(async () => {
  client.close();
  await serving.end('SIGTERM');
});

const losses = [
  { kind: 'labels', weight: 0.5 },
  { kind: 'logits', divergence: 'jsd', beta: 0.5 },
  { kind: 'hidden', weightSchedule: { from: 1, to: 2, steps: 12, shape: 'cosine' }, projection: 'learned', layers: 'uniform' },
  { kind: 'relation', of: 'minilmv2', layerPairs: [{ student: -1, teacher: -1 }] },
];
const settings = { steps: 16, batchSize: 2, sequenceLength: 32, checkpointEvery: 4, losses, balance: 'gradientNorm', balanceEvery: 3 };

function spec(name: string, changes: object = {}): object {
  return {
    student: 'model',
    teachers: [{ model: 'model', weight: 2 }, { model: 'model@1' }],
    name,
    data: { inlineText },
    settings,
    fromScratch: true,
    ...changes,
  };
}

describe('a distillation from a sum of losses', () => {
  it('goes on after kill -9 to the weights of a straight run', async () => {
    let jobId = '';
    let seen = 0;
    const reported = new Set<string>();
    for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec: spec('killed') })) {
      jobId = event?.jobId ?? '';
      seen = event?.sequence ?? 0;
      for (const metric of Object.keys(event?.progress?.metrics ?? {})) reported.add(metric);
      if ((event?.progress?.step ?? 0) >= 6 && event?.progress?.phase === 'distill') break;
    }
    expect([...reported]).toEqual(
      expect.arrayContaining(['crossEntropy', 'divergence', 'hidden', 'relation', 'hiddenWeight', 'hiddenGradient']),
    );
    client.close();
    expect(await serving.end('SIGKILL')).toEqual([null, 'SIGKILL']);

    await start();
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: seen + 1 }))
      seen = event?.sequence ?? seen;
    const { job } = await client.unary(client.protocol.job.Get, { jobId });
    expect(job).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', attempts: 2 });
    let straight = '';
    for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec: spec('straight') }))
      straight = event?.result?.distill?.model?.hash ?? straight;
    expect(job?.result?.distill?.model?.hash).toBe(straight);
    expect(job?.result?.distill?.model?.lineage?.parents.map(({ role }) => role)).toEqual(['source', 'teacher', 'teacher']);
  }, 60_000);

  it.each([
    [
      'a kind that there is not',
      { settings: { losses: [{ kind: 'hiden' }] } },
      /distill.settings.losses.0.kind: there is no kind "hiden". Did you mean "hidden"/,
    ],
    ['a negative weight', { settings: { losses: [{ kind: 'logits', weight: -1 }] } }, /losses.0.weight: must not be negative/],
    ['weights that are all zero', { settings: { losses: [{ kind: 'logits', weight: 0 }] } }, /all weights are zero/],
    ['no teacher', { teachers: [], settings: { losses: [{ kind: 'hidden' }] } }, /"hidden" compares with a teacher, and there is none/],
    ['two forms of one thing', { settings: { losses: [{ kind: 'labels' }], alpha: 0.5 } }, /alpha: is of the short form/],
    ['a teacher beside teachers', { teacher: 'other' }, /distill.teachers: cannot stand beside distill.teacher/],
    ['a teacher that is not there', { teachers: [{ model: 'nobody' }] }, /nobody/],
  ])('names %s, and stores nothing', async (_, changes, message) => {
    const run = async (): Promise<void> => {
      for await (const _event of client.serverStream(client.protocol.distillation.Distill, { spec: spec('wrong', changes) })) {
        // Refused before the first event.
      }
    };
    await expect(run()).rejects.toThrow(message);
    const { models } = await client.unary(client.protocol.model.List, {});
    expect(models.map(({ name }) => name)).not.toContain('wrong');
  });

  it('names layers that do not exist when the models are known', async () => {
    let failure = '';
    const wrong = spec('wrong', {
      settings: {
        ...settings,
        losses: [{ kind: 'hidden', layerPairs: [{ student: 9, teacher: 0 }] }],
        balance: undefined,
        balanceEvery: undefined,
      },
    });
    for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec: wrong }))
      failure = event?.error?.message ?? failure;
    expect(failure).toMatch(/losses\[0\].layers: layer 9 of the student does not exist: it has 5/);
  });
});

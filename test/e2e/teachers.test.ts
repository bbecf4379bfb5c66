// A student that learns from a teacher on another server, from a recorded one, and on its own samples: two servers in one process.
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type DistillSpecMessage, type JobEventMessage, type JobResultMessage, teacherConnector } from '#server';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const folder = temporaryFolderForSuite();
const text = { inlineText: Buffer.from(readFileSync(fixture('text/distill.txt'), 'utf8').slice(0, 6000)) };
const steps = 6;
const settings = { steps, batchSize: 2, sequenceLength: 32, seed: 3 };

let students: RunningServer;
let client: AthanorClient;
let teachers: RunningServer;
let address = '';
/** Of connections that are opened from now on: a server may take long to restart. */
let patienceMs = 60_000;

const startTeachers = (port: number): Promise<RunningServer> =>
  startServer({ store: join(folder, 'teachers'), address: `127.0.0.1:${port}`, checkResults: false });

beforeAll(async () => {
  students = await startServer({
    store: join(folder, 'students'),
    address: '127.0.0.1:0',
    checkResults: false,
    connectTeacher: (target) => teacherConnector({ patienceMs, pauseMs: 50 })(target),
  });
  client = new AthanorClient(`127.0.0.1:${students.server.port}`);
  teachers = await startTeachers(0);
  address = `127.0.0.1:${teachers.server.port}`;
  const other = new AthanorClient(address);
  for (const each of [client, other])
    await each.unary(each.protocol.model.Import, { name: 'stories', path: fixture('models/stories260K') });
  await other.unary(other.protocol.model.Import, { name: 'wiki', path: fixture('models/wiki-gpt2-7m') });
  other.close();
});

afterAll(async () => {
  client.close();
  await Promise.all([students.stop(), teachers.stop()]);
});

interface Ended {
  readonly jobId: string;
  readonly result: JobResultMessage | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

async function follow(
  events: AsyncIterable<{ readonly event: JobEventMessage | null }>,
  seen?: (event: JobEventMessage) => void | Promise<void>,
): Promise<Ended> {
  let [jobId, result, error]: [string, Ended['result'], Ended['error']] = ['', undefined, undefined];
  for await (const { event } of events) {
    if (event === null) continue;
    jobId = event.jobId;
    result = event.result ?? result;
    error = event.error ?? error;
    await seen?.(event);
  }
  return { jobId, result, error };
}

const distill = (spec: DistillSpecMessage, seen?: (event: JobEventMessage) => void | Promise<void>): Promise<Ended> =>
  follow(
    client.serverStream(client.protocol.distillation.Distill, {
      spec: { student: 'stories', fromScratch: true, replace: true, data: text, settings, ...spec },
    }),
    seen,
  );

/** The result of a job that succeeds. */
async function distilled(spec: DistillSpecMessage): Promise<NonNullable<JobResultMessage['distill']>> {
  const { result, error } = await distill(spec);
  if (!result?.distill) throw new Error(error?.message);
  return result.distill;
}

async function run(spec: object, seen?: (event: JobEventMessage) => void | Promise<void>): Promise<Ended> {
  const { job } = await client.unary(client.protocol.job.Submit, { spec });
  return follow(client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' }), seen);
}

const resident = (): Promise<NonNullable<JobResultMessage['distill']>> => distilled({ teacher: 'stories', name: 'resident' });

describe('a teacher on another server', () => {
  it.each([
    ['all answers', {}],
    ['all answers, likeliest first', { teacherTopK: 512 }],
  ])('teaches what a resident one does: %s', async (_, form) => {
    const [here, there] = [await resident(), await distilled({ teacher: `athanor://${address}/stories`, name: 'remote', ...form })];
    expect(there.finalLoss).toBeCloseTo(here.finalLoss, 2);
    expect(there.model?.lineage?.parents.map(({ role }) => role)).toEqual(['source', 'teacher']);
    expect(JSON.parse(there.model?.lineage?.settingsJson ?? '{}')).toMatchObject({ teacherMode: 'remote', ...form });
    expect(there.memory?.estimatedPeakBytes).toBeGreaterThan(0);
  });

  it('sees less of it with few answers', async () => {
    const few = await distilled({ teacher: `athanor://${address}/stories`, name: 'few', teacherTopK: 2 });
    expect(few.finalLoss).toBeLessThan((await resident()).finalLoss);
  });

  it.each([
    ['tokenizer_mismatch', (): string => `athanor://${address}/wiki`, /different tokenizers/],
    ['model_not_found', (): string => `athanor://${address}/nobody`, /teacher athanor:\/\/127\.0\.0\.1:\d+\/nobody/],
    ['teacher_unavailable', (): string => 'athanor://127.0.0.1:1/stories', /athanor:\/\/127\.0\.0\.1:1\/stories: did not answer/],
    ['invalid_argument', (): string => 'athanor://nowhere', /"athanor:\/\/host:port\/model"/],
  ] as const)('is refused with %s before a job is queued', async (code, teacher, words) => {
    const before = (await client.unary(client.protocol.job.List, {})).jobs.length;
    await expect(distill({ teacher: teacher(), name: 'refused' })).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
    expect((await client.unary(client.protocol.job.List, {})).jobs).toHaveLength(before);
  });

  it('is waited for while its server restarts, and the result is the same', async () => {
    const { port } = teachers.server;
    const teacher = `athanor://${address}/stories`;
    const straight = await distilled({ teacher, name: 'straight', teacherTopK: 8 });
    let restarting: Promise<void> | undefined;
    const { result, error } = await distill({ teacher, name: 'patient', teacherTopK: 8 }, (event) => {
      if (event.progress?.phase !== 'distill' || event.progress.step < 2) return;
      restarting ??= teachers.stop({ graceMs: 0 }).then(async () => {
        teachers = await startTeachers(port);
      });
    });
    await restarting;
    expect(restarting).toBeDefined();
    expect(error).toBeUndefined();
    expect(result?.distill?.model?.hash).toBe(straight.model?.hash);
  });

  it('that stays away ends the job with its name; tried again, the job ends with the same weights as a straight run', async () => {
    const { port } = teachers.server;
    const long = { teacher: `athanor://${address}/stories`, settings: { ...settings, steps: 60, checkpointEvery: 0 } };
    const straight = await distilled({ ...long, name: 'long' });
    let stopping: Promise<void> | undefined;
    patienceMs = 200;
    const { error, jobId } = await distill({ ...long, name: 'lost' }, (event) => {
      if (event.progress?.phase === 'distill' && event.progress.step >= 2) stopping ??= teachers.stop({ graceMs: 0 });
    });
    await stopping;
    patienceMs = 60_000;
    teachers = await startTeachers(port);
    expect(error).toMatchObject({ code: 'teacher_unavailable', message: expect.stringContaining(`athanor://${address}/stories@1`) });
    expect(error?.message).toMatch(/try the job again/);
    const kept = readdirSync(join(folder, 'students/work', jobId));
    expect(kept.some((name) => /^step-\d+$/.test(name))).toBe(true);
    const { job } = await client.unary(client.protocol.job.Retry, { jobId });
    const { result } = await follow(client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' }));
    expect(result?.distill?.model?.hash).toBe(straight.model?.hash);
  });
});

describe('a recorded teacher', () => {
  const path = join(folder, 'recording');
  const record = (changes: object = {}, to = path) =>
    run({ record: { teacher: 'stories', data: text, path: to, settings: { topK: 64, sequenceLength: 32, batchSize: 4, ...changes } } });
  const taught = (spec: DistillSpecMessage = {}) => distill({ recording: path, name: 'recorded', ...spec });

  it('is recorded once and then taught from, about as from a resident one', async () => {
    const { result } = await record({ topK: 512 }, join(folder, 'whole'));
    const { sizeBytes = 0, rows = 0, examples = 0, teacher } = result?.record ?? {};
    expect(rows).toBe(32 * examples);
    expect(sizeBytes).toBeGreaterThan(rows * (512 * 4 + 4));
    expect(sizeBytes).toBeLessThan(rows * (512 * 4 + 4) + 4096);
    expect(teacher).toBe('stories@1');
    const there = await distilled({ recording: join(folder, 'whole'), name: 'recorded' });
    expect(there.finalLoss).toBeCloseTo((await resident()).finalLoss, 2);
    expect(JSON.parse(there.model?.lineage?.settingsJson ?? '{}')).toMatchObject({ teacherMode: 'recorded', teacherTopK: 512 });
  });

  it('gives the same student twice, in any order of the windows', async () => {
    expect((await record()).error).toBeUndefined();
    const [first, second] = [(await taught()).result, (await taught()).result];
    expect(first?.distill?.model?.hash).toBe(second?.distill?.model?.hash);
    const other = await taught({ settings: { ...settings, seed: 4, batchSize: 3 } });
    expect(other.result?.distill?.model?.hash).not.toBe(first?.distill?.model?.hash);
  });

  it('is not written over', async () => {
    await expect(record()).rejects.toMatchObject({ code: 'file_exists' });
  });

  it('is refused for other windows, text and temperatures', async () => {
    await expect(taught({ settings: { ...settings, temperature: 2 } })).rejects.toMatchObject({
      code: 'recording_mismatch',
      message: expect.stringMatching(/temperature 1, .* asks for 2/),
    });
    expect((await taught({ settings: { ...settings, sequenceLength: 16 } })).error).toMatchObject({
      code: 'recording_mismatch',
      message: expect.stringMatching(/sequenceLength is 32 in the recording and 16 here/),
    });
    const changed = { inlineText: Buffer.from(text.inlineText.toString().replace('e', 'a')) };
    expect((await taught({ data: changed })).error?.code).toBe('recording_mismatch');
    await expect(taught({ recording: join(folder, 'nowhere') })).rejects.toMatchObject({ code: 'file_not_found' });
    await expect(taught({ teacher: 'stories' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('shows a single flipped bit, in a shard and in the manifest', async () => {
    const shard = join(path, 'answers-00000.safetensors');
    const whole = readFileSync(shard);
    const flipped = Buffer.from(whole);
    flipped[flipped.length - 100]! ^= 1;
    writeFileSync(shard, flipped);
    expect((await taught()).error).toMatchObject({ code: 'bad_recording', message: expect.stringContaining('answers-00000.safetensors') });
    writeFileSync(shard, whole.subarray(0, whole.length - 1));
    expect((await taught()).error?.code).toBe('bad_recording');
    writeFileSync(shard, whole);
    const manifest = readFileSync(join(path, 'manifest.json'), 'utf8');
    writeFileSync(join(path, 'manifest.json'), manifest.replace('"temperature": 1', '"temperature": 2'));
    await expect(taught()).rejects.toMatchObject({ code: 'bad_recording', message: expect.stringMatching(/checksum/) });
    writeFileSync(join(path, 'manifest.json'), manifest);
    expect((await taught()).error).toBeUndefined();
  });

  it('refuses a folder with something else in it, and more answers than there are', async () => {
    appendFileSync(join(folder, 'a-file'), 'x');
    await expect(record({}, folder)).rejects.toMatchObject({ code: 'file_exists' });
    await expect(record({ topK: 513 }, join(folder, 'many'))).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

describe('a recipe with teachers elsewhere', () => {
  const path = join(folder, 'of-a-recipe');
  const training = { steps: 4, batchSize: 2, sequenceLength: 32 };
  const compress = (recipe: object, changes: object = {}): Promise<Ended> =>
    run({ compress: { model: 'stories', name: 'made', replace: true, data: text, recipe, ...changes } });

  it('learns from another server and from a recording, and says so', async () => {
    const recorded = await run({
      record: { teacher: 'stories', data: text, path, settings: { topK: 16, sequenceLength: 32, batchSize: 4 } },
    });
    expect(recorded.error).toBeUndefined();
    const remote = `athanor://${address}/stories`;
    const { result, error } = await compress({
      steps: [
        { lowRank: { ratio: 0.5 } },
        { distill: { ...training, teacher: remote, teacherTopK: 32 } },
        { qat: { bits: 8, training: { ...training, recording: path } } },
      ],
    });
    expect(error).toBeUndefined();
    const roles = result?.compress?.model?.lineage?.parents.map(({ role }) => role);
    expect(roles).toEqual(['source', 'teacher']);
    expect(result?.compress?.steps?.map(({ method }) => method)).toEqual(['lowRank', 'distill', 'qat']);
  });

  it.each([
    ['tokenizer_mismatch', () => ({ distill: { ...training, teacher: `athanor://${address}/wiki` } }), /steps\[0\]\.distill\.teacher/],
    [
      'teacher_unavailable',
      () => ({ flop: { ratio: 0.5, training: { ...training, teacher: 'athanor://127.0.0.1:1/stories' } } }),
      /did not answer/,
    ],
    ['file_not_found', () => ({ qat: { bits: 8, training: { ...training, recording: join(folder, 'nowhere') } } }), /nowhere/],
    [
      'recording_mismatch',
      () => ({ distill: { ...training, temperature: 2, recording: path } }),
      /steps\[0\]\.distill\.recording.*temperature 1/,
    ],
  ] as const)('is refused with %s before a job is queued', async (code, step, words) => {
    const before = (await client.unary(client.protocol.job.List, {})).jobs.length;
    await expect(compress({ steps: [step()] })).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
    expect((await client.unary(client.protocol.job.List, {})).jobs).toHaveLength(before);
  });

  it('needs validation where the data is measured and recorded', async () => {
    const steps = [{ distill: { ...training, recording: path } }, { gate: { maxLoss: 1 } }];
    await expect(compress({ steps })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/Give validation/),
    });
    expect((await compress({ steps }, { validation: text })).error).toBeUndefined();
  });
});

describe('a student that learns on its own samples', () => {
  it('is trained by a job, the same twice', async () => {
    const onPolicy = { share: 0.5, maxNewTokens: 8, promptTokens: 4 };
    const [first, second] = [
      await distilled({ teacher: 'stories', name: 'own', onPolicy }),
      await distilled({ teacher: 'stories', name: 'own', onPolicy }),
    ];
    expect(first.model?.hash).toBe(second.model?.hash);
    expect(first.model?.hash).not.toBe((await resident()).model?.hash);
    expect(JSON.parse(first.model?.lineage?.settingsJson ?? '{}')).toMatchObject({ onPolicy });
  });

  it('learns on them from several teachers by a sum of losses', async () => {
    const changes = {
      teachers: [{ model: 'stories' }, { model: 'stories', weight: 3 }],
      onPolicy: { share: 1, maxNewTokens: 8, promptTokens: 4 },
    };
    const losses = [
      { kind: 'logits', divergence: 'reverse' },
      { kind: 'hidden', weight: 0.5 },
    ];
    const seen = new Set<string>();
    const { error } = await distill({ name: 'own', settings: { ...settings, losses }, ...changes }, ({ progress }) => {
      for (const metric of Object.keys(progress?.metrics ?? {})) seen.add(metric);
    });
    expect(error).toBeUndefined();
    expect([...seen]).toEqual(expect.arrayContaining(['divergence', 'hidden']));
  });

  it('learns whole samples by policy gradient', async () => {
    const onPolicy = { share: 1, maxNewTokens: 6, promptTokens: 4, policyGradient: { teacherShare: 0.3 } };
    const made = await distilled({ teacher: 'stories', name: 'own', onPolicy });
    expect(JSON.parse(made.model?.lineage?.settingsJson ?? '{}')).toMatchObject({ onPolicy });
  });

  it('needs its teacher on the same server', async () => {
    const onPolicy = { share: 0.5 };
    await expect(distill({ teacher: `athanor://${address}/stories`, name: 'own', onPolicy })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/distill\.onPolicy: needs a teacher on this server/),
    });
  });
});

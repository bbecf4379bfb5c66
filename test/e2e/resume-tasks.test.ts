// Servers that are killed while a classifier, an encoder-decoder or a recipe that begins with a warm start trains end with the weights of a straight run.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { AthanorClient } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, vocabulary } from '#test/encoders';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const random = new Random(8);
const pick = (words: readonly string[]): string => words[random.integer(words.length)]!;
const [low, high] = ['old long stone water bridge'.split(' '), 'new short river house green'.split(' ')];
const sentence = (words: readonly string[]): string => Array.from({ length: 8 }, () => pick(words)).join(' ');
const rows = Array.from({ length: 120 }, (_, index) =>
  JSON.stringify({ text: sentence(index % 2 === 0 ? low : high), label: String(index % 2) }),
);
const pairs = Array.from({ length: 120 }, () => JSON.stringify({ source: sentence(low), target: sentence(high) }));

const labelled = { inlineText: Buffer.from(rows.join('\n')), labelled: {} };
const paired = { inlineText: Buffer.from(pairs.join('\n')), pairs: {} };
/** Long enough to be killed in the middle. */
const settings = { steps: 150, batchSize: 8, sequenceLength: 12, checkpointEvery: 10 };

/** What is killed: the job that writes `name`, the phase that trains, and the models that are made before. */
const jobs: Readonly<Record<string, { readonly spec: (name: string) => object; readonly phase: string; readonly before?: object }>> = {
  'a classifier': { spec: (name) => ({ distill: { student: 'reader', name, data: labelled, settings } }), phase: 'train' },
  'an encoder-decoder': {
    before: { compress: { model: 'reader', name: 'pairs', recipe: { steps: [{ warmStart: { share: true } }] } } },
    spec: (name) => ({ distill: { student: 'pairs', name, data: paired, settings } }),
    phase: 'train',
  },
  'a recipe that begins with a warm start': {
    spec: (name) => ({
      compress: {
        model: 'reader',
        name,
        recipe: { steps: [{ warmStart: {} }, { distill: { ...settings, teacher: 'none' } }], seed: 3 },
        data: paired,
      },
    }),
    phase: 'distill',
  },
};

/** Waits for the end of a job; answers the hash of what it wrote. */
async function finished(client: AthanorClient, jobId: string): Promise<{ hash: string | undefined; attempts: number | undefined }> {
  for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 }))
    expect(event?.error?.message ?? '').toBe('');
  const { job } = await client.unary(client.protocol.job.Get, { jobId });
  return { hash: (job?.result?.distill ?? job?.result?.compress)?.model?.hash, attempts: job?.attempts };
}

async function submit(client: AthanorClient, spec: object): Promise<string> {
  return (await client.unary(client.protocol.job.Submit, { spec })).job?.id ?? '';
}

describe('a killed server', () => {
  it.each(Object.entries(jobs))('resumes the training of %s to the same weights as a straight run', async (_, { spec, phase, before }) => {
    const [store, source] = [temporaryFolder(), join(temporaryFolder(), 'reader')];
    await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'masked' })), new Map(), source);
    writeFileSync(join(source, 'vocab.txt'), vocabulary.join('\n'));
    const first = await startServeProcess(store);
    const client = new AthanorClient(first.target);
    let jobId = '';
    let [step, seen] = [0, 0];
    try {
      await client.unary(client.protocol.model.Import, { name: 'reader', path: source });
      if (before !== undefined) await finished(client, await submit(client, before));
      jobId = await submit(client, spec('killed'));
      for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 })) {
        seen = event?.sequence ?? seen;
        if (event?.progress?.phase === phase) step = event.progress.step;
        if (step >= 25) break;
      }
    } finally {
      client.close();
      expect(await first.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    }
    expect(step).toBeLessThan(settings.steps);

    const second = await startServeProcess(store);
    const again = new AthanorClient(second.target);
    const steps: number[] = [];
    for await (const { event } of again.serverStream(again.protocol.job.Watch, { jobId, fromSequence: seen + 1 }))
      if (event?.progress?.phase === phase) steps.push(event.progress.step);
    // It goes on from a checkpoint and does not begin anew.
    expect(Math.min(...steps)).toBeGreaterThan(10);
    const resumed = await finished(again, jobId);
    const straight = await finished(again, await submit(again, spec('straight')));
    again.close();
    expect(resumed).toEqual({ hash: straight.hash, attempts: 2 });
    expect(straight.hash).toMatch(/^\w+/);
    expect(await second.end('SIGTERM')).toEqual([0, null]);
  });
});

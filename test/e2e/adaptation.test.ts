// A real model with a side network, adapters, a prompt and low-rank updates: made by a job, verified, served, scored and exported; a killed job goes on.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage } from '#server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;
let inlineText: Buffer;

beforeAll(async () => {
  inlineText = Buffer.from((await readFile(fixture('text/distill.txt'), 'utf8')).slice(0, 12_000));
  running = await startServer({ store: folder, address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/wiki-gpt2-7m') });
});
afterAll(async () => {
  client.close();
  await running.stop();
});

const training = { steps: 3, batchSize: 2, sequenceLength: 32 };
const steps: Readonly<Record<string, object>> = {
  ladder: { ladder: { reduction: 8, layers: [1, 3, 5], mixOutput: true, training } },
  adapter: { lora: { method: 'adapter', width: 8, training } },
  prompt: { lora: { method: 'prompt', length: 5, training } },
  lora: { lora: { rank: 4, training } },
};

async function compress(of: AthanorClient, name: string, step: object): Promise<JobEventMessage> {
  let last: JobEventMessage | undefined;
  const spec = {
    model: 'model',
    name,
    recipe: { steps: [step] },
    data: { inlineText },
    calibration: { sequences: 2, sequenceLength: 32 },
  };
  for await (const { event } of of.serverStream(of.protocol.compression.Compress, { spec })) {
    if (event?.error) throw new Error(event.error.message);
    if (event?.result) last = event;
  }
  if (last === undefined) throw new Error('no result');
  return last;
}

async function generated(model: string, text: string): Promise<string> {
  let all = '';
  for await (const piece of client.serverStream(client.protocol.inference.Generate, { model, text, maxNewTokens: 12 })) all += piece.text;
  return all;
}

async function exported(name: string, format: 'EXPORT_FORMAT_HF' | 'EXPORT_FORMAT_ONNX'): Promise<string[]> {
  const files = new Set<string>();
  for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name, format })) files.add(chunk?.fileName ?? '');
  return [...files];
}

describe('an adapted model', () => {
  it.each(Object.keys(steps))('with %s is served as it is scored, verified, and exported where the layout can say it', async (name) => {
    const { result } = await compress(client, name, steps[name] ?? {});
    expect(result?.compress?.steps[0]?.note).toMatch(/3 steps on 192 tokens, loss \d/);
    const context = 'The history of the city begins in the';
    const continuation = await generated(name, context);
    expect(continuation.length).toBeGreaterThan(5);
    const { scores } = await client.unary(client.protocol.inference.Score, { model: name, pairs: [{ context, continuation }] });
    expect(scores[0]?.isGreedy).toBe(true);
    expect(await exported(name, 'EXPORT_FORMAT_ONNX')).toEqual(['model.onnx', 'model.onnx.data']);
    if (name === 'lora') expect(await exported(name, 'EXPORT_FORMAT_HF')).toContain('model.safetensors');
    else
      await expect(exported(name, 'EXPORT_FORMAT_HF')).rejects.toMatchObject({
        code: 'unsupported',
        message: expect.stringContaining(`transformers has no such gpt2 model`),
      });
  });

  it('says what cannot stand beside what it has', async () => {
    await expect(compressOf('adapter', { lora: { method: 'adapter', training } })).rejects.toThrow('the model has adapters already');
    await expect(compressOf('prompt', { ladder: { training } })).rejects.toThrow('the model has a trained prompt');
  });
});

async function compressOf(model: string, step: object): Promise<void> {
  const spec = { model, name: 'never', recipe: { steps: [step] }, data: { inlineText } };
  for await (const { event } of client.serverStream(client.protocol.compression.Compress, { spec }))
    if (event?.error) throw new Error(event.error.message);
}

describe('a killed server', () => {
  it('goes on with a side network and its kept answers, to the same artefact as a straight run', async () => {
    const store = temporaryFolder();
    const step = { ladder: { initial: 'random', cache: 'float32', training: { ...training, steps: 8, checkpointEvery: 2 } } };
    let jobId = '';
    const first = await startServeProcess(store);
    const killed = new AthanorClient(first.target);
    await killed.unary(killed.protocol.model.Import, { name: 'model', path: fixture('models/wiki-gpt2-7m') });
    const spec = { model: 'model', name: 'killed', recipe: { steps: [step] }, data: { inlineText } };
    for await (const { event } of killed.serverStream(killed.protocol.compression.Compress, { spec })) {
      jobId = event?.jobId ?? jobId;
      if (event?.progress?.phase === 'ladder' && event.progress.step >= 5) break;
    }
    killed.close();
    await first.end('SIGKILL');
    expect(await readdir(join(store, 'work', jobId))).toEqual(expect.arrayContaining(['training-0', 'training-0-activations']));

    const second = await startServeProcess(store);
    const after = new AthanorClient(second.target);
    const trained: number[] = [];
    for await (const { event } of after.serverStream(after.protocol.job.Watch, { jobId, fromSequence: 1 }))
      if (event?.progress?.phase === 'ladder') trained.push(event.progress.step);
    expect(trained.at(-1)).toBe(8);
    const { job } = await after.unary(after.protocol.job.Get, { jobId });
    const straight = await compress(after, 'straight', step);
    expect(job?.result?.compress?.model?.hash).toBe(straight.result?.compress?.model?.hash);
    after.close();
    await second.end('SIGTERM');
  });
});

// tritonclient from PyPI against the real server: a BERT classifier and a text-generation model.
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { AthanorClient } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, twoLabels } from '#test/encoders';
import { type PythonEnvironment, pythonEnvironment } from '#test/python-environment';
import { repositoryRoot } from '#test/shared';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const words = 'the a river bridge house was old new long short red green and under over near people crossed it saw of water stone'.split(
  ' ',
);
const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;
let target: string;
let environment: PythonEnvironment;

beforeAll(async () => {
  const source = join(folder, 'source');
  mkdirSync(source, { recursive: true });
  await exportHuggingFace(tinyEncoder(bertConfig(twoLabels)), new Map(), source);
  writeFileSync(join(source, 'vocab.txt'), ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words].join('\n'));
  const other = join(folder, 'other');
  mkdirSync(other);
  await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: true }), 2), new Map(), other);
  writeFileSync(join(other, 'vocab.txt'), ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words].join('\n'));
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  target = `127.0.0.1:${running.server.port}`;
  client = new AthanorClient(target);
  await client.unary(client.protocol.model.Import, { name: 'reader', path: source });
  await client.unary(client.protocol.model.Import, { name: 'spare', path: other });
  await client.unary(client.protocol.model.Import, { name: 'story', path: join(repositoryRoot, 'test/fixtures/models/stories260K') });
  environment = await pythonEnvironment(['tritonclient[grpc]==2.73.0']);
});

afterAll(async () => {
  client.close();
  await running.stop();
});

async function check(context: TestContext, name: string): Promise<unknown> {
  if ('missing' in environment) return context.skip(environment.missing);
  const script = join(repositoryRoot, 'test/interop/triton_checks.py');
  const { stdout } = await promisify(execFile)(environment.python, [script, name, target], { timeout: 120_000 });
  return JSON.parse(stdout) as unknown;
}

async function generated(text: string): Promise<string> {
  let all = '';
  const request = { model: 'story', text, maxNewTokens: 12 };
  for await (const piece of client.serverStream(client.protocol.inference.Generate, request)) all += piece.text;
  return all;
}

describe('tritonclient', () => {
  it('sees server and models ready', async (context) => {
    await client.unary(client.protocol.model.Load, { name: 'reader' });
    expect(await check(context, 'health')).toEqual({
      live: true,
      ready: true,
      model: true,
      unknown: ['StatusCode.NOT_FOUND', expect.stringContaining("unknown model: 'nobody' is not found")],
    });
  });

  it('reads metadata and configuration', async (context) => {
    expect(await check(context, 'metadata')).toMatchObject({
      server: { name: 'athanor', version: expect.stringMatching(/^\d+\.\d+\.\d+$/), extensions: expect.arrayContaining(['statistics']) },
      reader: {
        name: 'reader',
        versions: ['1'],
        inputs: [{ name: 'text', datatype: 'BYTES', shape: ['-1', '1'] }, { name: 'text_pair' }],
        outputs: [{ name: 'label' }, { name: 'probabilities', shape: ['-1', '2'] }, { name: 'logits' }],
      },
      config: {
        max_batch_size: 64,
        model_transaction_policy: { decoupled: true },
        input: [{ name: 'text_input', data_type: 'TYPE_STRING', dims: ['1'] }, { optional: true }, { optional: true }],
      },
    });
  });

  it('classifies texts as our own call does', async (context) => {
    const inputs = [{ first: 'the old bridge' }, { first: 'a river of stone' }];
    const { results } = await client.unary(client.protocol.inference.Classify, { model: 'reader', inputs });
    const rounded = (values: readonly number[]): readonly unknown[] => values.map((value) => expect.closeTo(value, 5));
    expect(await check(context, 'classify')).toEqual({
      id: '7',
      dtype: 'float32',
      labels: results.map(({ label }) => label),
      probabilities: results.map(({ probabilities }) => rounded(probabilities)),
    });
  });

  it('generates texts, BYTES in and BYTES out', async (context) => {
    const expected = [await generated('Once upon a time'), await generated('The dog')];
    expect(await check(context, 'generate')).toEqual({ texts: expected, reasons: ['length', 'length'], absent: true });
  });

  it('streams a text, with errors and other requests on the same stream', async (context) => {
    const { pieces, ...others } = (await check(context, 'stream')) as { pieces: string[]; finals: string[]; errors: unknown };
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join('')).toBe(await generated('Once upon a time'));
    expect(others).toEqual({ finals: ['a', 'c'], errors: [['None', expect.stringContaining("unknown model: 'nobody'")]] });
  });

  it('cancels a stream', async (context) => {
    expect(await check(context, 'cancel')).toEqual({ first: 1, status: 'StatusCode.CANCELLED' });
    await expect.poll(() => running.server.openCalls).toBe(0);
  });

  it('loads and unloads', async (context) => {
    await client.unary(client.protocol.model.Unload, { name: 'spare' });
    expect(await check(context, 'repository')).toEqual({
      states: [
        ['UNAVAILABLE', 'not loaded yet'],
        ['READY', ''],
        ['UNAVAILABLE', 'unloaded'],
      ],
      refused: ['StatusCode.UNAVAILABLE', expect.stringContaining('is not at ready state')],
      ready: false,
      unknown: ['StatusCode.NOT_FOUND', expect.stringContaining('nobody')],
      config: ['StatusCode.UNIMPLEMENTED', expect.stringContaining('ModelService')],
    });
  });

  it('reads statistics that add up', async (context) => {
    const before = await client.unary(client.protocol.openInference.ModelStatistics, { name: 'spare' });
    const rows = before.modelStats[0]?.inferenceCount ?? 0;
    const after = (await check(context, 'statistics')) as {
      inference_count: string;
      inference_stats: Record<string, { ns?: string }>;
      batch_stats: unknown;
    };
    expect(Number(after.inference_count)).toBe(rows + 3);
    expect(after).toMatchObject({
      name: 'spare',
      version: '1',
      batch_stats: expect.arrayContaining([expect.objectContaining({ batch_size: '3' })]),
    });
    const ns = (part: string): number => Number(after.inference_stats[part]?.ns ?? 0);
    expect(ns('compute_infer')).toBeGreaterThan(0);
    expect(ns('compute_input') + ns('compute_infer') + ns('compute_output')).toBeLessThanOrEqual(ns('success'));
    expect(after.inference_stats['fail']).toMatchObject({ count: expect.stringMatching(/^[1-9]/) });
  });

  it('gets the status of every error, in few words', async (context) => {
    const statuses = (await check(context, 'errors')) as Record<string, readonly [string, string]>;
    expect(Object.fromEntries(Object.entries(statuses).map(([name, [status]]) => [name, status.replace('StatusCode.', '')]))).toEqual({
      model: 'NOT_FOUND',
      version: 'NOT_FOUND',
      'bad version': 'INVALID_ARGUMENT',
      shape: 'INVALID_ARGUMENT',
      dtype: 'INVALID_ARGUMENT',
      output: 'INVALID_ARGUMENT',
      batch: 'INVALID_ARGUMENT',
      nan: 'INVALID_ARGUMENT',
      range: 'INVALID_ARGUMENT',
      parameter: 'INVALID_ARGUMENT',
      size: 'RESOURCE_EXHAUSTED',
      deadline: 'DEADLINE_EXCEEDED',
      memory: 'UNIMPLEMENTED',
      trace: 'OFF',
      log: 'True',
    });
    for (const [, message] of Object.values(statuses)) expect(message.length).toBeLessThan(400);
    expect(statuses['shape']?.[1]).toContain("unexpected shape for input 'text' for model 'reader'. Expected [-1,1], got [1,2]");
  });
});

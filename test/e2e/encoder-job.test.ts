// An encoder through the real server: import, show, compress, export; what only generating models do is refused by name.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage, type JobResultMessage } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, twoLabels } from '#test/encoders';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const words = 'the a river bridge house was old new long short red green and under over near people crossed it saw of water stone'.split(
  ' ',
);
const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;

beforeAll(async () => {
  const source = join(folder, 'source');
  await exportHuggingFace(tinyEncoder(bertConfig(twoLabels)), new Map(), source);
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'vocab.txt'), ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...words].join('\n'));
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const line = (start: number): string => Array.from({ length: 9 }, (_, index) => words[(start + index * 7) % words.length]).join(' ');
const lines = Array.from({ length: 20 }, (_, index) => line(index));
/** Written by the compression below. */
const documents = () => ({ paths: [join(folder, 'documents.jsonl')] });

async function resultOf(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<JobResultMessage> {
  let result: JobResultMessage | undefined;
  for await (const { event } of events) {
    if (event?.error) throw new Error(event.error.message);
    if (event?.result) result = event.result;
  }
  if (result === undefined) throw new Error('no result');
  return result;
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const each of stream) expect(each).toBeDefined();
}

describe('an encoder on the server', () => {
  it('is imported from a folder with vocab.txt alone, and shown', async () => {
    await client.unary(client.protocol.model.Import, { name: 'reader', path: join(folder, 'source') });
    const { model } = await client.unary(client.protocol.model.Get, { name: 'reader' });
    expect(model).toMatchObject({ architecture: 'bert' });
    expect(JSON.parse(model?.configJson ?? '')).toMatchObject({ task: { kind: 'classify', labels: ['low', 'high'] } });
    const { ids } = await client.unary(client.protocol.inference.Tokenize, { model: 'reader', text: 'The old bridge' });
    expect(ids.map(Number)).toEqual([2, 5, 11, 8, 3]);
  });

  it('is compressed with calibration text of many documents and exported both ways', async () => {
    const recipe = { steps: [{ lowRank: { method: 'whitened', ratio: 0.6 } }] };
    const path = join(folder, 'documents.jsonl');
    writeFileSync(path, lines.map((text) => JSON.stringify({ text })).join('\n'));
    const spec = { model: 'reader', name: 'small', recipe, data: { paths: [path] }, calibration: { sequences: 12, sequenceLength: 8 } };
    const { compress } = await resultOf(client.serverStream(client.protocol.compression.Compress, { spec }));
    expect(compress?.changes).toHaveLength(12);
    for (const format of ['EXPORT_FORMAT_HF', 'EXPORT_FORMAT_ONNX'] as const) {
      const files = new Set<string>();
      for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name: 'small', format }))
        files.add(chunk?.fileName ?? '');
      expect([...files]).toEqual(
        expect.arrayContaining(format === 'EXPORT_FORMAT_HF' ? ['config.json', 'tokenizer.json'] : ['model.onnx', 'model.onnx.data']),
      );
    }
  });

  it.each([
    ['Generate', () => drain(client.serverStream(client.protocol.inference.Generate, { model: 'reader', text: 'the', maxNewTokens: 2 }))],
    ['Score', () => client.unary(client.protocol.inference.Score, { model: 'reader', pairs: [{ context: 'the', continuation: ' old' }] })],
    ['Embed', () => client.unary(client.protocol.inference.Embed, { model: 'reader', texts: ['the'] })],
    ['FillMask', () => client.unary(client.protocol.inference.FillMask, { model: 'reader', texts: ['the [MASK]'] })],
  ])('refuses %s, and says which call it answers', async (call, attempt) => {
    const problem = { code: 'wrong_task', message: expect.stringMatching(new RegExp(`is a classifier; ${call} needs .* Call Classify`)) };
    await expect(attempt()).rejects.toMatchObject(problem);
  });

  it.each([
    [
      'evaluate',
      () => resultOf(client.serverStream(client.protocol.evaluation.Evaluate, { spec: { model: 'reader', data: documents() } })),
    ],
    [
      'distill',
      () => {
        const spec = {
          student: 'small',
          teacher: 'reader',
          name: 'taught',
          data: documents(),
          settings: { steps: 2, batchSize: 1, sequenceLength: 16 },
        };
        return resultOf(client.serverStream(client.protocol.distillation.Distill, { spec }));
      },
    ],
  ])('refuses to %s on text without labels', async (_, attempt) => {
    await expect(attempt()).rejects.toThrow(/task classify reads texts with labels .*, and got running text/);
  });
});

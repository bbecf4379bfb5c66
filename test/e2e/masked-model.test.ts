// A model of hidden tokens through the real server: measured on the same tokens each time, trained against held-out lines, compared with its teacher.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage, type JobResultMessage } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, vocabulary } from '#test/encoders';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';
import { reportsText } from '../../src/cli/reports.ts';

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;

beforeAll(async () => {
  const source = join(folder, 'source');
  await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'masked' })), new Map(), source);
  writeFileSync(join(source, 'vocab.txt'), vocabulary.join('\n'));
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  await client.unary(client.protocol.model.Import, { name: 'reader', path: source });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const sentences = ['the old bridge near the river', 'a new house was red', 'people crossed the long bridge', 'the stone was under water'];
const data = { inlineText: Buffer.from(sentences.join('\n')) };

async function resultOf(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<JobResultMessage> {
  let result: JobResultMessage | undefined;
  for await (const { event } of events) {
    if (event?.error) throw new Error(`${event.error.code}: ${event.error.message}`);
    if (event?.result) result = event.result;
  }
  if (result === undefined) throw new Error('no result');
  return result;
}

async function report(spec: object) {
  const { evaluate } = await resultOf(client.serverStream(client.protocol.evaluation.Evaluate, { spec: { data, ...spec } }));
  if (!evaluate?.report) throw new Error('no report');
  return evaluate.report;
}

describe('a model of hidden tokens on the server', () => {
  it('is asked for the same tokens by the same seed, and keeps what was measured', async () => {
    const [one, again, other] = [
      await report({ model: 'reader', settings: { hiddenSeed: 5 } }),
      await report({ model: 'reader', settings: { hiddenSeed: 5 } }),
      await report({ model: 'reader', settings: { hiddenSeed: 6 } }),
    ];
    expect(one).toMatchObject({ scoredTokens: 4, bitsPerByte: 0, hiddenTokens: { lines: 4, hiddenTokens: 4, share: 0.15, seed: 5 } });
    expect(one.protocol).toBe("lines of at most 24 tokens, 15 % of a line's tokens hidden, seed 5");
    expect(again.loss).toBe(one.loss);
    expect(other.loss).not.toBe(one.loss);
    expect(one.hiddenTokens?.pseudoPerplexity).toBeCloseTo(Math.exp(one.loss), 6);
    const { model } = await client.unary(client.protocol.model.Get, { name: 'reader' });
    expect(model?.evaluation?.hiddenTokens).toMatchObject({ seed: 6 });
  });

  it('has its pseudo-perplexity with every token hidden by itself, and shows it', async () => {
    const whole = await report({ model: 'reader', settings: { hiddenShare: 0, maxRows: 2, batchSize: 3 } });
    expect(whole.hiddenTokens).toMatchObject({ lines: 2, hiddenTokens: 11, share: 0 });
    const text = reportsText([['reader', whole]]);
    expect(text).toMatch(/pseudo-perplexity +\d/);
    expect(text).toMatch(/hidden-token accuracy +\d/);
    expect(text).not.toMatch(/bits per byte|next-token/);
  });

  it('is trained against held-out lines, and compared with its teacher', async () => {
    const settings = { steps: 60, batchSize: 4, sequenceLength: 12, learningRate: 0.01, evaluateEvery: 30 };
    const spec = { student: 'reader', name: 'taught', data, validation: data, settings };
    const { distill } = await resultOf(client.serverStream(client.protocol.distillation.Distill, { spec }));
    const before = await report({ model: 'reader' });
    expect(distill?.validation['lossNats']).toBeLessThan(before.loss);
    const after = await report({ model: 'taught', teacher: 'reader' });
    expect(after.loss).toBeCloseTo(distill?.validation['lossNats'] ?? 0, 5);
    expect(after.teacherTokenPerplexity).toBeCloseTo(Math.exp(before.loss), 4);
    expect(after.teacherAccuracy).toBeCloseTo(before.accuracy, 6);
  });

  it.each([
    ['pairs', { data: { inlineText: Buffer.from('{"source": "a", "target": "b"}'), pairs: {} } }, /task masked reads running text/],
    ['a share of all', { settings: { hiddenShare: 1 } }, /hiddenShare/],
    ['empty lines', { data: { inlineText: Buffer.from('\n\n \n') } }, /no line has a token that could be hidden/],
  ])('refuses %s', async (_, changes, message) => {
    await expect(report({ model: 'reader', ...changes })).rejects.toThrow(message);
  });
});

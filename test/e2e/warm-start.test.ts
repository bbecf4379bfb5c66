// An encoder-decoder made of an encoder by the real server: started, trained on pairs, measured, served, made smaller, exported and read back.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage, type JobResultMessage } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, vocabulary } from '#test/encoders';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;

async function importReader(name: string, words: readonly string[], seed: number): Promise<void> {
  const source = join(folder, name);
  await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'masked' }), seed, 0.2), new Map(), source);
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'vocab.txt'), words.join('\n'));
  await client.unary(client.protocol.model.Import, { name, path: source });
}

const targetOf = (word: string): string => `old ${word} near the red bridge`;
const words = ['river', 'bridge', 'house', 'water', 'stone', 'people'];

beforeAll(async () => {
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  await importReader('reader', vocabulary, 1);
  await importReader('other', vocabulary, 2);
  await importReader('foreign', [...vocabulary].reverse(), 3);
  writeFileSync(join(folder, 'pairs.tsv'), words.map((word) => `the ${word}\t${targetOf(word)}`).join('\n'));
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const pairs = (): object => ({ paths: [join(folder, 'pairs.tsv')], pairs: {} });

async function resultOf(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<JobResultMessage> {
  let result: JobResultMessage | undefined;
  for await (const { event } of events) {
    if (event?.error) throw new Error(`${event.error.code}: ${event.error.message}`);
    if (event?.result) result = event.result;
  }
  if (result === undefined) throw new Error('no result');
  return result;
}

const compress = (spec: object) => resultOf(client.serverStream(client.protocol.compression.Compress, { spec }));
const distill = (spec: object) => resultOf(client.serverStream(client.protocol.distillation.Distill, { spec }));
const evaluate = (spec: object) => resultOf(client.serverStream(client.protocol.evaluation.Evaluate, { spec }));
const warmStart = (name: string, settings: object): Promise<JobResultMessage> =>
  compress({ model: 'reader', name, recipe: { steps: [{ warmStart: settings }] } });

async function answer(model: string, text: string): Promise<string> {
  let answered = '';
  for await (const { text: part } of client.serverStream(client.protocol.inference.Generate, { model, text, maxNewTokens: 12 }))
    answered += part;
  return answered;
}

describe('a warm start on the server', () => {
  it('makes BERTShare, which learns pairs, answers, is measured, and keeps its stacks one', async () => {
    const { compress: made } = await warmStart('share', { share: true });
    expect(made?.steps[0]).toMatchObject({ method: 'warmStart', note: expect.stringContaining('encoder and decoder are one') });
    expect(made?.model?.lineage?.parents).toEqual([expect.objectContaining({ role: 'source' })]);
    expect(made?.changes.find(({ path }) => path === 'decoder.h.0')?.note).toBe('16 shared with encoder.h.0, 10 new');
    const settings = { steps: 80, batchSize: 6, sequenceLength: 12, sourceLength: 8, learningRate: 0.01, warmupSteps: 2 };
    const { distill: trained } = await distill({ student: 'share', name: 'doubler', data: pairs(), settings });
    expect(trained?.model?.storedBytes).toBe(made?.model?.storedBytes);
    const { model } = await client.unary(client.protocol.model.Get, { name: 'doubler' });
    expect(model?.parameters.find(({ path }) => path === 'decoder.h.1.mlp.fc.weight')).toMatchObject({
      parametrization: 'shared',
      storedBytes: 0,
    });
    const { evaluate: measured } = await evaluate({ model: 'doubler', data: pairs(), settings: { maxNewTokens: 12 } });
    expect(measured?.report?.sequences).toMatchObject({ sources: 6, exactMatch: 1 });
    expect(measured?.report?.sequences?.bleu).toBeCloseTo(100, 6);
    expect(await answer('doubler', 'the stone')).toBe(targetOf('stone'));
  });

  it('is exported and read back as EncoderDecoderModel, and quantized', async () => {
    mkdirSync(join(folder, 'hf'));
    for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name: 'doubler', format: 'EXPORT_FORMAT_HF' }))
      if (chunk) appendFileSync(join(folder, 'hf', chunk.fileName), chunk.data);
    expect(JSON.parse(readFileSync(join(folder, 'hf/config.json'), 'utf8'))).toMatchObject({
      model_type: 'encoder-decoder',
      decoder_start_token_id: 2,
      decoder: { model_type: 'bert', is_decoder: true, add_cross_attention: true },
    });
    expect(JSON.parse(readFileSync(join(folder, 'hf/generation_config.json'), 'utf8'))).toMatchObject({
      decoder_start_token_id: 2,
      eos_token_id: 3,
    });
    const onnx = new Set<string | undefined>();
    for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name: 'doubler', format: 'EXPORT_FORMAT_ONNX' }))
      onnx.add(chunk?.fileName);
    expect([...onnx]).toEqual(['model.onnx', 'model.onnx.data']);
    await client.unary(client.protocol.model.Import, { name: 'again', path: join(folder, 'hf') });
    expect(await answer('again', 'the river')).toBe(targetOf('river'));
    await compress({ model: 'doubler', name: 'small', recipe: { steps: [{ quantize: { bits: 8, groupSize: 16 } }] } });
    expect(await answer('small', 'the house')).toBe(targetOf('house'));
  });

  it('takes the decoder of another stored model, and says so in the lineage', async () => {
    const { compress: made } = await warmStart('mixed', { decoder: 'other' });
    expect(made?.model?.lineage?.parents.map(({ role }) => role)).toEqual(['source', 'source']);
  });

  it.each([
    ['another tokenizer', { decoder: 'foreign' }, /tokenizer_mismatch/],
    ['a model that is not there', { decoder: 'nobody' }, /model_not_found/],
  ])('refuses %s, and writes nothing', async (_, settings, message) => {
    await expect(warmStart('none', settings)).rejects.toThrow(message);
    await expect(client.unary(client.protocol.model.Get, { name: 'none' })).rejects.toThrow(/model_not_found/);
  });

  it('is trained by the same recipe, on pairs', async () => {
    const training = { steps: 80, batchSize: 6, sequenceLength: 12, sourceLength: 8, learningRate: 0.01, warmupSteps: 2, teacher: 'none' };
    const recipe = { steps: [{ warmStart: { share: true } }, { distill: training }, { lowRank: { method: 'whitened', ratio: 0.9 } }] };
    const { compress: made } = await compress({ model: 'reader', name: 'whole', recipe, data: pairs(), calibration: { sequences: 4 } });
    expect(made?.calibration).toMatchObject({ rows: 4, rowKind: 'pair' });
    const { evaluate: measured } = await evaluate({ model: 'whole', data: pairs(), settings: { maxNewTokens: 12 } });
    expect(measured?.report?.loss).toBeLessThan(0.5);
  });

  it.each([
    ['a teacher that reads no pairs', [{ warmStart: {} }, { distill: { steps: 2 } }], /steps\[1\]: teacher: the model .* cannot teach/],
    [
      'data behind a later warm start',
      [{ lowRank: { ratio: 0.9 } }, { warmStart: {} }, { distill: { steps: 2, teacher: 'none' } }],
      /steps\[2\]\.distill: reads data behind warmStart, which is not the first step/,
    ],
  ])('refuses %s', async (_, steps, message) => {
    await expect(compress({ model: 'reader', name: 'none', recipe: { steps }, data: pairs() })).rejects.toThrow(message);
  });

  it('reads pairs and no running text where the recipe begins with it', async () => {
    const recipe = { steps: [{ warmStart: {} }, { distill: { steps: 2, teacher: 'none' } }] };
    const data = { inlineText: Buffer.from('the river') };
    await expect(compress({ model: 'reader', name: 'none', recipe, data })).rejects.toThrow(/reads pairs .* and got running text/);
  });
});

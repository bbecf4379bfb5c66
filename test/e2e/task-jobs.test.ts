// Classifiers and encoder-decoders through the real server: trained, taught, measured and compressed on labelled texts and pairs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { type EncoderDecoderConfig, initializeModel } from '#models';
import { AthanorClient, type JobEventMessage, type JobResultMessage } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder } from '#test/encoders';
import { fixtureModelFolder } from '#test/fixture-tokenizers';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const bart: EncoderDecoderConfig = {
  architecture: 'encoderDecoder',
  vocabularySize: 512,
  width: 24,
  layers: 1,
  heads: 4,
  headWidth: 6,
  feedForwardWidth: 48,
  encoder: { layers: 1, heads: 4, headWidth: 6, feedForwardWidth: 48 },
  maxPositions: 24,
  tiedHead: true,
  normEpsilon: 1e-5,
  norm: 'layer',
  normPlacement: 'after',
  embeddingNorm: true,
  finalNorm: false,
  positions: { kind: 'learned', offset: 2 },
  biases: true,
  headBias: true,
  scaledEmbedding: false,
  scaledScores: true,
  scaledHead: false,
  gated: false,
  activation: 'gelu',
  startToken: 2,
  padToken: 0,
  endTokens: [2],
};

const [low, high] = ['old long stone water bridge'.split(' '), 'new short river house green'.split(' ')];
const folder = temporaryFolderForSuite();
const random = new Random(3);
const pick = (words: readonly string[]): string => words[random.integer(words.length)]!;
const rows = Array.from({ length: 160 }, (_, index) => {
  const label = index % 2 === 0 ? 'low' : 'high';
  const words = label === 'low' ? low : high;
  return { sentence: Array.from({ length: 4 + random.integer(4) }, () => pick(words)).join(' '), kind: label };
});
let running: RunningServer;
let client: AthanorClient;

beforeAll(async () => {
  const reader = join(folder, 'reader');
  await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'embed', pooling: 'mean', normalize: true }), 1, 0.05), new Map(), reader);
  writeFileSync(join(reader, 'vocab.txt'), ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...low, ...high].join('\n'));
  const translator = join(folder, 'translator');
  const names = ['tokenizer.json', 'tokenizer_config.json'];
  const tokenizerFiles = new Map(names.map((name) => [name, readFileSync(join(fixtureModelFolder('stories260K'), name))]));
  await exportHuggingFace(initializeModel(bart, new Random(2), 0.1), tokenizerFiles, translator);
  writeFileSync(join(folder, 'train.tsv'), ['kind\tsentence', ...rows.map(({ sentence, kind }) => `${kind}\t${sentence}`)].join('\n'));
  writeFileSync(
    join(folder, 'held.jsonl'),
    rows
      .slice(0, 40)
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  const pairs = ['one', 'two', 'three', 'four', 'five', 'six'].map((word) => `${word}\t${word} ${word}`);
  writeFileSync(join(folder, 'pairs.tsv'), pairs.join('\n'));
  running = await startServer({ store: join(folder, 'store'), address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  for (const name of ['reader', 'translator']) await client.unary(client.protocol.model.Import, { name, path: join(folder, name) });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

const labelled = (name: string): object => ({ paths: [join(folder, name)], labelled: { text: 'sentence', label: 'kind' } });
const pairs = (): object => ({ paths: [join(folder, 'pairs.tsv')], pairs: {} });

async function follow(
  events: AsyncIterable<{ readonly event: JobEventMessage | null }>,
): Promise<{ result: JobResultMessage; phases: Set<string> }> {
  let result: JobResultMessage | undefined;
  const phases = new Set<string>();
  for await (const { event } of events) {
    if (event?.error) throw new Error(`${event.error.code}: ${event.error.message}`);
    if (event?.progress) phases.add(event.progress.phase);
    if (event?.result) result = event.result;
  }
  if (result === undefined) throw new Error('no result');
  return { result, phases };
}

const distill = (spec: object) => follow(client.serverStream(client.protocol.distillation.Distill, { spec }));
const evaluate = (spec: object) => follow(client.serverStream(client.protocol.evaluation.Evaluate, { spec }));
const compress = (spec: object) => follow(client.serverStream(client.protocol.compression.Compress, { spec }));
const short = { steps: 60, batchSize: 16, sequenceLength: 12, learningRate: 0.01, warmupSteps: 2 };

describe('a classifier', () => {
  it('is made of an encoder of embeddings, and measured', async () => {
    const spec = { student: 'reader', name: 'judge', data: labelled('train.tsv'), validation: labelled('held.jsonl'), settings: short };
    const { result, phases } = await distill(spec);
    expect(phases).toContain('train');
    expect(result.distill?.validation['accuracy']).toBeGreaterThan(0.9);
    const { model } = await client.unary(client.protocol.model.Get, { name: 'judge' });
    expect(JSON.parse(model?.configJson ?? '')).toMatchObject({ task: { kind: 'classify', labels: ['high', 'low'] } });
    const { result: measured } = await evaluate({ model: 'judge', data: labelled('held.jsonl') });
    const report = measured.evaluate?.report;
    expect(report).toMatchObject({ scoredTokens: 40, classification: { examples: 40, labels: ['high', 'low'] } });
    expect(report?.accuracy).toBeCloseTo(result.distill?.validation['accuracy'] ?? 0, 6);
    const { confusion = [] } = report?.classification ?? {};
    expect(confusion.map(Number).reduce((sum, count) => sum + count, 0)).toBe(40);
  });

  it('is compressed by its loss on labelled texts, taught by the larger one, and compared with it', async () => {
    const gate = { gate: { metric: 'accuracy', maxLoss: 0.3 } };
    const steps = [{ lowRank: { method: 'fwsvd', ratio: 0.5 } }, { distill: { ...short, steps: 4, learningRate: 0.003 } }, gate];
    const spec = { model: 'judge', name: 'small', recipe: { steps }, data: labelled('train.tsv'), calibration: { sequences: 24 } };
    const { result, phases } = await compress(spec);
    expect(phases).toContain('distill');
    expect(result.compress?.calibration).toMatchObject({ rows: 24, rowKind: 'labelled text' });
    // Measured on a tenth of the rows that the training did not see: 16.
    expect(result.compress?.steps[2]?.gate).toMatchObject({ metric: 'accuracy', held: true });
    expect(Number(result.compress?.steps[2]?.gate?.value) * 16).toBeCloseTo(
      Math.round(Number(result.compress?.steps[2]?.gate?.value) * 16),
      6,
    );
    await distill({ student: 'small', teacher: 'judge', data: labelled('train.tsv'), settings: { ...short, steps: 20 } });
    const { result: measured } = await evaluate({ model: 'small', teacher: 'judge', data: labelled('held.jsonl') });
    expect(measured.evaluate?.report?.teacherAccuracy).toBeGreaterThan(0.9);
    expect(measured.evaluate?.report?.accuracy).toBeGreaterThan(0.8);
  });

  it('is taught, given fewer layers and fewer bits by one recipe, and goes on elsewhere', async () => {
    const training = { ...short, steps: 80 };
    const steps = [
      { finetune: { task: 'classify', ...training } },
      { theseus: { modules: 1, replacementSteps: 40, evaluateEvery: 10, training } },
      { quantize: { bits: 8, groupSize: 16 } },
    ];
    const data = { data: labelled('train.tsv'), validation: labelled('held.jsonl') };
    const { result, phases } = await compress({ model: 'reader', name: 'theseus', recipe: { steps }, ...data });
    expect([...phases]).toEqual(expect.arrayContaining(['finetune', 'theseus', 'quantize']));
    expect(result.compress?.steps?.[1]?.note).toMatch(/2 layers by 1 in 1 modules, all replaced by step 40; .* held-out loss .* is kept/);
    const { model } = await client.unary(client.protocol.model.Get, { name: 'theseus' });
    expect(JSON.parse(model?.configJson ?? '')).toMatchObject({ layers: 1, task: { kind: 'classify', labels: ['high', 'low'] } });
    const accuracy = async (name: string): Promise<number> =>
      (await evaluate({ model: name, data: labelled('held.jsonl') })).result.evaluate?.report?.accuracy ?? 0;
    expect(await accuracy('theseus')).toBeGreaterThan(0.8);
    const folderOfExport = { model: 'theseus', format: 'EXPORT_FORMAT_HF', path: join(folder, 'elsewhere') } as const;
    const { job } = await client.unary(client.protocol.job.Submit, { spec: { export: folderOfExport } });
    await follow(client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '', fromSequence: 0 }));
    await client.unary(client.protocol.model.Import, { name: 'back', path: join(folder, 'elsewhere') });
    expect(await accuracy('back')).toBe(await accuracy('theseus'));
    await expect(compress({ model: 'reader', name: 'none', recipe: { steps: [{ theseus: { modules: 3 } }] }, ...data })).rejects.toThrow(
      /task embed/,
    );
    await expect(compress({ model: 'judge', name: 'none', recipe: { steps: [{ theseus: { modules: 3 } }] }, ...data })).rejects.toThrow(
      /modules_do_not_divide/,
    );
  });

  it('is cancelled within its training and keeps its name free', async () => {
    const spec = { student: 'judge', name: 'never', data: labelled('train.tsv'), settings: { ...short, steps: 100_000 } };
    const { job } = await client.unary(client.protocol.job.Submit, { spec: { distill: spec } });
    const id = job?.id ?? '';
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId: id, fromSequence: 0 })) {
      if (event?.progress && event.progress.step > 2) await client.unary(client.protocol.job.Cancel, { jobId: id });
    }
    const { job: ended } = await client.unary(client.protocol.job.Get, { jobId: id });
    expect(ended?.state).toBe('JOB_STATE_CANCELLED');
    await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toThrow(/model_not_found/);
  });

  it.each([
    [
      'a label that it does not have',
      { data: { inlineText: Buffer.from('{"text": "old", "label": "other"}'), labelled: {} } },
      /label "other" is none of the model's: high, low/,
    ],
    ['an empty file', { data: labelled('empty.tsv') }, /holds no row/],
    [
      'a column that is not there',
      { data: { ...labelled('train.tsv'), labelled: { text: 'body', label: 'kind' } } },
      /has no column "body"/,
    ],
    ['running text', { data: { paths: [join(folder, 'held.jsonl')] } }, /task classify reads texts with labels/],
    ['pairs', { data: pairs() }, /task classify reads texts with labels .* and got pairs/],
    ['two kinds of rows', { data: { ...labelled('train.tsv'), pairs: {} } }, /labelled texts or pairs, not both/],
  ])('refuses %s', async (_, changes, message) => {
    writeFileSync(join(folder, 'empty.tsv'), 'kind\tsentence\n');
    await expect(distill({ student: 'judge', name: 'none', settings: short, ...changes })).rejects.toThrow(message);
    await expect(evaluate({ model: 'judge', ...changes })).rejects.toThrow(message);
  });
});

describe('an encoder-decoder', () => {
  it('is trained on pairs, measured, compressed on them, and taught', async () => {
    const settings = { ...short, steps: 80, batchSize: 6, sequenceLength: 12, sourceLength: 8 };
    const { result } = await distill({ student: 'translator', name: 'doubler', data: pairs(), validation: pairs(), settings });
    expect(result.distill?.validation['lossNats']).toBeLessThan(0.5);
    const { result: measured } = await evaluate({ model: 'doubler', data: pairs(), settings: { maxNewTokens: 12, beams: 2 } });
    const report = measured.evaluate?.report;
    expect(report?.loss).toBeCloseTo(result.distill?.validation['lossNats'] ?? 0, 4);
    expect(report?.sequences).toMatchObject({ sources: 6, sourcesCut: 0 });
    expect(report?.sequences?.exactMatch).toBeGreaterThan(0.5);
    const recipe = { steps: [{ lowRank: { method: 'whitened', ratio: 0.6, allocate: 'loss' } }, { distill: { ...settings, steps: 3 } }] };
    const spec = { model: 'doubler', name: 'half', recipe, data: pairs(), validation: pairs(), calibration: { sequences: 5 } };
    const { result: smaller } = await compress(spec);
    expect(Object.keys(smaller.compress?.steps[1]?.metrics ?? {}).sort()).toEqual(['accuracy', 'loss', 'perplexity']);
    expect(smaller.compress?.startMetrics['loss']).toBeCloseTo(result.distill?.validation['lossNats'] ?? 0, 4);
    expect(smaller.compress?.calibration).toMatchObject({ rows: 5, rowsAvailable: 6, rowKind: 'pair' });
    await distill({ student: 'half', teacher: 'doubler', data: pairs(), settings: { ...settings, steps: 5 } });
  });

  it('refuses running text and a teacher to be compared with', async () => {
    await expect(evaluate({ model: 'translator', data: { paths: [join(folder, 'held.jsonl')] } })).rejects.toThrow(
      /reads pairs .* got running text/,
    );
    await expect(evaluate({ model: 'translator', teacher: 'translator', data: pairs() })).rejects.toThrow(/Evaluate the teacher by itself/);
  });
});

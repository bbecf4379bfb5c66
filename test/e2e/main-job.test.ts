// The main job on a small real model through the real server: import, compress, distill, evaluate, generate, score, export, delete.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AthanorClient, type FileChunkMessage, type JobEventMessage, type JobResultMessage } from '#server';
import { temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const storyOpening = 'Once upon a time, there was a little girl named Lily. ';

const folder = temporaryFolderForSuite();
let running: RunningServer;
let client: AthanorClient;
let text: { inlineText: Buffer };

beforeAll(async () => {
  running = await startServer({ store: folder, address: '127.0.0.1:0' });
  client = new AthanorClient(`127.0.0.1:${running.server.port}`);
  text = { inlineText: (await readFile(fixture('text/evaluate.txt'))).subarray(0, 20_000) };
  // Cut between two characters.
  text.inlineText = Buffer.from(text.inlineText.toString().replaceAll('\ufffd', ''));
});

afterAll(async () => {
  client.close();
  await running.stop();
});

async function resultOf(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<JobResultMessage> {
  let result: JobResultMessage | undefined;
  for await (const { event } of events) {
    if (event?.error) throw new Error(event.error.message);
    if (event?.result) result = event.result;
  }
  if (result === undefined) throw new Error('no result');
  return result;
}

async function generate(model: string, prompt: string, maxNewTokens: number): Promise<string> {
  let all = '';
  for await (const piece of client.serverStream(client.protocol.inference.Generate, { model, text: prompt, maxNewTokens }))
    all += piece.text;
  return all;
}

describe('the main job', () => {
  it('imports a model once, and names a second import of the same name', async () => {
    const request = { name: 'teacher', path: fixture('models/stories260K') };
    const { model } = await client.unary(client.protocol.model.Import, request);
    expect(model).toMatchObject({ name: 'teacher', version: 1, architecture: 'llama', lineage: { operation: 'import' } });
    await expect(client.unary(client.protocol.model.Import, request)).rejects.toMatchObject({ code: 'model_exists' });
    await expect(client.unary(client.protocol.model.Import, { name: 'other', path: `${folder}/nowhere` })).rejects.toMatchObject({
      code: 'file_not_found',
    });
    await expect(client.unary(client.protocol.model.Import, { ...request, name: '../evil' })).rejects.toMatchObject({ code: 'bad_name' });
  });

  it('tells the model’s own story and scores its opening as greedy', async () => {
    expect(storyOpening + (await generate('teacher', storyOpening.trim(), 20)).trim()).toContain('She loved to play');
    const { scores } = await client.unary(client.protocol.inference.Score, {
      model: 'teacher',
      pairs: [
        { context: 'Once upon a time', continuation: ', there was a little girl named Lily.' },
        { context: 'Once upon a time', continuation: ' quantum' },
      ],
    });
    expect(scores.map(({ isGreedy }) => isGreedy)).toEqual([true, false]);
    expect(scores[0]?.logLikelihood).toBeGreaterThan(scores[1]?.logLikelihood ?? 0);
    const { ids } = await client.unary(client.protocol.inference.Tokenize, { model: 'teacher', text: 'a girl' });
    const bare = await client.unary(client.protocol.inference.Tokenize, { model: 'teacher', text: 'a girl', specialTokens: false });
    expect(ids).toEqual([1, ...bare.ids]);
    const pairs = [{ contextTokens: { ids }, continuationTokens: { ids: bare.ids } }];
    expect((await client.unary(client.protocol.inference.Score, { model: 'teacher', pairs })).scores).toMatchObject([
      { tokens: bare.ids.length },
    ]);
    expect((await client.unary(client.protocol.inference.Detokenize, { model: 'teacher', ids })).text).toContain('a girl');
  });

  it('compresses by a recipe message and by YAML to the same content', async () => {
    const recipe = { steps: [{ lowRank: { method: 'whitened', ratio: 0.5 } }] };
    const calibration = { sequences: 8, sequenceLength: 64 };
    const first = await resultOf(
      client.serverStream(client.protocol.compression.Compress, {
        spec: { model: 'teacher', name: 'half', recipe, data: text, calibration },
      }),
    );
    const second = await resultOf(
      client.serverStream(client.protocol.compression.Compress, {
        spec: {
          model: 'teacher',
          name: 'half-too',
          recipeYaml: 'steps: [{ lowRank: { method: whitened, ratio: 0.5 } }]',
          data: text,
          calibration,
        },
      }),
    );
    expect(first.compress?.changes.every(({ parametrization }) => parametrization === 'lowRank')).toBe(true);
    expect(first.compress?.model?.hash).toBe(second.compress?.model?.hash);
    const { model } = await client.unary(client.protocol.model.Get, { name: 'half' });
    expect(model?.storedBytes).toBeLessThan(first.compress?.changes.reduce((sum, change) => sum + change.storedBytesBefore, 0) ?? 0);
    expect(model?.parameters.some(({ parametrization, settings }) => parametrization === 'lowRank' && Number(settings['rank']) > 0)).toBe(
      true,
    );
  });

  it.each([
    ['steps: [{ lowRank: { ratoi: 0.5 } }]', /steps\[0\]\.lowRank\.ratoi.*"ratio"/],
    ['steps: [{ paint: {} }]', /steps\[0\]\.paint/],
    ['steps: [', /not YAML/],
  ])('names the fault in the recipe %s', async (recipeYaml, words) => {
    const stream = client.serverStream(client.protocol.compression.Compress, { spec: { model: 'teacher', name: 'bad', recipeYaml } });
    const failure = await stream.next().catch((error: Error) => error);
    expect(failure).toMatchObject({ code: 'bad_recipe', message: expect.stringMatching(words) });
  });

  it('distills the half back towards its teacher', async () => {
    const settings = { steps: 6, batchSize: 2, sequenceLength: 64, evaluateEvery: 3 };
    const spec = { student: 'half', teacher: 'teacher', name: 'half-distilled', data: text, validation: text, settings };
    const metrics: Record<string, number | string>[] = [];
    const events = client.serverStream(client.protocol.distillation.Distill, { spec });
    const seen = async function* (): AsyncGenerator<{ event: JobEventMessage | null }> {
      for await (const response of events) {
        if (response.event?.progress?.item === 'validation') metrics.push(response.event.progress.metrics);
        yield response;
      }
    };
    const { distill } = await resultOf(seen());
    expect(distill).toMatchObject({ steps: 6, model: { name: 'half-distilled', lineage: { operation: 'distill' } } });
    expect(Object.keys(distill?.validation ?? {})).toContain('bitsPerByte');
    expect(metrics).toHaveLength(1);
    expect(distill?.model?.lineage?.parents.map(({ role }) => role)).toEqual(['source', 'teacher']);
  });

  it('stops a training on request, keeps its checkpoint and stores no model', async () => {
    const spec = {
      student: 'half',
      teacher: 'teacher',
      name: 'never',
      data: text,
      settings: { steps: 100_000, batchSize: 2, sequenceLength: 64 },
    };
    let jobId = '';
    let state = '';
    for await (const { event } of client.serverStream(client.protocol.distillation.Distill, { spec })) {
      jobId = event?.jobId ?? '';
      state = event?.state?.state ?? state;
      if (event?.progress?.phase === 'distill' && event.progress.step === 2) await client.unary(client.protocol.job.Cancel, { jobId });
    }
    expect(state).toBe('JOB_STATE_CANCELLED');
    expect(await readdir(join(folder, 'work', jobId))).toEqual(expect.arrayContaining([expect.stringMatching(/^step-\d+$/)]));
    await expect(client.unary(client.protocol.model.Get, { name: 'never' })).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('evaluates against the teacher and keeps the report with the model', async () => {
    const spec = { model: 'half-distilled', teacher: 'teacher', data: text, settings: { window: 64, latencyBatchSizes: [1] } };
    const { evaluate } = await resultOf(client.serverStream(client.protocol.evaluation.Evaluate, { spec }));
    expect(evaluate?.report).toMatchObject({ model: 'half-distilled@1', teacher: 'teacher@1' });
    expect(evaluate?.report?.latencies.map(({ phase }) => phase)).toEqual(['prefill', 'decode']);
    expect(evaluate?.report?.top1Agreement).toBeGreaterThan(0);
    expect(evaluate?.memory).toMatchObject({ phase: 'evaluate' });
    expect(evaluate?.memory?.peakBytes).toBeLessThan(evaluate?.memory?.estimatedPeakBytes ?? 0);
    const { models } = await client.unary(client.protocol.model.List, {});
    expect(models.find(({ name }) => name === 'half-distilled')?.evaluation?.bitsPerByte).toBe(evaluate?.report?.bitsPerByte);
  });

  it('exports in chunks and takes the same files back as an upload', async () => {
    const chunks: FileChunkMessage[] = [];
    for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name: 'teacher', format: 'EXPORT_FORMAT_HF' }))
      if (chunk) chunks.push(chunk);
    expect([...new Set(chunks.map(({ fileName }) => fileName))]).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors', 'tokenizer.json']),
    );
    async function* parts(): AsyncGenerator<object> {
      yield { header: { name: 'back' } };
      for (const chunk of chunks) yield { chunk };
    }
    const { model } = await client.clientStream(client.protocol.model.ImportUpload, parts());
    expect(model?.logicalParameters).toBe((await client.unary(client.protocol.model.Get, { name: 'teacher' })).model?.logicalParameters);
    expect(await generate('back', storyOpening.trim(), 12)).toBe(await generate('teacher', storyOpening.trim(), 12));
    const onnx = new Set<string | undefined>();
    for await (const { chunk } of client.serverStream(client.protocol.model.Export, { name: 'half', format: 'EXPORT_FORMAT_ONNX' }))
      onnx.add(chunk?.fileName);
    expect([...onnx]).toEqual(['model.onnx', 'model.onnx.data']);
  });

  it('unloads and deletes', async () => {
    const before = (await client.unary(client.protocol.model.Load, { name: 'half' })).model;
    expect(before).toMatchObject({ loaded: true });
    expect((await client.unary(client.protocol.model.Unload, { name: 'half' })).freedBytes).toBe(before?.residentBytes);
    expect((await client.unary(client.protocol.model.Unload, { name: 'half' })).freedBytes).toBe(0);
    await client.unary(client.protocol.model.Delete, { name: 'back' });
    await expect(client.unary(client.protocol.model.Get, { name: 'back' })).rejects.toMatchObject({ code: 'model_not_found' });
  });
});

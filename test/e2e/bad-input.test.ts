// Bad input through the real server and the command line: a named error, nothing half-written, and the server goes on.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '#base';
import { AthanorClient, type JobEventMessage, maxMessageBytes } from '#server';
import { type FileSystem, localFileSystem } from '#store';
import { temporaryFolder, temporaryFolderForSuite } from '#test/temporary';
import { type RunningServer, startServer } from '../../src/cli/compose.ts';

const repository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const goodModel = repository('test/fixtures/models/stories260K');

/** Bytes that the store may still write. */
let room = Number.POSITIVE_INFINITY;

const fillingDisk: FileSystem = {
  ...localFileSystem,
  async createFile(path) {
    const file = await localFileSystem.createFile(path);
    const write = async (bytes: Uint8Array): Promise<void> => {
      room -= bytes.byteLength;
      if (room < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      await file.write(bytes);
    };
    return { ...file, write };
  },
};

const folder = temporaryFolderForSuite();
const store = join(folder, 'store');
let running: RunningServer;
let client: AthanorClient;
let target: string;

beforeAll(async () => {
  running = await startServer({ store, address: '127.0.0.1:0', fileSystem: fillingDisk });
  target = `127.0.0.1:${running.server.port}`;
  client = new AthanorClient(target);
  for (const name of ['story', 'other-tokens'])
    await client.unary(client.protocol.model.Import, { name, path: name === 'story' ? goodModel : withOtherTokens() });
});

afterAll(async () => {
  client.close();
  await running.stop();
});

// After every test: only the good models, no leftovers, and a server that answers.
afterEach(async () => {
  room = Number.POSITIVE_INFINITY;
  const { models } = await client.unary(client.protocol.model.List, {});
  expect(models.map(({ name }) => name).sort()).toEqual(['other-tokens', 'story']);
  for (const left of ['temp', 'uploads']) expect(await readdir(join(store, left)).catch(() => [])).toEqual([]);
  expect(await readdir(join(store, 'objects'))).toHaveLength(2);
  expect((await generate({ maxNewTokens: 2 })).length).toBeGreaterThan(0);
});

/** The first error of a call or of a job's stream. */
async function failureOf(work: Promise<unknown>): Promise<AppError> {
  try {
    await work;
  } catch (error) {
    return AppError.from(error);
  }
  throw new Error('it was accepted');
}

async function follow(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<void> {
  for await (const { event } of events)
    if (event?.error) throw new AppError(event.error.code as AppError['code'], event.error.message.replace(/^\[\w+\] /, ''));
}

async function generate(request: object): Promise<string> {
  let all = '';
  for await (const { text } of client.serverStream(client.protocol.inference.Generate, { model: 'story', text: 'Once', ...request }))
    all += text;
  return all;
}

const importing = (path: string, name = 'bad'): Promise<unknown> => client.unary(client.protocol.model.Import, { name, path });

/** A copy of the good model, damaged. */
function damaged(change: (folder: string) => void): string {
  const copy = join(temporaryFolder(), 'model');
  cpSync(goodModel, copy, { recursive: true });
  change(copy);
  return copy;
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

function withHeader(change: (header: Header, data: Buffer) => void): string {
  return damaged((copy) => {
    const path = join(copy, 'model.safetensors');
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    const header: Header = JSON.parse(bytes.subarray(8, 8 + length).toString());
    const data = bytes.subarray(8 + length);
    change(header, data);
    const text = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    writeFileSync(path, Buffer.concat([size, text, data]));
  });
}

const firstTensor = (header: Header): Header[string] => {
  const [entry] = Object.entries(header).flatMap(([name, value]) => (name === '__metadata__' ? [] : [value]));
  if (entry === undefined) throw new Error('the fixture has no tensor');
  return entry;
};

function withJson(file: string, change: (json: Record<string, unknown>) => void): string {
  return damaged((copy) => {
    const path = join(copy, file);
    const json: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'));
    change(json);
    writeFileSync(path, JSON.stringify(json));
  });
}

/** The same weights under a tokenizer that lacks the model's last token. */
function withOtherTokens(): string {
  const copy = join(folder, 'other-tokens');
  cpSync(goodModel, copy, { recursive: true });
  const path = join(copy, 'tokenizer.json');
  const json: { normalizer: unknown } = JSON.parse(readFileSync(path, 'utf8'));
  json.normalizer = { type: 'Lowercase' };
  writeFileSync(path, JSON.stringify(json));
  return copy;
}

describe('a bad checkpoint', () => {
  const cases: readonly (readonly [what: string, make: () => string, code: string, words: RegExp])[] = [
    [
      'a truncated file',
      () => damaged((copy) => truncateSync(join(copy, 'model.safetensors'), 500_000)),
      'bad_safetensors',
      /cut short by \d+/,
    ],
    ['a file of five bytes', () => damaged((copy) => truncateSync(join(copy, 'model.safetensors'), 5)), 'bad_safetensors', /has 5 bytes/],
    [
      'overlapping tensors',
      () =>
        withHeader((header) => {
          const [first, second] = Object.values(header).filter(({ data_offsets }) => data_offsets !== undefined);
          if (first && second) second.data_offsets = [...first.data_offsets];
        }),
      'bad_safetensors',
      /overlaps|takes \d+ bytes, but its offsets/,
    ],
    [
      'a header that lies about a length',
      () =>
        withHeader((header) => {
          firstTensor(header).shape[0] = 1_000_000_000;
        }),
      'bad_safetensors',
      /takes \d+ bytes, but its offsets/,
    ],
    [
      'a config with another width',
      () => withJson('config.json', (json) => Object.assign(json, { hidden_size: 128 })),
      'config_mismatch',
      /is \[.*\], but config\.json asks for \[.*128.*\]/,
    ],
    [
      'a config with more layers',
      () => withJson('config.json', (json) => Object.assign(json, { num_hidden_layers: 6 })),
      'config_mismatch',
      /layers\.5\./,
    ],
    [
      'a config without a field',
      () => withJson('config.json', (json) => Object.assign(json, { hidden_size: undefined })),
      'bad_config',
      /hidden_size/,
    ],
    [
      'heads that do not divide the width',
      () => withJson('config.json', (json) => Object.assign(json, { num_attention_heads: 7 })),
      'bad_config',
      /7/,
    ],
    [
      'a tokenizer that is larger than the embedding',
      () =>
        withJson('tokenizer.json', (json) => {
          (json['added_tokens'] as object[]).push({ id: 700, content: '<|late|>', special: true, normalized: false });
        }),
      'tokenizer_mismatch',
      /700.*512/,
    ],
    [
      'an unknown architecture',
      () => withJson('config.json', (json) => Object.assign(json, { model_type: 'mamba', architectures: ['MambaForCausalLM'] })),
      'unknown_architecture',
      /mamba.*gpt2.*llama/i,
    ],
    [
      'a pickle',
      () => damaged((copy) => renameSync(join(copy, 'model.safetensors'), join(copy, 'pytorch_model.bin'))),
      'pickle_refused',
      /pytorch_model\.bin.*safe_serialization/,
    ],
    [
      'NaN among the weights',
      () => withHeader((header, data) => data.writeFloatLE(Number.NaN, firstTensor(header).data_offsets[0] + 8)),
      'bad_weights',
      /element \[0, 2\] of .* is NaN/,
    ],
    ['no tokenizer', () => damaged((copy) => rmSync(join(copy, 'tokenizer.json'))), 'file_not_found', /tokenizer\.json/],
    ['a tokenizer that is no JSON', () => damaged((copy) => writeFileSync(join(copy, 'tokenizer.json'), '{')), 'bad_tokenizer', /not JSON/],
    ['no folder', () => join(temporaryFolder(), 'nowhere'), 'file_not_found', /nowhere/],
  ];
  it.each(cases)('with %s is refused', async (_what, make, code, words) => {
    expect(await failureOf(importing(make()))).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it('leaves nothing of an upload either', async () => {
    async function* parts(): AsyncGenerator<object> {
      yield { header: { name: 'bad' } };
      for (const fileName of ['config.json', 'tokenizer.json', 'model.safetensors']) {
        const data = readFileSync(join(goodModel, fileName)).subarray(0, 100_000);
        yield { chunk: { fileName, offsetBytes: 0, fileSizeBytes: data.length, data } };
      }
    }
    const failure = await failureOf(client.clientStream(client.protocol.model.ImportUpload, parts()));
    expect(failure).toMatchObject({ code: 'bad_safetensors', message: expect.stringMatching(/cut short/) });
    expect(failure.message).not.toContain(store);
  });
});

describe('a bad request', () => {
  const text = { inlineText: Buffer.from('Once upon a time there was a small red fox. '.repeat(200)) };
  const compress = (spec: object): Promise<void> =>
    follow(client.serverStream(client.protocol.compression.Compress, { spec: { model: 'story', name: 'bad', ...spec } }));
  const lowRank = (settings: object): Promise<void> => compress({ recipe: { steps: [{ lowRank: settings }] } });
  const yaml = (recipeYaml: string): Promise<void> => compress({ recipeYaml });
  const distill = (spec: object, settings: object = {}): Promise<void> =>
    follow(
      client.serverStream(client.protocol.distillation.Distill, {
        spec: { student: 'story', name: 'bad', data: text, settings: { steps: 1, batchSize: 1, sequenceLength: 16, ...settings }, ...spec },
      }),
    );
  const evaluate = (spec: object): Promise<void> =>
    follow(
      client.serverStream(client.protocol.evaluation.Evaluate, {
        spec: { model: 'story', data: text, settings: { latency: false }, ...spec },
      }),
    );
  const file = (name: string, bytes: string | Uint8Array): { paths: string[] } => {
    const path = join(temporaryFolder(), name);
    writeFileSync(path, bytes);
    return { paths: [path] };
  };

  const cases: readonly (readonly [what: string, work: () => Promise<unknown>, code: string, words: RegExp])[] = [
    ['rank 0', () => lowRank({ rank: 0 }), 'rank_out_of_range', /rank 0 of \S+ \[.*\] is outside 1\.\.64/],
    ['a rank over the matrix', () => lowRank({ rank: 65 }), 'rank_out_of_range', /rank 65 of \S+ \[.*\] is outside 1\.\.\d+/],
    ['ratio 0', () => lowRank({ ratio: 0 }), 'bad_recipe', /steps\[0\]\.lowRank\.ratio/],
    ['ratio 2', () => lowRank({ ratio: 2 }), 'bad_recipe', /steps\[0\]\.lowRank\.ratio.*<=1, got 2/],
    ['ratio NaN', () => lowRank({ ratio: Number.NaN }), 'bad_recipe', /steps\[0\]\.lowRank\.ratio/],
    ['ratio and rank together', () => lowRank({ ratio: 0.5, rank: 4 }), 'bad_recipe', /exactly one of ratio, rank and energy, got 2/],
    ['neither ratio nor rank', () => lowRank({}), 'bad_recipe', /exactly one of ratio, rank and energy, got 0/],
    ['a pattern of nothing', () => lowRank({ ratio: 0.5, include: ['nothing.*'] }), 'pattern_matches_nothing', /nothing\.\*/],
    [
      'a pattern of nothing, before the text is read',
      () =>
        compress({ recipe: { steps: [{ quantize: { method: 'gptq', bits: 4, include: ['nothing.*'] } }] }, data: file('empty.txt', '') }),
      'pattern_matches_nothing',
      /steps\[0\]: pattern "nothing\.\*"/,
    ],
    ['whitening without text', () => lowRank({ ratio: 0.5, method: 'whitened' }), 'invalid_argument', /compress\.data/],
    ['an unknown step', () => yaml('steps: [{ quantise: { bits: 4 } }]'), 'bad_recipe', /steps\[0\]\.quantise: unknown step.*lowRank/],
    ['a misspelt field', () => yaml('steps: [{ lowRank: { ratio: 0.5, metod: plain } }]'), 'bad_recipe', /lowRank\.metod.*"method"/],
    ['no step', () => yaml('steps: []'), 'bad_recipe', /at least one step/],
    ['a recipe that is a list', () => yaml('[1, 2]'), 'bad_recipe', /got a list/],
    ['no recipe', () => compress({}), 'invalid_argument', /compress\.recipe/],
    ['an empty file', () => distill({ data: file('empty.txt', '') }), 'empty_data', /empty\.txt.*holds no text/],
    ['a text of one word', () => distill({ data: file('word.txt', 'fox') }), 'empty_data', /\d+ tokens?/],
    [
      'a text that is not UTF-8',
      () => evaluate({ data: file('latin.txt', Buffer.from('caf\xe9 noir '.repeat(9), 'latin1')) }),
      'bad_encoding',
      /latin\.txt.*byte 3/,
    ],
    ['inline text that is not UTF-8', () => evaluate({ data: { inlineText: Buffer.of(0x61, 0xff) } }), 'bad_encoding', /data\.inlineText/],
    ['a missing file', () => distill({ data: { paths: ['/nowhere/text.txt'] } }), 'file_not_found', /\/nowhere\/text\.txt/],
    ['a folder as a file', () => distill({ data: { paths: [`${mkFolder('folder.txt')}`] } }), 'file_not_found', /folder\.txt/],
    ['another kind of file', () => evaluate({ data: file('text.csv', 'a,b') }), 'bad_data', /text\.csv.*\.txt or \.jsonl/],
    ['no data', () => evaluate({ data: {} }), 'invalid_argument', /data/],
    [
      'a row without the field',
      () => distill({ data: { ...file('rows.jsonl', '{"text":"fox"}\n{"body":"fox"}\n'), jsonlField: 'text' } }),
      'bad_data',
      /rows\.jsonl" row 2: field "text" is missing; the row has: body/,
    ],
    ['a row that is no JSON', () => evaluate({ data: file('rows.jsonl', '{"text":"fox"}\nfox\n') }), 'bad_data', /row 2: is not JSON/],
    ['a gzip that is none', () => evaluate({ data: file('text.txt.gz', 'not gzip at all') }), 'bad_data', /text\.txt\.gz/],
    ['a teacher with other tokens', () => distill({ teacher: 'other-tokens' }), 'tokenizer_mismatch', /"story@1".*"other-tokens@1"/],
    ['an unknown teacher', () => distill({ teacher: 'nobody' }), 'model_not_found', /"nobody"/],
    ['no steps', () => distill({}, { steps: 0 }), 'invalid_argument', /distill\.settings\.steps/],
    ['alpha 2', () => distill({ teacher: 'story' }, { alpha: 2 }), 'invalid_argument', /distill\.settings\.alpha.*got 2/],
    ['a schedule that is none', () => distill({}, { schedule: 'square' }), 'invalid_argument', /distill\.settings\.schedule.*got "square"/],
    ['a learning rate that is no number', () => distill({}, { learningRate: Number.NaN }), 'invalid_argument', /learningRate/],
    [
      'a sequence over the context',
      () => distill({}, { sequenceLength: 4096 }),
      'context_too_long',
      /distill\.settings\.sequenceLength: 4096 .*512/,
    ],
    ['a window over the context', () => evaluate({ settings: { window: 4096, latency: false } }), 'context_too_long', /window 4096 .*512/],
    ['a name that is a path', () => importing(goodModel, '../../evil'), 'bad_name', /"\/" at position 2/],
    ['a name that is hidden', () => importing(goodModel, '.evil'), 'bad_name', /begins with a dot/],
    ['a name that is taken', () => importing(goodModel, 'story'), 'model_exists', /"story"/],
    ['an unknown model', () => client.unary(client.protocol.model.Load, { name: 'nobody' }), 'model_not_found', /"nobody"/],
    ['an unknown version', () => client.unary(client.protocol.model.Get, { name: 'story@9' }), 'model_not_found', /story.*9/],
    ['a version that is none', () => client.unary(client.protocol.model.Get, { name: 'story@latest' }), 'bad_name', /story@latest/],
    ['deleting an unknown model', () => client.unary(client.protocol.model.Delete, { name: 'nobody' }), 'model_not_found', /"nobody"/],
    ['an unknown job', () => client.unary(client.protocol.job.Cancel, { jobId: 'distill-0' }), 'job_not_found', /"distill-0"/],
    ['a job that is none', () => client.unary(client.protocol.job.Submit, { spec: {} }), 'invalid_argument', /spec/],
    ['a prompt over the context', () => generate({ text: 'fox '.repeat(2000) }), 'context_too_long', /\d{3,} tokens .* 512/],
    ['a negative temperature', () => generate({ temperature: -1 }), 'invalid_argument', /temperature.*-1/],
    ['a temperature that is no number', () => generate({ temperature: Number.NaN }), 'invalid_argument', /temperature.*NaN/],
    ['top-p 0', () => generate({ topP: 0 }), 'invalid_argument', /topP.*0/],
    ['no new tokens', () => generate({ maxNewTokens: 0 }), 'invalid_argument', /maxNewTokens.*0/],
    ['an empty stop text', () => generate({ stop: [''] }), 'invalid_argument', /stop/],
    ['an unknown token', () => generate({ text: undefined, tokens: { ids: [1, 512] } }), 'invalid_argument', /512 at position 1.*511/],
    ['no prompt', () => generate({ text: undefined }), 'invalid_argument', /prompt/],
    [
      'ids that are none',
      () => client.unary(client.protocol.inference.Detokenize, { model: 'story', ids: [9999] }),
      'invalid_argument',
      /9999/,
    ],
    ['no pairs', () => client.unary(client.protocol.inference.Score, { model: 'story', pairs: [] }), 'invalid_argument', /pairs/],
    [
      'a pair over the context',
      () => client.unary(client.protocol.inference.Score, { model: 'story', pairs: [{ context: 'a', continuation: 'fox '.repeat(2000) }] }),
      'context_too_long',
      /512/,
    ],
    [
      'a message over the limit',
      () => client.unary(client.protocol.inference.Tokenize, { model: 'story', text: 'x'.repeat(maxMessageBytes + 1) }),
      'message_too_large',
      /larger than.*chunk stream/,
    ],
  ];
  it.each(cases)('with %s has a named error', async (_what, work, code, words) => {
    expect(await failureOf(work())).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it('of a second job for one name is refused while the first writes it', async () => {
    const spec = { student: 'story', name: 'bad', data: text, settings: { steps: 100_000, batchSize: 1, sequenceLength: 16 } };
    const { job } = await client.unary(client.protocol.job.Submit, { spec: { distill: spec } });
    const failure = await failureOf(lowRank({ ratio: 0.5 }));
    expect(failure).toMatchObject({ code: 'name_taken', message: expect.stringContaining(job?.id ?? '?') });
    await client.unary(client.protocol.job.Cancel, { jobId: job?.id ?? '' });
    for await (const _ of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '' })) {
      // until it has stopped
    }
  });

  it('to a model that was unloaded loads it again', async () => {
    await client.unary(client.protocol.model.Unload, { name: 'story' });
    expect((await generate({ maxNewTokens: 2 })).length).toBeGreaterThan(0);
  });
});

function mkFolder(name: string): string {
  const path = join(temporaryFolder(), name);
  mkdirSync(path);
  return path;
}

describe('a full disk', () => {
  it.each([0, 1000, 600_000])('after %i bytes is an error and keeps nothing', async (bytes) => {
    room = bytes;
    const failure = await failureOf(importing(goodModel, 'full'));
    expect(failure).toMatchObject({
      code: 'disk_full',
      message: expect.stringMatching(/saving "full": the disk was full after \d+ bytes/),
    });
  });
});

describe('the command line', () => {
  function athanor(...args: readonly string[]): Promise<{ code: number; out: string; errors: string }> {
    return new Promise((resolve) => {
      execFile(process.execPath, [repository('src/cli/athanor.js'), ...args], (error, out, errors) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, errors });
      });
    });
  }

  const text = repository('test/fixtures/text/evaluate.txt');
  const cases: readonly (readonly [what: string, args: () => readonly string[], code: string])[] = [
    [
      'a damaged checkpoint',
      () => ['import', damaged((copy) => truncateSync(join(copy, 'model.safetensors'), 900)), '--name', 'bad'],
      'bad_safetensors',
    ],
    ['ratio 2', () => ['compress', 'story', '--name', 'bad', '--method', 'svd', '--ratio', '2'], 'bad_recipe'],
    ['a missing text', () => ['distill', 'story', '--name', 'bad', '--data', 'nowhere.txt'], 'file_not_found'],
    ['an unknown teacher', () => ['evaluate', 'story', '--teacher', 'nobody', '--data', text], 'model_not_found'],
    ['a negative temperature', () => ['generate', 'story', '--prompt', 'fox', '--temperature', '-1'], 'invalid_argument'],
    ['an unknown job', () => ['cancel', 'distill-0'], 'job_not_found'],
    ['a layout that is none', () => ['export', 'story', '--format', 'gguf', '--out', join(folder, 'out')], 'invalid_argument'],
  ];
  it.each(cases)('ends with 1 and one line of JSON for %s', async (_what, args, code) => {
    const { code: status, out, errors } = await athanor(...args(), '--server', target, '--json');
    expect([status, out]).toEqual([1, '']);
    expect(JSON.parse(errors)).toMatchObject({ error: { code, message: expect.stringContaining(`[${code}]`) } });
  });
});

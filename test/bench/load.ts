// Generation under load: requests as they come against static batches of 8, and gRPC streams against the bare decode loop.
// npx tsx test/bench/load.ts [7m|small|LAYERSxWIDTH] [requests] [requests a second] [rounds]; BENCH_CACHE=int8 and BENCH_FORM=int8 for a cache and matrices of 8 bits.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { type Gpt2Config, initializeModel, type Model } from '#models';
import { LoadedModel, ModelRunner } from '#serve';
import { AthanorClient } from '#server';
import { importHuggingFace, LocalStore } from '#store';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { startServeProcess } from '#test/serve-process';
import { bareLoop } from './bare-loop.ts';
import { gpt2Small } from './gpt2-small.ts';
import { median } from './peer.ts';

const [shape = 'small', numRequests = '64', requestsPerSecond = '16', rounds = '3'] = process.argv.slice(2);
const staticBatch = 8;
const slots = 32;
const lengths = { least: 16, most: 256 };
/** Of the runs in this process: keys and values, and `int8` matrices with 8-bit activations. */
const cache = process.env['BENCH_CACHE'] === 'int8' ? 'int8' : 'float32';

const isInt8 = process.env['BENCH_FORM'] === 'int8';

interface Request {
  readonly atMs: number;
  readonly prompt: readonly number[];
  readonly maxNewTokens: number;
}

/** Poisson arrivals; lengths of prompts and answers evenly between the least and the most. */
function makeRequests(random: Random, vocabulary: number): Request[] {
  let atMs = 0;
  return Array.from({ length: Number(numRequests) }, () => {
    atMs += (-1000 * Math.log(1 - random.uniform())) / Number(requestsPerSecond);
    const length = (): number => lengths.least + Math.floor(random.uniform() * (lengths.most - lengths.least + 1));
    const prompt = Array.from({ length: length() }, () => 5 + Math.floor(random.uniform() * (vocabulary - 5)));
    return { atMs, prompt, maxNewTokens: length() };
  });
}

interface Reading {
  readonly tokensPerSecond: number;
  readonly firstTokenMs: readonly number[];
}

/** Serves all requests: each as it comes, or a batch when all of it have come and the one before has ended. */
async function serve(model: LoadedModel, requests: readonly Request[], batchSize: number): Promise<Reading> {
  const startMs = performance.now();
  const firstTokenMs: number[] = [];
  const answer = async ({ atMs, prompt, maxNewTokens }: Request): Promise<void> => {
    let isFirst = true;
    for await (const event of model.generate({ prompt, maxNewTokens, ignoreEnd: true })) {
      if (event.kind === 'token' && isFirst) firstTokenMs.push(performance.now() - startMs - atMs);
      isFirst = false;
    }
  };
  const arrived = ({ atMs }: Request): Promise<void> =>
    new Promise((resolve) => setTimeout(resolve, Math.max(0, startMs + atMs - performance.now())));
  const running: Promise<void>[] = [];
  for (let first = 0; first < requests.length; first += batchSize) {
    const batch = requests.slice(first, first + batchSize);
    for (const request of batch) await arrived(request);
    const answers = batch.map(answer);
    if (batchSize === 1) running.push(...answers);
    else await Promise.all(answers);
  }
  await Promise.all(running);
  const seconds = (performance.now() - startMs) / 1000;
  return { tokensPerSecond: requests.reduce((sum, { maxNewTokens }) => sum + maxNewTokens, 0) / seconds, firstTokenMs };
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
}

function shapeOf(): Gpt2Config | undefined {
  if (shape === '7m') return undefined;
  const [layers = 12, width = 768] = shape === 'small' ? [] : shape.split('x').map(Number);
  return { ...gpt2Small, width, layers, heads: width / 64, feedForwardWidth: 4 * width, endTokens: [0] };
}

/** Tokens a second of streams that run side by side, from the first token of the last to begin to the first end. */
async function throughGrpc(client: AthanorClient, prompts: readonly (readonly number[])[], numTokens: number): Promise<number> {
  let begun = 0;
  let [startMs, counted, endMs] = [0, 0, 0];
  const follow = async (prompt: readonly number[]): Promise<void> => {
    const request = { model: 'm', tokens: { ids: [...prompt] }, maxNewTokens: numTokens, ignoreEnd: true };
    let seen = 0;
    for await (const { tokenIds } of client.serverStream(client.protocol.inference.Generate, request)) {
      seen += tokenIds.length;
      if (seen === tokenIds.length && tokenIds.length > 0 && ++begun === prompts.length) startMs = performance.now();
      if (begun === prompts.length && endMs === 0) counted += tokenIds.length;
    }
    if (endMs === 0) endMs = performance.now();
  };
  await Promise.all(prompts.map(follow));
  return counted / ((endMs - startMs) / 1000);
}

const config = shapeOf();
const imported = await importHuggingFace(fixtureModelFolder('wiki-gpt2-7m'));
const model: Model = config === undefined ? imported.model : initializeModel(config, new Random(1), 0.02);
const tokenizer = fixtureTokenizer('wiki-gpt2-7m');
const engine = await createOnnxEngine({ device: 'cpu' });
const print = (what: string, value: string): void => console.log(`${what.padEnd(44)} ${value}`);

{
  const recipe = parseRecipe({ steps: [{ quantize: { method: 'dynamic', include: ['h.*', 'embed.token.weight'] } }] }, methods);
  const served = isInt8 ? (await compressModel(model, recipe, { engine }, quietContext)).model : model;
  const continuous = await LoadedModel.load(engine, served, { tokenizer, slots, contextTokens: 1024, cache });
  const requests = makeRequests(new Random(7), tokenizer.vocabularySize);
  await serve(continuous, requests.slice(0, 4), 1);
  const readings: { continuous: Reading; fixed: Reading }[] = [];
  for (let round = 0; round < Number(rounds); round++)
    readings.push({ continuous: await serve(continuous, requests, 1), fixed: await serve(continuous, requests, staticBatch) });
  const rate = (kind: 'continuous' | 'fixed'): number => median(readings.map((reading) => reading[kind].tokensPerSecond));
  const late = (kind: 'continuous' | 'fixed'): number => median(readings.map((reading) => percentile(reading[kind].firstTokenMs, 0.99)));
  print('tokens/s, as they come', rate('continuous').toFixed(1));
  print(`tokens/s, static batches of ${staticBatch}`, rate('fixed').toFixed(1));
  print('ratio (bar 2)', (rate('continuous') / rate('fixed')).toFixed(2));
  print('p99 time to first token, as they come, ms', late('continuous').toFixed(0));
  print('p99 time to first token, static, ms', late('fixed').toFixed(0));
  await continuous.unload();
}

{
  const folder = await mkdtemp(join(tmpdir(), 'athanor-load-'));
  const store = await LocalStore.open(folder);
  await store.saveArtefact('m', { model, tokenizerFiles: imported.tokenizerFiles, generation: imported.generation, meta: {} });
  const server = await startServeProcess(folder);
  const client = new AthanorClient(server.target);
  const runner = await ModelRunner.create(engine, model, { name: 'bare', contextTokens: 1024 });
  for (const batch of [1, 8, 32]) {
    const random = new Random(batch);
    const prompts = Array.from({ length: batch }, () =>
      Array.from({ length: 100 }, () => 5 + Math.floor(random.uniform() * (tokenizer.vocabularySize - 5))),
    );
    const readings: { bare: number; grpc: number }[] = [];
    for (let round = 0; round < Number(rounds); round++)
      readings.push({ bare: await bareLoop(runner, prompts, 100), grpc: await throughGrpc(client, prompts, 100) });
    const [bare, grpc] = [median(readings.map((reading) => reading.bare)), median(readings.map((reading) => reading.grpc))];
    print(
      `${batch} streams: gRPC / bare loop, tokens/s`,
      `${grpc.toFixed(1)} / ${bare.toFixed(1)} = ${(grpc / bare).toFixed(2)} (bar 0.9)`,
    );
  }
  await runner.dispose();
  client.close();
  await server.end('SIGTERM');
  await rm(folder, { recursive: true });
}
await engine.dispose();

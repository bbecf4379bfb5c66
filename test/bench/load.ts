// Generation under load: requests as they come against static batches of 8, and gRPC streams against the bare decode loop.
// npx tsx test/bench/load.ts [7m|small|BLOCKSxWIDTH] [requests] [requests a second] [rounds]
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { type Gpt2Config, initializeModel, type Model } from '#models';
import { LoadedModel, ModelRunner, type Step } from '#serve';
import { AthanorClient } from '#server';
import { importHuggingFace, LocalStore } from '#store';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { startServeProcess } from '#test/serve-process';
import { median } from './peer.ts';

const [shape = 'small', numRequests = '64', requestsPerSecond = '16', rounds = '3'] = process.argv.slice(2);
const staticBatch = 8;
const slots = 32;
const lengths = { least: 16, most: 256 };

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
  return {
    architecture: 'gpt2',
    vocabularySize: 50257,
    width,
    layers,
    heads: width / 64,
    feedForwardWidth: 4 * width,
    maxPositions: 1024,
    tiedHead: true,
    normEpsilon: 1e-5,
    endTokens: [0],
    activation: 'geluTanh',
  };
}

/** The bare loop: one step after the other, the likeliest token each, nothing else. */
async function bareLoop(runner: ModelRunner, prompts: readonly (readonly number[])[], numTokens: number): Promise<number> {
  const next: number[] = [];
  const columns = Math.ceil(((prompts[0]?.length ?? 0) + numTokens) / 16);
  await runner.arrange({ rows: prompts.length, columns, from: prompts.map(() => undefined) });
  const run = async (lengthsBefore: readonly number[], tokens: readonly (readonly number[])[]): Promise<void> => {
    const shares = tokens.map((share, row) => ({
      id: row,
      row,
      start: lengthsBefore[row] ?? 0,
      tokens: share,
      wantsLogits: 'last' as const,
    }));
    const step: Step = { copies: [], lengths: lengthsBefore, shares };
    await runner.run(step, (row, logits) => {
      if (!(logits instanceof Float32Array)) throw logits ?? new Error('no logits');
      let best = 0;
      for (let id = 1; id < logits.length; id++) if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
      next[row] = best;
    });
  };
  await run(
    prompts.map(() => 0),
    prompts,
  );
  const startMs = performance.now();
  for (let count = 1; count < numTokens; count++)
    await run(
      prompts.map(({ length }) => length + count - 1),
      next.map((token) => [token]),
    );
  return (prompts.length * (numTokens - 1)) / ((performance.now() - startMs) / 1000);
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
  const continuous = await LoadedModel.load(engine, model, { tokenizer, slots, contextTokens: 1024 });
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

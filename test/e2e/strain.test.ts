// Generation under strain: clients that break off, too many of them, a server that is told to stop, models that come and go.
import { setTimeout as wait } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { LoadedModel } from '#serve';
import { AthanorClient, decodeStatusDetails } from '#server';
import { importHuggingFace } from '#store';
import { fixtureModelFolder, fixtureTokenizer } from '#test/fixture-tokenizers';
import { type ModelServer, startModelServer, storeFixture } from '#test/model-server';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const running: ModelServer[] = [];

async function start(options: Parameters<typeof startModelServer>[1]): Promise<ModelServer> {
  const server = await startModelServer(temporaryFolder(), options);
  running.push(server);
  return server;
}

afterEach(async () => {
  for (const server of running.splice(0)) await server.close();
});

interface Answer {
  readonly tokens: number;
  readonly finishReason: string;
}

/** Reads a stream to its end, or leaves it after so many messages. */
async function generate(client: AthanorClient, text: string, maxNewTokens: number, leaveAfter = Number.POSITIVE_INFINITY): Promise<Answer> {
  let [tokens, messages, finishReason] = [0, 0, ''];
  for await (const message of client.serverStream(client.protocol.inference.Generate, {
    model: 'm',
    text,
    maxNewTokens,
    ignoreEnd: true,
  })) {
    tokens += message.tokenIds.length;
    finishReason = message.finishReason;
    if (++messages >= leaveAfter) break;
  }
  return { tokens, finishReason };
}

describe('a server with little memory for models', () => {
  it('refuses a model that does not fit and says what would', async () => {
    const folder = temporaryFolder();
    await storeFixture(folder, 'wiki-gpt2-7m', 'm');
    const server = await startServeProcess(folder, ['--model-memory', '8']);
    const client = new AthanorClient(server.target);
    await expect(generate(client, 'Once', 2)).rejects.toMatchObject({
      code: 'insufficient_memory',
      message: expect.stringMatching(/"m": needs \d+ MiB, and all models together may take 8 MiB. Give models at least \d+ MiB/),
    });
    client.close();
    expect(await server.end('SIGTERM')).toEqual([0, null]);
  });
});

const idle = { waiting: 0, active: 0, paused: 0, free: 8, blocks: { held: 0 } };

describe('a thousand clients', () => {
  it('that break off at random moments leave no slot and no block taken, and the next one is served', async () => {
    const { client, inference, server } = await start({ slots: 8, maxWaiting: 2000 });
    const random = new Random(3);
    const whole = await generate(client, 'Once upon a time', 20);
    let mostActive = 0;
    const clients = Array.from({ length: 1000 }, async (_, index) => {
      await wait(random.uniform() * 1500);
      const stop = new AbortController();
      // Some leave after some messages, some at some time, some before anything comes, some never.
      const kind = index % 4;
      if (kind === 1) setTimeout(() => stop.abort(), random.uniform() * 200);
      if (kind === 2) stop.abort();
      const request = { model: 'm', text: `Once upon a time ${index % 7}`, maxNewTokens: 12, ignoreEnd: true };
      const stream = client.serverStream(client.protocol.inference.Generate, request, { signal: stop.signal });
      let messages = 0;
      try {
        for await (const _message of stream) {
          mostActive = Math.max(mostActive, inference.served[0]?.memory.active ?? 0);
          if (kind === 0 && ++messages > index % 9) break;
        }
      } catch (error) {
        expect(error).toMatchObject({ code: 'cancelled' });
      }
    });
    await Promise.all(clients);
    await expect.poll(() => [inference.served[0]?.memory, server.openCalls]).toMatchObject([idle, 0]);
    expect(mostActive).toBeGreaterThan(1);
    expect(await generate(client, 'Once upon a time', 20)).toEqual(whole);
  });
});

describe('too many clients', () => {
  it('are refused with the time to wait, while those who were admitted get all of their answer', async () => {
    const { client, inference } = await start({ slots: 2, maxWaiting: 6 });
    const results = await Promise.allSettled(Array.from({ length: 40 }, () => generate(client, 'The sun', 30)));
    const answered = results.filter(({ status }) => status === 'fulfilled');
    const refused = results.filter((result) => result.status === 'rejected');
    expect(answered.length).toBeGreaterThanOrEqual(6);
    expect(refused.length).toBeGreaterThan(10);
    for (const result of answered) expect(result).toMatchObject({ value: { tokens: 30, finishReason: 'FINISH_REASON_LENGTH' } });
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'overloaded', details: { retryAfterMs: expect.stringMatching(/^\d+$/) } });
    expect(inference.served[0]?.memory).toMatchObject({ waiting: 0, active: 0, blocks: { held: 0 } });
  });

  it('hear RESOURCE_EXHAUSTED and RetryInfo on the wire', async () => {
    const { client, target } = await start({ slots: 1, maxWaiting: 1 });
    const others = Array.from({ length: 4 }, () => generate(client, 'The sun', 200).catch(() => undefined));
    const plain = new Client(target, credentials.createInsecure());
    // GenerateRequest { model = 1: "m", text = 2: "a" }
    const request = Buffer.from([0x0a, 1, 0x6d, 0x12, 1, 0x61]);
    const refused = await until(async () => {
      const error = await firstError(plain, request);
      return error?.code === 8 ? error : undefined;
    });
    const [bytes] = refused.metadata.get('grpc-status-details-bin');
    expect(decodeStatusDetails(bytes as Buffer)).toMatchObject({ reason: 'overloaded', retryDelayMs: expect.any(Number) });
    plain.close();
    await Promise.all(others);
  });

  it('leave the queue when their time is up', async () => {
    const { client } = await start({ slots: 1 });
    const first = generate(client, 'The sun', 200);
    await expect.poll(() => running[0]?.inference.served[0]?.memory.active).toBe(1);
    const late = client.serverStream(client.protocol.inference.Generate, { model: 'm', text: 'a', queueTimeoutMs: 1, maxNewTokens: 5 });
    await expect(late.next()).rejects.toMatchObject({ code: 'overloaded' });
    expect((await first).tokens).toBe(200);
  });
});

interface WireError {
  readonly code: number;
  readonly metadata: { get(key: string): unknown[] };
}

/** The error that a stream ends with, if it comes before its first message; the stream is left. */
function firstError(client: Client, request: Buffer): Promise<WireError | undefined> {
  const path = '/athanor.v1.InferenceService/Generate';
  const call = client.makeServerStreamRequest(
    path,
    (bytes: Buffer) => bytes,
    (bytes: Buffer) => bytes,
    request,
  );
  return new Promise((resolve) => {
    call.on('data', () => {
      call.cancel();
      resolve(undefined);
    });
    call.on('error', (error: WireError) => resolve(error));
  });
}

async function until<Found>(look: () => Promise<Found | undefined>): Promise<Found> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
  }
}

describe('a server that is told to stop', () => {
  it('says that it is not ready first, lets open streams end, and refuses new ones', async () => {
    const folder = temporaryFolder();
    await storeFixture(folder, 'stories260K', 'm');
    const server = await startServeProcess(folder, ['--pause-ms', '400', '--grace-ms', '20000']);
    const client = new AthanorClient(server.target);
    const health = new Client(server.target, credentials.createInsecure());
    await generate(client, 'Once', 2);
    expect(await healthOf(health)).toBe(1);
    const request = { model: 'm', text: 'Once upon a time', maxNewTokens: 400, ignoreEnd: true };
    const stream = client.serverStream(client.protocol.inference.Generate, request);
    await stream.next();
    const ended = server.end('SIGTERM');
    await expect.poll(() => healthOf(health)).toBe(2);
    // Not ready, but still there for those who have not heard of it.
    expect((await generate(client, 'Once', 2)).tokens).toBe(2);
    let finishReason = '';
    for await (const message of stream) finishReason = message.finishReason;
    expect(finishReason).toBe('FINISH_REASON_LENGTH');
    expect(await ended).toEqual([0, null]);
    await expect(generate(client, 'Once', 2)).rejects.toMatchObject({ code: 'unavailable' });
    client.close();
    health.close();
  });
});

/** Status of grpc.health.v1: 1 serving, 2 not serving. */
function healthOf(client: Client): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      Buffer.alloc(0),
      (error, answer) => (error === null ? resolve(answer?.[1]) : reject(error)),
    );
  });
}

describe('models that come and go', () => {
  it('give their memory back: fifty times loaded, used and unloaded', async () => {
    const engine = await createOnnxEngine({ device: 'cpu' });
    const { model } = await importHuggingFace(fixtureModelFolder('stories260K'));
    const tokenizer = fixtureTokenizer('stories260K');
    const readings: number[] = [];
    for (let round = 0; round < 50; round++) {
      // A large cache is touched, so that a leak of any part shows.
      const loaded = await LoadedModel.load(engine, model, { tokenizer, contextTokens: 512 });
      const prompt = Array.from({ length: 400 }, (_, index) => 5 + ((index * 7 + round) % 400));
      for await (const _ of loaded.generate({ prompt, maxNewTokens: 2 }));
      await loaded.unload();
      expect(engine.counters()).toMatchObject({ bufferBytes: 0, programs: 0 });
      globalThis.gc?.();
      readings.push(process.memoryUsage.rss());
    }
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const grownBytes = mean(readings.slice(40)) - mean(readings.slice(10, 20));
    // One round holds some 2 MiB of weights and cache, and compiles sessions of as much again: kept, thirty of them would be far more.
    expect(grownBytes).toBeLessThan(30 * 2 ** 20);
    await engine.dispose();
  });
});

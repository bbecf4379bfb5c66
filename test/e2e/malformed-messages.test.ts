// Malformed and random messages to every RPC: each is answered, nothing is left open, and the server goes on serving.
import { join } from 'node:path';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { at, Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { allHandlers, JobStore, ModelHub, PathPolicy } from '#jobs';
import { LocalStore } from '#store';
import { type Rpc, rpcsOf, storedBytes, storedRequests, TypedRequests } from '#test/rpc-messages';
import { scriptedModels } from '#test/scripted-models';
import { temporaryFolderForSuite } from '#test/temporary';
import { startTrivialServer, type TrivialServer } from '#test/trivial-server';

/** Messages to each RPC; ATHANOR_STRAIN_MESSAGES=10000 is the long run. */
const messagesPerRpc = Number(process.env['ATHANOR_STRAIN_MESSAGES'] ?? 200);
const atOnce = 32;
const deadlineMs = 30_000;
/** Streams are left at their first answer, and Node closes a connection that resets a thousand streams at once: somebody may want to wear it out. */
const resetsPerConnection = 512;

const folder = temporaryFolderForSuite();
let server: TrivialServer;
let client: Client | undefined;
let ledger: JobStore;

beforeAll(async () => {
  const { models, inference } = scriptedModels({
    story: { task: 'causal', pieces: ['a', 'b'] },
    judge: { task: 'classify', labels: ['x', 'y'] },
  });
  // Jobs of all kinds are checked as the real ones are; they find no model.
  ledger = JobStore.open(join(folder, 'ledger.db'));
  const engine = createReferenceEngine();
  const hub = new ModelHub({ store: await LocalStore.open(join(folder, 'store')), engine, ledger: ledger.models });
  const handlers = allHandlers(hub, engine, ledger.models);
  const runner = { paths: new PathPolicy([join(folder, 'uploads')]) };
  server = await startTrivialServer({ handlers, runner, folder, models, inference, identityModel: 'identity' });
  reconnect();
});

function reconnect(): void {
  client?.close();
  client = new Client(server.target, credentials.createInsecure());
}

afterAll(async () => {
  client?.close();
  await server.close();
  ledger.close();
});

/** Bytes of a message with some changed, cut off, doubled, random ones, or deep in groups that nothing ends. */
function broken(random: Random, valid: Buffer): Buffer {
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.integer(256)));
  switch (random.integer(5)) {
    case 0:
      return noise(random.integer(200));
    case 1:
      return valid.subarray(0, random.integer(valid.length + 1));
    case 2:
      return Buffer.concat([valid, valid, noise(random.integer(8))]);
    case 3:
      return Buffer.alloc(1 + random.integer(20_000), 0x0b);
    default: {
      const changed = Buffer.from(valid);
      for (let count = random.integer(4); count >= 0 && changed.length > 0; count--)
        changed[random.integer(changed.length)] = random.integer(256);
      return changed;
    }
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

/** The status that ends a call; a stream that would go on is left at its first answer. */
function send({ path, requestStream, responseStream }: Rpc, messages: readonly Buffer[]): Promise<{ code: number; details: string }> {
  return new Promise((resolve, reject) => {
    if (client === undefined) {
      reject(new Error('there is no connection'));
      return;
    }
    const options = { deadline: Date.now() + deadlineMs };
    const answered = (error: ServiceError | null): void => resolve({ code: error?.code ?? status.OK, details: error?.details ?? '' });
    const [message = Buffer.alloc(0)] = messages;
    if (!requestStream && !responseStream) {
      client.makeUnaryRequest(path, identity, identity, message, options, answered);
      return;
    }
    if (requestStream && !responseStream) {
      const call = client.makeClientStreamRequest(path, identity, identity, options, answered);
      for (const each of messages) call.write(each);
      call.end();
      return;
    }
    if (!requestStream) {
      const call = client.makeServerStreamRequest(path, identity, identity, message, options);
      call.on('data', () => call.cancel());
      call.on('status', resolve);
      call.on('error', () => {}); // comes with the status
      return;
    }
    const call = client.makeBidiStreamRequest(path, identity, identity, options);
    for (const each of messages) call.write(each);
    call.end();
    call.resume();
    call.on('status', resolve);
    call.on('error', () => {}); // comes with the status
  });
}

const services = [
  'model',
  'job',
  'compression',
  'distillation',
  'evaluation',
  'inference',
  'openInference',
  'health',
  'reflection',
  'reflectionAlpha',
] as const;

/** Sends each list of messages as one call, and holds the server to an answer that is no defect of its own. */
async function answered(rpc: Rpc, calls: readonly (readonly Buffer[])[]): Promise<void> {
  for (let first = 0; first < calls.length; first += atOnce) {
    if (first % resetsPerConnection === 0) reconnect();
    const answers = await Promise.all(calls.slice(first, first + atOnce).map((messages) => send(rpc, messages)));
    for (const { code, details } of answers) {
      expect(code, `${rpc.path}: ${details}`).not.toBe(status.DEADLINE_EXCEEDED);
      // What does not parse is answered by the library in this way; anything else of this status is a defect of ours.
      if (code === status.INTERNAL) expect(details, rpc.path).toMatch(/^Error deserializing request/);
      expect(details.length, rpc.path).toBeLessThan(1600);
    }
  }
}

async function stillServes(): Promise<void> {
  await expect.poll(() => server.server.openCalls, { timeout: 10_000 }).toBe(0);
  const { openInference: rpc } = server.client.protocol;
  expect(await server.client.unary(rpc.ServerReady, {})).toEqual({ ready: true });
}

it.each(services)('the service "%s" answers every message that is stored', async (service) => {
  for (const rpc of rpcsOf(server.client.protocol[service])) {
    const requests = storedRequests(rpc).map((request) => rpc.requestSerialize(request));
    await answered(
      rpc,
      [...requests, ...storedBytes()].map((bytes) => [bytes]),
    );
    if (rpc.requestStream) await answered(rpc, [requests, [...requests, ...storedBytes()]]);
  }
  await stillServes();
});

it.each(services)(
  'the service "%s" answers every message',
  async (service) => {
    const random = new Random(services.indexOf(service) + 1);
    const typed = new TypedRequests(random);
    for (const rpc of rpcsOf(server.client.protocol[service])) {
      const stored = storedRequests(rpc);
      /** Whole ones and broken ones of what is stored, and of what has the right types. */
      const message = (): Buffer => {
        const wantsStored = stored.length > 0 && random.integer(3) === 0;
        const bytes = rpc.requestSerialize(wantsStored ? at(stored, random.integer(stored.length)) : typed.make(rpc));
        return random.integer(2) === 0 ? bytes : broken(random, bytes);
      };
      const numMessages = (): number => (rpc.requestStream ? 1 + random.integer(3) : 1);
      const calls = Array.from({ length: messagesPerRpc }, () => Array.from({ length: numMessages() }, message));
      await answered(rpc, calls);
    }
    await stillServes();
  },
  Math.max(300_000, messagesPerRpc * 600),
);

it('a message over the limit is refused with RESOURCE_EXHAUSTED, and the connection goes on', async () => {
  const rpc = server.client.protocol.openInference.ModelInfer;
  const request = { modelName: 'identity', inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [2_200_000] }] };
  await expect(server.client.unary(rpc, { ...request, rawInputContents: [Buffer.alloc(8_800_000)] })).rejects.toMatchObject({
    code: 'message_too_large',
  });
  const fits = { ...request, inputs: [{ ...request.inputs[0]!, shape: [1_000_000] }], rawInputContents: [Buffer.alloc(4_000_000)] };
  expect((await server.client.unary(rpc, fits)).rawOutputContents[0]).toHaveLength(4_000_000);
});

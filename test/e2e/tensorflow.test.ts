// A server on tensorflow: it answers and works as one on onnx, in its own process and in those of jobs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AthanorClient, type JobEventMessage, type JobResultMessage } from '#server';
import { linkedTensorflow, linkTimeoutMs } from '#test/linked-tensorflow';
import { type ServeProcess, startServeProcess } from '#test/serve-process';
import { temporaryFolderForSuite } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const data = { inlineText: readFileSync(fixture('text/distill.txt')).subarray(0, 8000) };

const devices = ['cpu', 'tensorflow'] as const;

interface Served {
  readonly server: ServeProcess;
  readonly client: AthanorClient;
}

describe('a server on tensorflow', () => {
  const folder = temporaryFolderForSuite();
  const served = new Map<string, Served>();
  let missing: string | undefined;

  beforeAll(async () => {
    const linked = await linkedTensorflow();
    if ('missing' in linked) {
      missing = linked.missing;
      return;
    }
    for (const device of devices) {
      const options = ['--device', device, '--isolation', device === 'cpu' ? 'none' : 'process'];
      const server = await startServeProcess(join(folder, device), options, { ATHANOR_TENSORFLOW: linked.folder });
      const client = new AthanorClient(server.target);
      served.set(device, { server, client });
      await client.unary(client.protocol.model.Import, { name: 'story', path: fixture('models/stories260K') });
    }
  }, linkTimeoutMs);
  beforeEach((context) => {
    if (missing !== undefined) context.skip(missing);
  });
  afterAll(async () => {
    for (const { client, server } of served.values()) {
      client.close();
      expect(await server.end('SIGTERM')).toEqual([0, null]);
    }
  });

  const clientOf = (device: (typeof devices)[number]): AthanorClient => {
    const found = served.get(device);
    if (found === undefined) throw new Error(`there is no server on ${device}`);
    return found.client;
  };

  /** The answer of each server; the second is tensorflow's. */
  const both = async <Answer>(ask: (client: AthanorClient) => Promise<Answer>): Promise<readonly Answer[]> => {
    const answers: Answer[] = [];
    for (const device of devices) answers.push(await ask(clientOf(device)));
    return answers;
  };

  async function generate(client: AthanorClient, prompt: string): Promise<string> {
    let text = '';
    const stream = client.serverStream(client.protocol.inference.Generate, {
      model: 'story',
      text: prompt,
      maxNewTokens: 60,
      temperature: 0,
    });
    for await (const { text: piece } of stream) text += piece;
    return text;
  }

  it('generates what onnx generates, also for several sequences of different lengths at once', async () => {
    const prompts = ['Once upon a time', 'Lily and her dog', 'One day', 'The'];
    const [expected, actual] = await both((client) => Promise.all(prompts.map((prompt) => generate(client, prompt))));
    expect(actual).toEqual(expected);
    expect(expected?.[0]).toContain('there was');
  });

  async function resultOf(events: AsyncIterable<{ readonly event: JobEventMessage | null }>): Promise<JobResultMessage> {
    let result: JobResultMessage | undefined;
    for await (const { event } of events) {
      if (event?.error) throw new Error(`${event.error.code}: ${event.error.message}`);
      if (event?.result) result = event.result;
    }
    if (result === undefined) throw new Error('the job ended without a result');
    return result;
  }

  it('compresses, distils and evaluates, and checks its results in a fresh process on tensorflow', async () => {
    const compress = {
      model: 'story',
      name: 'small',
      recipe: { steps: [{ lowRank: { method: 'whitened', ratio: 0.7 } }, { quantize: { bits: 8, groupSize: 32 } }] },
      data,
    };
    await both((client) => resultOf(client.serverStream(client.protocol.compression.Compress, { spec: compress })));
    const settings = { steps: 4, batchSize: 2, sequenceLength: 64 };
    const distill = { student: 'small', teacher: 'story', name: 'taught', data, settings };
    await both((client) => resultOf(client.serverStream(client.protocol.distillation.Distill, { spec: distill })));
    const spec = { model: 'taught', data, settings: { window: 64 } };
    const [expected, actual] = await both((client) => resultOf(client.serverStream(client.protocol.evaluation.Evaluate, { spec })));
    expect((actual?.evaluate?.report?.bitsPerByte ?? 0) / (expected?.evaluate?.report?.bitsPerByte ?? 1)).toBeCloseTo(1, 3);
    expect(actual?.evaluate?.report?.engine).toMatch(/^tensorflow on tensorflow:/);
  });
});

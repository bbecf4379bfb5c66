// A server on tensorflow: it answers and works as one on onnx, in its own process and in those of jobs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AthanorClient } from '#server';
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
    const stream = client.serverStream(client.protocol.inference.Generate, { model: 'story', text: prompt, maxTokens: 60, temperature: 0 });
    for await (const { text: piece } of stream) text += piece;
    return text;
  }

  it('generates what onnx generates, also for several sequences of different lengths at once', async () => {
    const prompts = ['Once upon a time', 'Lily and her dog', 'One day', 'The'];
    const [expected, actual] = await both((client) => Promise.all(prompts.map((prompt) => generate(client, prompt))));
    expect(actual).toEqual(expected);
    expect(expected?.[0]).toContain('there was');
  });

  async function work(client: AthanorClient, spec: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { job } = await client.unary(client.protocol.job.Submit, { spec });
    for await (const _ of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '', fromSequence: 1 })) {
      // to its end
    }
    const ended = await client.unary(client.protocol.job.Get, { jobId: job?.id ?? '' });
    return { state: ended.job?.state, error: ended.job?.error ?? null };
  }

  it('compresses, distils and evaluates, and checks its results in a fresh process on tensorflow', async () => {
    const recipe = 'steps:\n  - kind: lowRank\n    ratio: 0.7\n';
    const done = { state: 'JOB_STATE_SUCCEEDED', error: null };
    const specs = [
      { compress: { model: 'story', name: 'small', recipe } },
      { distill: { student: 'small', teacher: 'story', name: 'taught', data, settings: { steps: 4, batchSize: 2, sequenceLength: 64 } } },
    ];
    for (const spec of specs) expect(await both((client) => work(client, spec))).toEqual([done, done]);
    const evaluate = async (client: AthanorClient): Promise<number> => {
      const { result } = await client.unary(client.protocol.evaluation.Evaluate, { model: 'taught', data, window: 64, stride: 64 });
      return Number(result?.bitsPerByte);
    };
    const [expected = 0, actual = 1] = await both(evaluate);
    expect(actual / expected).toBeCloseTo(1, 3);
  });
});

// Everything at once, for long: generations, scores, jobs, models that come and go, clients that break off. Nothing is left over and memory stays.
//
// CI soaks for two minutes; ATHANOR_SOAK_MINUTES=20 for twenty, and then the bound on growth is 1 MiB a minute.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { AthanorClient } from '#server';
import { exportHuggingFace } from '#store';
import { bertConfig, tinyEncoder, vocabulary } from '#test/encoders';
import { floorGrowth, residentBytesOf, watchMemory } from '#test/resident-memory';
import { startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const minutes = Number(process.env['ATHANOR_SOAK_MINUTES'] ?? 2);
/** A server takes its first minutes to come to its size, all the more on a busy machine: a short soak finds what leaks fast. */
const allowedBytesPerMinute = (minutes >= 10 ? 1 : 96) * 2 ** 20;
const data = { inlineText: readFileSync(fixture('text/distill.txt')).subarray(0, 8000) };

type Work = (client: AthanorClient, random: Random, round: number) => Promise<unknown>;

const prompt = 'Once upon a time there was a little girl who'.slice(0, 30);

const generate: Work = async (client, random) => {
  const stream = client.serverStream(client.protocol.inference.Generate, {
    model: random.uniform() < 0.5 ? 'one' : 'two',
    text: prompt.slice(0, 5 + random.integer(25)),
    maxNewTokens: 4 + random.integer(40),
    temperature: 1,
    seed: random.integer(1000),
  });
  for await (const piece of stream) expect(piece).toBeDefined();
};

const breakOff: Work = async (_, random) => {
  // A connection of its own, which goes without a word.
  const client = new AthanorClient(target);
  const stream = client.serverStream(client.protocol.inference.Generate, { model: 'one', text: prompt, maxNewTokens: 400, temperature: 0 });
  for (let left = random.integer(4); left > 0; left--) await stream.next();
  client.close();
  await stream.return(undefined).catch(() => {});
};

const score: Work = (client) =>
  client.unary(client.protocol.inference.Score, {
    model: 'two',
    pairs: [{ context: 'Once', continuation: ' upon a time' }],
  });

// "one" has the same content: a job that uses it keeps both names in memory.
const reload: Work = (client) =>
  client
    .unary(client.protocol.model.Unload, { name: 'two' })
    .catch((error: unknown) => expect(error).toMatchObject({ code: 'wrong_state' }));

const distill: Work = async (client, random, round) => {
  const settings = { steps: 6, batchSize: 2, sequenceLength: 32, checkpointEvery: 2 };
  const spec = { distill: { student: 'one', teacher: 'one', name: `student-${round}`, data, settings } };
  const { job } = await client.unary(client.protocol.job.Submit, { spec });
  const jobId = job?.id ?? '';
  if (random.uniform() < 0.3) await client.unary(client.protocol.job.Cancel, { jobId });
  for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 }))
    expect(event?.jobId).toBe(jobId);
  await client.unary(client.protocol.job.Forget, { jobId });
  await client.unary(client.protocol.model.Delete, { name: `student-${round}` }).catch(() => {});
};

const embed: Work = (client, random) =>
  client.unary(client.protocol.inference.Embed, { model: 'vectors', texts: ['the old bridge', 'the river'].slice(random.integer(2)) });

const wrong: Work = (client) =>
  expect(client.unary(client.protocol.model.Get, { name: 'nobody' })).rejects.toMatchObject({ code: 'model_not_found' });

/** Says what hung, long before the test's own limit, which could not. */
async function within(work: Promise<unknown>, what: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has no end`)), 60_000);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

let target = '';

describe.skipIf(residentBytesOf(process.pid) === undefined)('a server under everything at once', () => {
  it(
    `leaves nothing over after ${minutes} minutes`,
    async () => {
      const server = await startServeProcess(temporaryFolder(), ['--metrics', '127.0.0.1:0']);
      const said: string[] = [];
      server.process.stdout?.on('data', (bytes: Buffer) => said.push(bytes.toString()));
      server.process.stderr?.on('data', (bytes: Buffer) => said.push(bytes.toString()));
      target = server.target;
      const client = new AthanorClient(target);
      try {
        for (const name of ['one', 'two']) await client.unary(client.protocol.model.Import, { name, path: fixture('models/stories260K') });
        const vectors = temporaryFolder();
        await exportHuggingFace(tinyEncoder(bertConfig({ kind: 'embed', pooling: 'first', normalize: false })), new Map(), vectors);
        writeFileSync(join(vectors, 'vocab.txt'), vocabulary.join('\n'));
        await client.unary(client.protocol.model.Import, { name: 'vectors', path: vectors });
        const memory = watchMemory(server.process.pid ?? 0);
        const end = performance.now() + minutes * 60_000;
        const loop = async (work: Work, seed: number, pauseMs = 0): Promise<void> => {
          const random = new Random(seed);
          for (let round = 0; performance.now() < end; round++) {
            await within(work(client, random, seed * 100_000 + round), `round ${round} of ${work.name}`);
            if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
          }
        };
        await Promise.all([
          loop(generate, 1),
          loop(generate, 2),
          loop(generate, 3),
          loop(breakOff, 4, 20),
          loop(score, 5, 10),
          loop(reload, 6, 700),
          loop(distill, 7, 100),
          loop(wrong, 8, 50),
          loop(embed, 9, 20),
        ]);
        const samples = memory.stop();
        expect(floorGrowth(samples)).toBeLessThan(allowedBytesPerMinute);
        // Once all is quiet, an answer still comes, and nothing is under way.
        await generate(client, new Random(9), 0);
        const { jobs } = await client.unary(client.protocol.job.List, {
          states: ['JOB_STATE_QUEUED', 'JOB_STATE_RUNNING', 'JOB_STATE_CANCELLING'],
        });
        expect(jobs).toEqual([]);
        const scrape = await (await fetch(server.metricsUrl)).text();
        const gauges = [...scrape.matchAll(/^athanor_(jobs|sequences|cache_utilization)\{.*\} (\S+)$/gm)];
        expect(gauges.length).toBeGreaterThan(6);
        expect(gauges.filter(([, , value]) => value !== '0').map(([line]) => line)).toEqual([]);
        expect(said.join('')).not.toMatch(/unhandled|internal|invariant/i);
      } finally {
        client.close();
        expect(await server.end('SIGTERM')).toEqual([0, null]);
      }
    },
    (minutes + 3) * 60_000,
  );
});

// Every kind of job, killed with its server at a random moment, goes on after the restart and ends with the artefact of a straight run.
//
// CI kills each kind once; ATHANOR_KILLS=30 does it thirty times, ATHANOR_KILL_SEED makes other moments.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Random } from '#base';
import { AthanorClient } from '#server';
import { type ServeProcess, startServeProcess } from '#test/serve-process';
import { temporaryFolder } from '#test/temporary';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const kills = Number(process.env['ATHANOR_KILLS'] ?? 1);
const random = new Random(Number(process.env['ATHANOR_KILL_SEED'] ?? 0));

const inlineText = readFileSync(fixture('text/distill.txt')).subarray(0, 20_000);
const data = { inlineText };
const calibration = { sequences: 8, sequenceLength: 64 };
const compress = (step: object) => (name: string) => ({
  compress: { model: 'model', name, recipe: { steps: [step] }, data, calibration },
});

/** A job that writes `name`. */
const kinds: Readonly<Record<string, (name: string, folder: string) => object>> = {
  'compress, whitened': compress({ lowRank: { method: 'whitened', ratio: 0.5 } }),
  'compress, Kronecker': compress({ kronecker: { ratio: 0.5 } }),
  'compress, GPTQ': compress({ quantize: { bits: 4, method: 'gptq' } }),
  distill: (name) => ({
    distill: {
      student: 'model',
      teacher: 'model',
      name,
      data,
      settings: { steps: 12, batchSize: 2, sequenceLength: 64, checkpointEvery: 3 },
      fromScratch: true,
    },
  }),
  evaluate: () => ({ evaluate: { model: 'model', data, settings: { latency: false } } }),
  export: (name, folder) => ({ export: { model: 'model', format: 'EXPORT_FORMAT_ONNX', path: join(folder, name) } }),
  import: (name) => ({ importModel: { name, path: fixture('models/stories260K') } }),
};

/** What a job made, in one line: the hash of its artefact, of its files, or its figures. */
async function outcome(client: AthanorClient, jobId: string): Promise<string> {
  for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId, fromSequence: 1 })) void event;
  const { job } = await client.unary(client.protocol.job.Get, { jobId });
  expect(job?.error?.message ?? '').toBe('');
  const { importModel, compress: compressed, distill, evaluate, export: exported } = job?.result ?? {};
  const model = importModel?.model ?? compressed?.model ?? distill?.model;
  if (model) return model.hash;
  if (evaluate) return String(evaluate.report?.bitsPerByte);
  const folder = exported?.path ?? '';
  const hash = createHash('sha256');
  for (const name of readdirSync(folder).sort()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

async function connect(store: string): Promise<readonly [ServeProcess, AthanorClient]> {
  const server = await startServeProcess(store);
  return [server, new AthanorClient(server.target)];
}

describe.each(Object.entries(kinds))('%s', (_, spec) => {
  it(`ends the same after ${kills} kills at random moments`, async () => {
    const store = temporaryFolder();
    const exports = join(store, 'exports');
    mkdirSync(exports);
    let [server, client] = await connect(store);
    try {
      await client.unary(client.protocol.model.Import, { name: 'model', path: fixture('models/stories260K') });
      const submit = async (name: string): Promise<string> => {
        const { job } = await client.unary(client.protocol.job.Submit, { spec: spec(name, exports) });
        return job?.id ?? '';
      };
      const started = performance.now();
      const straight = await outcome(client, await submit('straight'));
      const length = performance.now() - started;
      for (let kill = 0; kill < kills; kill++) {
        const jobId = await submit(`killed-${kill}`);
        await new Promise((resolve) => setTimeout(resolve, random.uniform() * length));
        client.close();
        await server.end('SIGKILL');
        [server, client] = await connect(store);
        expect(await outcome(client, jobId)).toBe(straight);
      }
    } finally {
      client.close();
      await server.end('SIGTERM');
    }
  });
});

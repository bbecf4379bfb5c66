// How long a job goes on after it was cancelled: `npx tsx test/bench/cancel.ts [cancels of each kind]`.
//
// Every kind of work, on the small Wikipedia model in a server of its own, is cancelled at random moments; the time from the call to the job's last
// state is measured. A job that has ended before is started again with an earlier moment.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '#base';
import { AthanorClient } from '#server';
import { startServeProcess } from '#test/serve-process';
import { median } from './peer.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const [cancels = 10] = process.argv.slice(2).map(Number);
const data = { paths: [fixture('text/distill.txt')] };
const training = { steps: 1000, batchSize: 4, sequenceLength: 128 };

const compress = (step: object) => ({ compress: { model: 'm', name: 'student', recipe: { steps: [step] }, data } });

const kinds: Readonly<Record<string, object>> = {
  distill: { distill: { student: 'm', teacher: 'm', name: 'student', data, settings: training } },
  evaluate: { evaluate: { model: 'm', teacher: 'm', data } },
  'whitened low rank': compress({ lowRank: { method: 'whitened', ratio: 0.5 } }),
  kronecker: compress({ kronecker: { ratio: 0.5 } }),
  gptq: compress({ quantize: { bits: 4, method: 'gptq' } }),
  sparsegpt: compress({ prune: { method: 'sparsegpt', sparsity: 0.5 } }),
  'heads and neurons': compress({ prune: { structure: 'ffn', ratio: 0.5 } }),
  record: { record: { teacher: 'm', path: '', data, settings: {} } },
};

const final = new Set(['JOB_STATE_SUCCEEDED', 'JOB_STATE_FAILED', 'JOB_STATE_CANCELLED']);

async function cancelled(client: AthanorClient, spec: object, afterMs: number): Promise<{ timeMs: number; state: string; error: string }> {
  const { job } = await client.unary(client.protocol.job.Submit, { spec });
  const jobId = job?.id ?? '';
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const start = performance.now();
  await client.unary(client.protocol.job.Cancel, { jobId });
  for (;;) {
    const { job: now } = await client.unary(client.protocol.job.Get, { jobId });
    if (now !== null && final.has(now.state))
      return { timeMs: performance.now() - start, state: now.state, error: now.error?.message ?? '' };
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const folder = mkdtempSync(join(tmpdir(), 'athanor-cancel-'));
const server = await startServeProcess(join(folder, 'store'));
const client = new AthanorClient(server.target);
const random = new Random(1);
try {
  await client.unary(client.protocol.model.Import, { name: 'm', path: fixture('models/wiki-gpt2-7m') });
  console.log(`${cancels} cancels of each kind at random moments\n\n| work | median | longest |\n| --- | --- | --- |`);
  for (const [name, spec] of Object.entries(kinds)) {
    const times: number[] = [];
    let latestMs = 8000;
    for (let tries = 0; times.length < cancels && tries < 4 * cancels; tries++) {
      const given = 'record' in spec ? { record: { ...(spec.record as object), path: join(folder, `record-${tries}`) } } : spec;
      const { timeMs, state, error } = await cancelled(client, given, random.uniform() * latestMs);
      if (state === 'JOB_STATE_CANCELLED') times.push(timeMs);
      else if (state === 'JOB_STATE_FAILED') throw new Error(`${name}: ${error}`);
      else {
        latestMs /= 2;
        await client.unary(client.protocol.model.Delete, { name: 'student' }).catch(() => {});
      }
    }
    console.log(`| ${name} | ${median(times).toFixed(0)} ms | ${Math.max(...times).toFixed(0)} ms |`);
  }
} finally {
  client.close();
  await server.end('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

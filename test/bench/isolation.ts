// What a job costs the calls beside it, and the calls the job: `npx tsx test/bench/isolation.ts [calls] [rounds]`.
//
// One server after the other, each a process of its own with the small Wikipedia model: without a job, with a distillation in the server's process, and
// with one in a process of its own at several shares. Two clients send one Generate of 32 tokens after the other; the latency of a whole call is measured,
// and the steps a second of the job meanwhile. The ways take turns inside each round; medians over the rounds. Memory is what processes have of their own
// and their part of what they share (PSS), summed over the server and its workers.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AthanorClient } from '#server';
import { type ServeProcess, startServeProcess } from '#test/serve-process';
import { median } from './peer.ts';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const [numCalls = 60, rounds = 5] = process.argv.slice(2).map(Number);
const data = { paths: [fixture('text/distill.txt')] };

interface Way {
  readonly name: string;
  readonly options: readonly string[];
  readonly hasJob: boolean;
}

const ways: readonly Way[] = [
  { name: 'no job', options: [], hasJob: false },
  { name: 'job in the server', options: ['--isolation', 'none'], hasJob: true },
  ...[1, 0.5, 0.25, 0.1].map((share) => ({
    name: `job of its own, share ${share}`,
    options: ['--isolation', 'process', '--job-share', String(share)],
    hasJob: true,
  })),
];

interface Figures {
  readonly p50: number;
  readonly p99: number;
  readonly stepsPerSecond: number;
  readonly memoryMiB: number;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function proportionalBytes(processId: number): number {
  const children = readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  const [, kilobytes = '0'] = /^Pss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${processId}/smaps_rollup`, 'utf8')) ?? [];
  return 1024 * Number(kilobytes) + children.reduce((sum, child) => sum + proportionalBytes(child), 0);
}

async function measure({ options, hasJob }: Way): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-isolation-'));
  const server: ServeProcess = await startServeProcess(folder, options);
  const client = new AthanorClient(server.target);
  try {
    await client.unary(client.protocol.model.Import, { name: 'm', path: fixture('models/wiki-gpt2-7m') });
    const jobId = hasJob ? await startJob(client) : '';
    const call = async (): Promise<number> => {
      const start = performance.now();
      const request = { model: 'm', text: 'The city of', maxNewTokens: 32, temperature: 0, ignoreEnd: true };
      for await (const _ of client.serverStream(client.protocol.inference.Generate, request));
      return performance.now() - start;
    };
    for (let warm = 0; warm < 4; warm++) await call();
    const [firstStep, start] = [await stepOf(client, jobId), performance.now()];
    const latencies: number[] = [];
    const caller = async (): Promise<void> => {
      for (let sent = 0; sent < numCalls / 2; sent++) latencies.push(await call());
    };
    await Promise.all([caller(), caller()]);
    const seconds = (performance.now() - start) / 1000;
    const memoryMiB = proportionalBytes(server.process.pid ?? 0) / 2 ** 20;
    const stepsPerSecond = ((await stepOf(client, jobId)) - firstStep) / seconds;
    return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), stepsPerSecond, memoryMiB };
  } finally {
    client.close();
    await server.end('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a distillation that outlasts the calls, and waits for its first steps. */
async function startJob(client: AthanorClient): Promise<string> {
  const settings = { steps: 100_000, batchSize: 4, sequenceLength: 128, checkpointEvery: 0 };
  const { job } = await client.unary(client.protocol.job.Submit, {
    spec: { distill: { student: 'm', teacher: 'm', name: 'student', data, settings } },
  });
  const jobId = job?.id ?? '';
  while ((await stepOf(client, jobId)) < 2) await new Promise((resolve) => setTimeout(resolve, 200));
  return jobId;
}

async function stepOf(client: AthanorClient, jobId: string): Promise<number> {
  if (jobId === '') return 0;
  const { job } = await client.unary(client.protocol.job.Get, { jobId });
  return job?.progress?.phase === 'distill' ? Number(job.progress.step) : 0;
}

const all = new Map<string, Figures[]>(ways.map(({ name }) => [name, []]));
for (let round = 0; round < rounds; round++) for (const way of ways) all.get(way.name)?.push(await measure(way));

const medianOf = (name: string, figure: keyof Figures): number => median((all.get(name) ?? []).map((figures) => figures[figure]));
console.log(`${numCalls} calls of 32 tokens from 2 clients, medians of ${rounds} rounds\n`);
console.log('| | p50 of Generate | p99 | p99 against no job | steps a second | memory |\n| --- | --- | --- | --- | --- | --- |');
for (const { name } of ways) {
  const [p50, p99, steps, memory] = (['p50', 'p99', 'stepsPerSecond', 'memoryMiB'] as const).map((figure) => medianOf(name, figure));
  const growth = (p99 ?? 0) / medianOf('no job', 'p99');
  console.log(
    `| ${name} | ${p50?.toFixed(0)} ms | ${p99?.toFixed(0)} ms | ${growth.toFixed(2)} | ${steps === 0 ? '-' : steps?.toFixed(2)} | ${memory?.toFixed(0)} MiB |`,
  );
}

// Unary ModelInfer of an identity model under 8 workers (ghz), against a trivial grpc-js handler: calls a second, turn by turn.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ghzPath } from '#test/go-tools';
import { median } from './peer.ts';

const rounds = Number(process.argv[2] ?? 7);
const calls = Number(process.argv[3] ?? 6000);
const workers = 8;
const elements = 16;
const bar = 0.8;

interface Served {
  readonly process: ChildProcess;
  readonly target: string;
}

/** Starts a server and waits for the line that ends in its port. */
function serve(...args: readonly string[]): Promise<Served> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`${args.join(' ')}: ended`)));
    child.stdout.on('data', (data: Buffer) => {
      const port = /:(\d+)\n/.exec(data.toString())?.[1];
      if (port !== undefined) resolve({ process: child, target: `127.0.0.1:${port}` });
    });
  });
}

const ghz = await ghzPath();
if (typeof ghz !== 'string') throw new Error(ghz.missing);
const request = JSON.stringify({
  model_name: 'identity',
  inputs: [{ name: 'INPUT0', datatype: 'FP32', shape: [elements] }],
  raw_input_contents: [Buffer.alloc(elements * 4, 1).toString('base64')],
});

interface Reading {
  readonly rps: number;
  readonly average: number;
}

async function measure(target: string): Promise<Reading> {
  const args = ['--insecure', '--proto', 'proto/inference/grpc_service.proto', '-i', 'proto', '--format', 'json'];
  const load = ['--call', 'inference.GRPCInferenceService/ModelInfer', '-c', String(workers), '-n', String(calls), '-d', request];
  const { stdout } = await promisify(execFile)(ghz as string, [...args, ...load, target], { maxBuffer: 2 ** 28 });
  const { rps, average, statusCodeDistribution } = JSON.parse(stdout) as Reading & { statusCodeDistribution: Record<string, number> };
  if (statusCodeDistribution['OK'] !== calls) throw new Error(`not every call was answered: ${JSON.stringify(statusCodeDistribution)}`);
  return { rps, average };
}

const store = mkdtempSync(join(tmpdir(), 'athanor-bench-'));
const ours = await serve('src/cli/athanor.js', 'serve', '--listen', '127.0.0.1:0', '--store', store, '--identity-model', 'identity');
const trivial = await serve('--import', 'tsx', 'test/bench/rpc-trivial.ts');
const readings = { ours: [] as Reading[], trivial: [] as Reading[] };
try {
  for (let round = -1; round < rounds; round++) {
    // The first round warms both up. Who goes first changes.
    const order = round % 2 === 0 ? (['ours', 'trivial'] as const) : (['trivial', 'ours'] as const);
    for (const side of order) {
      const reading = await measure((side === 'ours' ? ours : trivial).target);
      if (round >= 0) readings[side].push(reading);
    }
  }
} finally {
  for (const { process: child } of [ours, trivial]) {
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  }
  rmSync(store, { recursive: true, force: true });
}
const rate = (side: keyof typeof readings): number => median(readings[side].map(({ rps }) => rps));
for (const side of ['trivial', 'ours'] as const) {
  const averageMs = median(readings[side].map(({ average }) => average)) / 1e6;
  console.log(`${side.padEnd(8)} ${rate(side).toFixed(0).padStart(6)} calls/s, mean ${averageMs.toFixed(2)} ms`);
}
const ratios = readings.ours.map(({ rps }, index) => rps / (readings.trivial[index]?.rps ?? Number.NaN));
console.log(`ratio    ${median(ratios).toFixed(2)} (median of ${rounds} rounds of ${calls} calls; the bar is ${bar})`);

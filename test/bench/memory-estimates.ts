// What jobs were expected to hold at their peak, and what they held: `npx tsx test/bench/memory-estimates.ts`, on the small Wikipedia model.
//
// Each job has a server of its own, with the job in a process of its own, so that nothing is left over from the one before.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AthanorClient } from '#server';
import { startServeProcess } from '#test/serve-process';

const fixture = (path: string): string => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
const resultsPath = fileURLToPath(new URL('results/memory-estimates.md', import.meta.url));
const data = { paths: [fixture('text/distill.txt')] };
const compress = (step: object) => ({ compress: { model: 'm', name: 'student', recipe: { steps: [step] }, data } });
const distill = (batchSize: number, extra: object = {}) => ({
  distill: { student: 'm', teacher: 'm', name: 'student', data, settings: { steps: 3, batchSize, sequenceLength: 128, ...extra } },
});

const jobs: Readonly<Record<string, (folder: string) => object>> = {
  import: () => ({ importModel: { name: 'again', path: fixture('models/wiki-gpt2-7m') } }),
  'export to Hugging Face': (folder) => ({ export: { model: 'm', format: 'EXPORT_FORMAT_HF', path: join(folder, 'hf') } }),
  'export to ONNX': (folder) => ({ export: { model: 'm', format: 'EXPORT_FORMAT_ONNX', path: join(folder, 'onnx') } }),
  evaluate: () => ({ evaluate: { model: 'm', data } }),
  'evaluate against a teacher': () => ({ evaluate: { model: 'm', teacher: 'm', data } }),
  'record, 16 most likely': (folder) => ({ record: { teacher: 'm', path: join(folder, 'recording'), data, settings: { topK: 16 } } }),
  'distill, 4 x 128 tokens': () => distill(4),
  'distill, 16 x 128 tokens': () => distill(16),
  'distill hidden states, 8 x 128': () => distill(8, { losses: [{ kind: 'hidden', weight: 1 }] }),
  'low rank, whitened': () => compress({ lowRank: { method: 'whitened', ratio: 0.5 } }),
  Kronecker: () => compress({ kronecker: { ratio: 0.5 } }),
  GPTQ: () => compress({ quantize: { bits: 4, method: 'gptq', groupSize: 64 } }),
  'heads and neurons': () => compress({ prune: { structure: 'ffn', ratio: 0.5 } }),
};

interface Memory {
  readonly estimatedPeakBytes: number;
  readonly peakBytes: number;
  readonly phase: string;
}

async function memoryOf(make: (folder: string) => object): Promise<Memory> {
  const folder = mkdtempSync(join(tmpdir(), 'athanor-memory-'));
  const server = await startServeProcess(join(folder, 'store'));
  const client = new AthanorClient(server.target);
  try {
    await client.unary(client.protocol.model.Import, { name: 'm', path: fixture('models/wiki-gpt2-7m') });
    const { job } = await client.unary(client.protocol.job.Submit, { spec: make(folder) });
    let memory: Memory | undefined;
    let problem = '';
    for await (const { event } of client.serverStream(client.protocol.job.Watch, { jobId: job?.id ?? '', fromSequence: 1 })) {
      problem = event?.error?.message ?? problem;
      const result = Object.values(event?.result ?? {}).find((value) => typeof value === 'object' && value !== null && 'memory' in value);
      memory = (result as { readonly memory?: Memory } | undefined)?.memory ?? memory;
    }
    if (memory === undefined) throw new Error(problem);
    return memory;
  } finally {
    client.close();
    await server.end('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

const MiB = 2 ** 20;
const lines = [
  '# Memory of jobs: expected and measured',
  '',
  'Made by `npx tsx test/bench/memory-estimates.ts`. Resident memory of the process that does the job, at its peak, on wiki-gpt2-7m (28 MB in fp32).',
  '',
  '| job | expected | measured | expected / measured | largest part |',
  '| --- | --- | --- | --- | --- |',
];
for (const [name, make] of Object.entries(jobs)) {
  const { estimatedPeakBytes, peakBytes, phase } = await memoryOf(make);
  const shown = [estimatedPeakBytes, peakBytes].map((bytes) => `${(bytes / MiB).toFixed(0)} MiB`);
  lines.push(`| ${name} | ${shown.join(' | ')} | ${(estimatedPeakBytes / peakBytes).toFixed(2)} | ${phase} |`);
  console.log(lines.at(-1));
}
writeFileSync(resultsPath, `${lines.join('\n')}\n`);

// Planned device memory against what the engine then uses: `npx tsx test/bench/memory-plan.ts`. Each case has a process of its own, since the runtime's arena is one a process.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { type DistillSettings, distillSettings, teachingObjective } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { type Gpt2Config, initializeModel, int8Form } from '#models';
import { blockTokens, ModelRunner, planServing, type StepShare } from '#serve';
import { int64 } from '#tensor';
import type { TokenCorpus } from '#text';
import { crossEntropyObjective, planTrainerMemory, Trainer } from '#train';
import { stepConfig } from './step-model.ts';

const models = {
  '7m': stepConfig({ layers: 6, width: 256, heads: 8, vocabulary: 8192, positions: 256 }),
  '14m': stepConfig({ layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 256 }),
  '124m': stepConfig({ layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024 }),
} as const;

interface Case {
  readonly model: keyof typeof models;
  readonly kind: 'train' | 'distill' | 'generate';
  readonly batch: number;
  readonly length: number;
  readonly changes?: Partial<DistillSettings>;
}

const recompute = { recompute: true };
const cases: readonly Case[] = [
  { model: '7m', kind: 'train', batch: 8, length: 128 },
  { model: '7m', kind: 'distill', batch: 8, length: 128 },
  { model: '7m', kind: 'generate', batch: 32, length: 256 },
  { model: '14m', kind: 'train', batch: 4, length: 128 },
  { model: '14m', kind: 'train', batch: 16, length: 128 },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: recompute },
  { model: '14m', kind: 'train', batch: 4, length: 128, changes: { gradientAccumulation: 4 } },
  { model: '14m', kind: 'train', batch: 4, length: 128, changes: { gradientAccumulation: 4, ...recompute } },
  { model: '14m', kind: 'train', batch: 8, length: 256 },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: { products: 'int8' } },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: { products: 'int8PerTensor' } },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: { products: 'int8All' } },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: { precision: 'bfloat16' } },
  { model: '14m', kind: 'train', batch: 16, length: 128, changes: { precision: 'float16' } },
  { model: '14m', kind: 'distill', batch: 16, length: 128 },
  { model: '14m', kind: 'distill', batch: 16, length: 128, changes: recompute },
  { model: '14m', kind: 'distill', batch: 16, length: 128, changes: { products: 'int8All', teacherProducts: 'int8' } },
  { model: '14m', kind: 'generate', batch: 8, length: 256 },
  { model: '124m', kind: 'train', batch: 1, length: 256 },
  { model: '124m', kind: 'train', batch: 4, length: 128 },
  { model: '124m', kind: 'train', batch: 4, length: 128, changes: recompute },
  { model: '124m', kind: 'distill', batch: 2, length: 128 },
  { model: '124m', kind: 'generate', batch: 8, length: 512 },
];

interface Outcome {
  /** By part. */
  readonly planned: Readonly<Record<string, number>>;
  /** Buffers and the arena of the runtime. */
  readonly usedBytes: number;
  /** Resident memory of the process. */
  readonly grownBytes: number;
}

async function trained({ model, kind, batch, length, changes }: Case): Promise<Outcome> {
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  const config = models[model];
  const settings = distillSettings({ steps: 10, batchSize: batch, sequenceLength: length, checkpointEvery: 0, ...changes });
  const student = initializeModel(config, new Random(0));
  const drawn = initializeModel(config, new Random(1));
  const teacher = settings.teacherProducts === undefined ? drawn : (await int8Form(drawn, 'all')).model;
  const objective =
    kind === 'distill' ? teachingObjective(engine, { student, teacher, corpus: noCorpus, settings }) : crossEntropyObjective();
  const planned = { ...(await planTrainerMemory(engine, student, objective, settings)) };
  const [before, residentBytes] = [engine.counters(), process.memoryUsage.rss()];
  const trainer = await Trainer.create(engine, student, objective, settings);
  const batches = Array.from({ length: settings.gradientAccumulation }, () => randomBatch(config, batch, length));
  for (let step = 0; step < 2; step++) await trainer.run(batches, quietContext.signal);
  const after = engine.counters();
  const usedBytes = after.bufferBytes + after.scratchBytes - before.bufferBytes - before.scratchBytes;
  return { planned, usedBytes, grownBytes: process.memoryUsage.rss() - residentBytes };
}

const noCorpus: TokenCorpus = { tokens: new Int32Array(2), documentStarts: Int32Array.of(0), bytes: 2, fingerprint: '', tokenizerHash: '' };

function randomBatch({ vocabularySize }: Gpt2Config, batch: number, length: number) {
  const random = new Random(2);
  const drawn = Array.from({ length: batch * length }, () => random.integer(vocabularySize));
  return { tokens: int64([batch, length], drawn), labels: int64([batch, length], [...drawn.slice(1), 0]) };
}

/** All rows filled to their length, in the pieces of a prompt that a server takes. */
async function generated({ model, batch, length }: Case): Promise<Outcome> {
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  const config = models[model];
  const random = new Random(3);
  const prefillTokens = 64;
  const weights = initializeModel(config, new Random(0));
  const planned = { ...(await planServing(engine, weights, { rows: batch, contextTokens: length, prefillTokens })) };
  const [before, residentBytes] = [engine.counters(), process.memoryUsage.rss()];
  const runner = await ModelRunner.create(engine, weights, { name: model, contextTokens: length, compute: 'exact' });
  await fillRows(runner, batch, length, prefillTokens, () => random.integer(config.vocabularySize));
  const after = engine.counters();
  const usedBytes = after.bufferBytes + after.scratchBytes - before.bufferBytes - before.scratchBytes;
  return { planned, usedBytes, grownBytes: process.memoryUsage.rss() - residentBytes };
}

async function fillRows(runner: ModelRunner, rows: number, length: number, piece: number, token: () => number): Promise<void> {
  await runner.arrange({ rows, columns: Math.ceil(length / blockTokens), from: Array.from({ length: rows }, () => undefined) });
  const lengths = Array.from({ length: rows }, () => 0);
  const run = (shares: readonly StepShare[]): Promise<void> => runner.run({ copies: [], lengths: [...lengths], shares }, () => {});
  const tokens = (count: number): number[] => Array.from({ length: count }, token);
  for (let row = 0; row < rows; row++)
    for (let start = 0; start + piece < length; start += piece) {
      await run([{ id: row, row, start, tokens: tokens(piece), wantsLogits: 'last' }]);
      lengths[row] = start + piece;
    }
  await run(lengths.map((start, row) => ({ id: row, row, start, tokens: tokens(1), wantsLogits: 'last' })));
}

const shown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)}`;
const named = ({ changes = {} }: Case): string =>
  [
    ...(changes.gradientAccumulation === undefined ? [] : [`${changes.gradientAccumulation} micro-batches`]),
    ...(changes.recompute ? ['computed again'] : []),
    ...(changes.products === undefined ? [] : [`products ${changes.products}`]),
    ...(changes.teacherProducts === undefined ? [] : [`of the teacher ${changes.teacherProducts}`]),
    ...(changes.precision === undefined ? [] : [changes.precision]),
  ].join(', ');

const [index] = process.argv.slice(2);
const one = index === undefined ? undefined : cases[Number(index)];
if (one !== undefined) {
  console.log(JSON.stringify(await (one.kind === 'generate' ? generated(one) : trained(one))));
  process.exit(0);
}

const lines = [
  '# Device memory: planned and used',
  '',
  'Made by `npx tsx test/bench/memory-plan.ts`, in MiB. Used: device buffers and what the arena of the runtime holds (of a model that generates its packed weights too),',
  'without what was there before: the loaded model, and the weights of a teacher. Process: how much resident memory grew meanwhile.',
  '',
  '| model | work | batch | of it activations | planned | used | planned / used | process |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
];
for (const [place, each] of cases.entries()) {
  const { stdout, stderr } = spawnSync('npx', ['tsx', fileURLToPath(import.meta.url), `${place}`], { encoding: 'utf8' });
  if (stdout === '') throw new Error(stderr);
  const { planned, usedBytes, grownBytes } = JSON.parse(stdout) as Outcome;
  const total = totalOf(planned);
  const activations = planned['activationBytes'] ?? planned['stepBytes'] ?? 0;
  const figures = [activations, total, usedBytes].map(shown).join(' | ');
  const work = [each.kind, named(each)].filter((text) => text !== '').join(', ');
  lines.push(
    `| ${each.model} | ${work} | ${each.batch} x ${each.length} | ${figures} | ${(total / usedBytes).toFixed(3)} | ${shown(grownBytes)} |`,
  );
  console.log(lines.at(-1));
  writeFileSync(fileURLToPath(new URL('results/memory-plan.md', import.meta.url)), `${lines.join('\n')}\n`);
}

function totalOf(planned: Readonly<Record<string, number>>): number {
  return Object.values(planned).reduce((sum, bytes) => sum + bytes, 0);
}

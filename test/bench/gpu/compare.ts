// Training, decoding, memory and sharing of a GPU against PyTorch in bf16, both sides in one run: `npx tsx test/bench/gpu/compare.ts --device cuda:0`.
//
// Wants ATHANOR_BENCH_PYTHON: a Python with torch (for the GPU, one with CUDA). With `--device cuda:N` deploy/install-cuda-provider runs first; `--no-install`
// leaves it out. `--device cpu` is a rehearsal at a tiny size: it shows that the script works, and its figures mean nothing. `--out FILE` keeps the table.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import type { Precision } from '#train';
import { median } from '../peer.ts';
import { stepConfig } from '../step-model.ts';
import { DecodingSide, TrainingSide } from './own-side.ts';
import { startTorch, type TorchSide } from './torch-side.ts';

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'cuda:0' },
    rounds: { type: 'string', default: '7' },
    out: { type: 'string' },
    'no-install': { type: 'boolean', default: false },
  },
});
const isRehearsal = options.device === 'cpu';
const rounds = Number(options.rounds);
const bar = 1;
const goal = 1.3;

/** GPT-2 small in steps of 8 x 512 tokens, or something that a CPU does in a moment. */
const size = isRehearsal
  ? { layers: 2, width: 64, heads: 2, vocabulary: 512, positions: 128, batch: 2, length: 32 }
  : { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 8, length: 512 };
const decoding = isRehearsal ? { batches: [1, 8, 64], prompt: 8, steps: 8 } : { batches: [1, 8, 64], prompt: 128, steps: 128 };
const memorySteps = isRehearsal ? 20 : 500;
const sharedSeconds = isRehearsal ? 3 : 30;
const threads = Math.min(2, cpus().length);
const config = stepConfig(size);

const lines: string[] = [];
const say = (line = ''): void => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};
const row = (cells: readonly (string | number)[]): void => say(`| ${cells.join(' | ')} |`);
const heading = (title: string, cells: readonly string[]): void => {
  say(`\n## ${title}\n`);
  row(cells);
  row(cells.map((_, index) => (index === 0 ? '---' : '---:')));
};
const milliseconds = (seconds: number): string => (1000 * seconds).toFixed(2);
const verdict = (ratio: number): string => (isRehearsal ? '-' : ratio >= goal ? 'goal' : ratio >= bar ? 'bar' : 'below');
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

/** Used memory of the GPU, by the driver; the process's own on a CPU. */
function usedBytes(): number {
  if (isRehearsal) return process.memoryUsage.rss();
  const index = options.device.split(':')[1] ?? '0';
  const text = execFileSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '-i', index], { encoding: 'utf8' });
  return Number(text.trim()) * 2 ** 20;
}

async function training(engine: Engine, torch: TorchSide): Promise<void> {
  const precisions: readonly Precision[] = ['bfloat16', 'float16', 'float32'];
  const times = new Map<string, number[]>();
  const take = (name: string, seconds: number): void => void times.set(name, [...(times.get(name) ?? []), seconds]);
  const sides: [Precision, TrainingSide][] = [];
  for (const precision of precisions)
    sides.push([precision, await TrainingSide.create(engine, config, size.batch, size.length, precision)]);
  for (let round = -2; round < rounds; round++) {
    for (const [precision, side] of sides) {
      const seconds = await side.step();
      if (round >= 0) take(precision, seconds);
    }
    const { seconds } = await torch.step();
    if (round >= 0) take('torch', seconds);
  }
  for (const [, side] of sides) await side.stop();
  const theirs = median(times.get('torch') ?? []);
  heading(`Training step, ${size.batch} x ${size.length} tokens`, ['products', 'athanor, ms', 'PyTorch bf16, ms', 'ratio', 'verdict']);
  for (const precision of precisions) {
    const ours = median(times.get(precision) ?? []);
    row([precision, milliseconds(ours), milliseconds(theirs), (theirs / ours).toFixed(2), verdict(theirs / ours)]);
  }
}

async function decodingSpeed(engine: Engine, torch: TorchSide): Promise<void> {
  const { batches, prompt, steps } = decoding;
  heading(`Decoding, ${steps} tokens behind prompts of ${prompt}`, [
    'sequences',
    'weights',
    'athanor, tokens/s',
    'PyTorch bf16, tokens/s',
    'ratio',
    'verdict',
  ]);
  for (const compute of ['float16', 'exact'] as const) {
    const side = await DecodingSide.create(engine, config, prompt + steps + 1, compute);
    for (const batch of batches) {
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let round = -1; round < rounds; round++) {
        const [own, other] = [await side.decode(batch, prompt, steps), await torch.decode(batch, prompt, steps)];
        if (round < 0) continue;
        ours.push(own);
        theirs.push(other.seconds);
      }
      const [own, other] = [ours, theirs].map((times) => (batch * steps) / median(times)) as [number, number];
      row([
        batch,
        compute === 'exact' ? 'float32' : compute,
        own.toFixed(0),
        other.toFixed(0),
        (own / other).toFixed(2),
        verdict(own / other),
      ]);
    }
    await side.stop();
  }
}

async function memory(engine: Engine): Promise<void> {
  const side = await TrainingSide.create(engine, config, size.batch, size.length, 'auto');
  const warmUp = Math.ceil(memorySteps / 10);
  const readings: { readonly step: number; readonly used: number; readonly buffers: number }[] = [];
  for (let step = 1; step <= memorySteps; step++) {
    await side.step();
    if (step % warmUp === 0) readings.push({ step, used: usedBytes(), buffers: engine.counters().bufferBytes });
  }
  await side.stop();
  heading(`Memory over ${memorySteps} training steps`, ['step', 'used, MiB', 'our buffers, MiB']);
  for (const { step, used, buffers } of readings) row([step, mebibytes(used), mebibytes(buffers)]);
  const [first, last] = [readings[0], readings.at(-1)];
  if (first !== undefined && last !== undefined) say(`\nGrowth after the first tenth: ${mebibytes(last.used - first.used)} MiB.`);
}

/** Two trainings and decoding, alone and side by side on one engine. */
async function sharing(engine: Engine): Promise<void> {
  const jobs = [await trainingSide(engine), await trainingSide(engine)] as const;
  const { prompt, steps } = decoding;
  const serving = await DecodingSide.create(engine, config, prompt + steps + 1, isRehearsal ? 'exact' : 'float16');
  const train = (side: TrainingSide) =>
    repeat(async () => {
      await side.step();
      return size.batch * size.length;
    });
  const serve = () =>
    repeat(async () => {
      await serving.decode(8, prompt, steps);
      return 8 * steps;
    });
  const alone = { train: await train(jobs[0]), serve: await serve() };
  const [first, second, served] = await Promise.all([train(jobs[0]), train(jobs[1]), serve()]);
  await Promise.all([...jobs.map((side) => side.stop()), serving.stop()]);
  heading('Two trainings and decoding (8 sequences) side by side', ['what', 'alone, tokens/s', 'side by side, tokens/s', 'share']);
  for (const [name, before, beside] of [
    ['first training', alone.train, first],
    ['second training', alone.train, second],
    ['decoding', alone.serve, served],
  ] as const)
    row([name, before.toFixed(0), beside.toFixed(0), (beside / before).toFixed(2)]);
}

const trainingSide = (engine: Engine): Promise<TrainingSide> => TrainingSide.create(engine, config, size.batch, size.length, 'auto');

/** Tokens a second of work that is done again and again for a while. */
async function repeat(work: () => Promise<number>): Promise<number> {
  await work();
  const started = performance.now();
  let tokens = 0;
  while (performance.now() - started < 1000 * sharedSeconds) tokens += await work();
  return tokens / ((performance.now() - started) / 1000);
}

async function main(): Promise<void> {
  if (!isRehearsal && !options['no-install']) {
    const script = fileURLToPath(new URL('../../../deploy/install-cuda-provider', import.meta.url));
    execFileSync(script, ['--libraries'], { stdio: 'inherit' });
  }
  const engine = await createOnnxEngine({ device: options.device, threads });
  const torch = startTorch({ ...size, threads, device: options.device });
  try {
    const { torch: version } = await torch.step();
    say(`# ${isRehearsal ? 'Rehearsal on a CPU: figures of a tiny model, which mean nothing' : `GPT-2 small on ${options.device}`}`);
    say(`\n${engine.runtime} against PyTorch ${version} (bf16, scaled-dot-product attention); medians of ${rounds} rounds, turn by turn.`);
    say(
      `Products that the device has kernels for: ${['float32', ...engine.nativeProducts].join(', ')}. Bar ${bar.toFixed(1)}, goal ${goal}.`,
    );
    await training(engine, torch);
    await decodingSpeed(engine, torch);
    await memory(engine);
    await sharing(engine);
  } finally {
    await torch.stop();
    await engine.dispose();
    if (options.out !== undefined) writeFileSync(options.out, `${lines.join('\n')}\n`);
  }
}

await main();

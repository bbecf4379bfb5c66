// Training and distillation steps against PyTorch eager fp32, turn by turn in one run. Usage: tsx test/bench/training-step.ts [14m|124m] [distill] [rounds]
import { quietContext, Random } from '#base';
import { logitObjective } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { int64 } from '#tensor';
import { crossEntropyObjective, Trainer, trainSettings } from '#train';
import { median, startPeer } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128 },
} as const;

const [sizeName = '14m', ...rest] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const distill = rest.includes('distill');
const rounds = Number(rest.find((word) => /^\d+$/.test(word)) ?? 7);
const withPeer = !rest.includes('alone');

const config = stepConfig(size);

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const settings = trainSettings({ steps: 1000, batchSize: size.batch, sequenceLength: size.length, learningRate: 1e-4, checkpointEvery: 0 });
const teacher = distill ? logitObjective(engine, initializeModel(config, new Random(1)), { temperature: 1, alpha: 0.9 }) : undefined;
const trainer = await Trainer.create(engine, initializeModel(config, new Random(0)), teacher ?? crossEntropyObjective(), settings);
const random = new Random(2);
const drawn = Array.from({ length: size.batch * size.length }, () => random.integer(size.vocabulary));
const tokens = int64([size.batch, size.length], drawn);
const labels = int64([size.batch, size.length], [...drawn.slice(1), 0]);

const peer = withPeer ? startPeer('training-step', { ...size, distill, threads: 2 }) : undefined;
const bf16 = withPeer ? startPeer('training-step', { ...size, distill, threads: 2, bf16: true }) : undefined;
const ours: number[] = [];
const theirs: number[] = [];
const theirsBf16: number[] = [];
let theirPeak = 0;
for (let round = -2; round < rounds; round++) {
  const started = performance.now();
  await trainer.run([{ tokens, labels }], quietContext.signal);
  const elapsed = performance.now() - started;
  const reading = await peer?.step();
  const readingBf16 = await bf16?.step();
  if (round < 0) continue; // warm-up
  ours.push(elapsed);
  if (reading !== undefined) theirs.push(reading.milliseconds);
  if (readingBf16 !== undefined) theirsBf16.push(readingBf16.milliseconds);
  theirPeak = reading?.peakBytes ?? 0;
}
await peer?.stop();
await bf16?.stop();
const result = {
  size: sizeName,
  step: distill ? 'distill' : 'train',
  rounds,
  athanorMs: Math.round(median(ours)),
  torchFp32Ms: Math.round(median(theirs)),
  torchBf16Ms: Math.round(median(theirsBf16)),
  speedVsFp32: Number((median(theirs) / median(ours)).toFixed(3)),
  speedVsBf16: Number((median(theirsBf16) / median(ours)).toFixed(3)),
  athanorPeakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  torchPeakMiB: Math.round(theirPeak / 2 ** 20),
};
console.log(JSON.stringify(result));
await trainer.dispose();
teacher?.release();
await engine.dispose();

// A step of distillation from states and logits against the same arithmetic in PyTorch eager fp32, turn by turn in one run. Usage: tsx test/bench/distill-step.ts [14m|124m] [rounds]

import { quietContext, Random } from '#base';
import { distillationObjective } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { lossFields } from '#teaching';
import { int64 } from '#tensor';
import { Trainer, trainSettings } from '#train';
import { median, startPeer } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128 },
} as const;

const [sizeName = '14m', ...rest] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const rounds = Number(rest.find((word) => /^\d+$/.test(word)) ?? 7);

/** The student has half of the teacher's layers; each learns the state of the last of the two that it stands for. */
const losses = lossFields.losses.parse([
  { kind: 'labels', weight: 0.1 },
  { kind: 'logits', weight: 0.9, temperature: 2 },
  { kind: 'hidden', distance: 'mse', layers: 'uniform' },
]);

const teacherConfig = stepConfig(size);

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const settings = trainSettings({ steps: 1000, batchSize: size.batch, sequenceLength: size.length, learningRate: 1e-4, checkpointEvery: 0 });
const student = initializeModel({ ...teacherConfig, layers: size.layers / 2 }, new Random(0));
const teacher = initializeModel(teacherConfig, new Random(1));
const objective = distillationObjective(engine, { student, teachers: [{ model: teacher, weight: 1 }], losses: losses ?? [] });
const trainer = await Trainer.create(engine, student, objective, settings);
const random = new Random(2);
const drawn = Array.from({ length: size.batch * size.length }, () => random.integer(size.vocabulary));
const tokens = int64([size.batch, size.length], drawn);
const labels = int64([size.batch, size.length], [...drawn.slice(1), 0]);

const peer = startPeer('distill-step', { ...size, threads: 2 });
const ours: number[] = [];
const theirs: number[] = [];
let theirPeak = 0;
for (let round = -2; round < rounds; round++) {
  const started = performance.now();
  await trainer.run([{ tokens, labels }], quietContext.signal);
  const elapsed = performance.now() - started;
  const reading = await peer.step();
  if (round < 0) continue; // warm-up
  ours.push(elapsed);
  theirs.push(reading.milliseconds);
  theirPeak = reading.peakBytes;
}
await peer.stop();
console.log(
  JSON.stringify({
    size: sizeName,
    step: 'distill states and logits',
    rounds,
    athanorMs: Math.round(median(ours)),
    torchFp32Ms: Math.round(median(theirs)),
    speedVsFp32: Number((median(theirs) / median(ours)).toFixed(3)),
    athanorPeakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    torchPeakMiB: Math.round(theirPeak / 2 ** 20),
  }),
);
await trainer.dispose();
objective.release();
await engine.dispose();

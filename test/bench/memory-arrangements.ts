// What memory settings cost: a training step in micro-batches and with activations computed again, turn by turn. Usage: tsx test/bench/memory-arrangements.ts [7m|14m|124m] [rounds]
import { quietContext, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { int64 } from '#tensor';
import { crossEntropyObjective, planTrainerMemory, Trainer, totalBytes, trainSettings } from '#train';
import { median } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  '7m': { layers: 6, width: 256, heads: 8, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128 },
} as const;

const [sizeName = '14m', roundsText = '5'] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const model = initializeModel(stepConfig(size), new Random(0));
const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const splits = [1, 2, 4, 8, 16].filter((parts) => size.batch % parts === 0);
const arrangements = splits.flatMap((parts) => [false, true].map((recompute) => ({ parts, recompute })));

const random = new Random(2);
const steps: { readonly run: () => Promise<unknown>; readonly name: string; readonly bytes: number; readonly times: number[] }[] = [];
for (const { parts, recompute } of arrangements) {
  const batch = size.batch / parts;
  const given = { batchSize: batch, gradientAccumulation: parts, sequenceLength: size.length, recompute, checkpointEvery: 0 };
  const settings = trainSettings(given);
  const plan = await planTrainerMemory(engine, model, crossEntropyObjective(), settings);
  const trainer = await Trainer.create(engine, model, crossEntropyObjective(), settings);
  const batches = Array.from({ length: parts }, () => {
    const drawn = Array.from({ length: batch * size.length }, () => random.integer(size.vocabulary));
    return { tokens: int64([batch, size.length], drawn), labels: int64([batch, size.length], [...drawn.slice(1), 0]) };
  });
  const name = `${parts} x ${batch}${recompute ? ', computed again' : ''}`;
  steps.push({ run: () => trainer.run(batches, quietContext.signal), name, bytes: totalBytes(plan), times: [] });
}
for (let round = -1; round < Number(roundsText); round++)
  for (const { run, times } of steps) {
    const started = performance.now();
    await run();
    if (round >= 0) times.push(performance.now() - started);
  }
const whole = median(steps[0]?.times ?? []);
console.log('| micro-batches | planned MiB | step ms | of one batch |\n| --- | --- | --- | --- |');
for (const { name, bytes, times } of steps)
  console.log(`| ${name} | ${(bytes / 2 ** 20).toFixed(0)} | ${median(times).toFixed(0)} | ${(median(times) / whole).toFixed(2)} |`);
process.exit(0);

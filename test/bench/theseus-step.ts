// Steps of module replacing with given draws against PyTorch eager fp32 with the same, turn by turn; and what a draw that comes for the first time costs.
// Usage: npx tsx test/bench/theseus-step.ts [14m|124m|tiny] [alone] [rounds]
import { quietContext, Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { int64 } from '#tensor';
import { crossEntropyObjective, Trainer, type TrainingScheme, trainSettings } from '#train';
import { isOfSuccessor, joinModel } from '../../src/compress/theseus/modules.ts';
import { theseusScheme } from '../../src/compress/theseus/scheme.ts';
import { median, startPeer } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  tiny: { layers: 6, width: 64, heads: 4, vocabulary: 512, positions: 32, batch: 4, length: 32, modules: 3 },
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128, modules: 3 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128, modules: 6 },
} as const;

const [sizeName = '14m', ...rest] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const rounds = Number(rest.find((word) => /^\d+$/.test(word)) ?? 9);
const withPeer = !rest.includes('alone');
/** Half of the modules, now these and now those; never none. */
const draws = ['100', '011', '010', '101'].map((draw) => draw.repeat(size.modules / 3));

const config = stepConfig(size);

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const settings = trainSettings({ steps: 1000, batchSize: size.batch, sequenceLength: size.length, learningRate: 1e-4, checkpointEvery: 0 });
const joined = joinModel(initializeModel(config, new Random(0)), { modules: size.modules, layers: undefined, start: 'first' });
const scheme: TrainingScheme = {
  ...theseusScheme(joined, { replacementSteps: 1000, chance: () => 0.5 }, 0),
  step: (step) => ({ inputs: {}, variant: draws[(step - 1) % draws.length] ?? '' }),
};
const trains = (path: string): boolean => isOfSuccessor(joined.stacks, path);
const trainer = await Trainer.create(engine, joined.model, crossEntropyObjective(), settings, { scheme, trains });
const random = new Random(2);
const drawn = Array.from({ length: size.batch * size.length }, () => random.integer(size.vocabulary));
const tokens = int64([size.batch, size.length], drawn);
const labels = int64([size.batch, size.length], [...drawn.slice(1), 0]);
const residentMiB = (): number => process.memoryUsage.rss() / 2 ** 20;

const peer = withPeer ? startPeer('theseus-step', { ...size, draws, threads: 2 }) : undefined;
const first: number[] = [];
const ours: number[] = [];
const theirs: number[] = [];
const before = residentMiB();
let after = before;
for (let round = 0; round < rounds * draws.length + 2 * draws.length; round++) {
  const started = performance.now();
  await trainer.run([{ tokens, labels }], quietContext.signal);
  const elapsed = performance.now() - started;
  const reading = await peer?.step();
  if (round < draws.length) first.push(elapsed);
  if (round === draws.length - 1) after = residentMiB();
  if (round < 2 * draws.length) continue; // warm-up
  ours.push(elapsed);
  if (reading !== undefined) theirs.push(reading.milliseconds);
}
await peer?.stop();
const result = {
  size: sizeName,
  modules: size.modules,
  rounds,
  athanorMs: Math.round(median(ours)),
  ...(withPeer && { torchFp32Ms: Math.round(median(theirs)), speedVsFp32: Number((median(theirs) / median(ours)).toFixed(3)) }),
  // The first step of all allocates too.
  newDrawMs: Math.round(median(first.slice(1)) - median(ours)),
  residentMiBOfFourDraws: Math.round(after - before),
};
console.log(JSON.stringify(result));
await trainer.dispose();
await engine.dispose();

// A training step with gates against PyTorch eager fp32 doing the same arithmetic, turn by turn in one run. Usage: tsx test/bench/flop-step.ts [tiny|14m|124m] [rounds] [alone]
//
// Every block matrix is P·diag(z)·Q at full rank; the loss has the augmented Lagrangian, whose multipliers climb.
import { quietContext, Random } from '#base';
import { selectMatrices } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel } from '#models';
import { int64 } from '#tensor';
import { crossEntropyObjective, Trainer, trainSettings } from '#train';
import { flopScheme, initialGates } from '../../src/compress/flop/flop-scheme.ts';
import { initialGate } from '../../src/compress/flop/hard-concrete.ts';
import { flopSettings } from '../../src/compress/flop/settings.ts';
import { gatedLayers, randomStart, startRanks } from '../../src/compress/flop/start.ts';
import { median, startPeer } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  tiny: { layers: 2, width: 64, heads: 2, vocabulary: 512, positions: 64, batch: 2, length: 32 },
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128 },
} as const;

const [sizeName = '14m', ...rest] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const rounds = Number(rest.find((word) => /^\d+$/.test(word)) ?? 7);

const config = stepConfig(size);

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const random = new Random(2);
const drawn = Int32Array.from({ length: size.batch * size.length }, () => random.integer(size.vocabulary));
const corpus = { tokens: drawn, documentStarts: Int32Array.of(0), bytes: drawn.length, fingerprint: '', tokenizerHash: '' };
const dense = initializeModel(config, new Random(0));
const flop = flopSettings.parse({ ratio: 0.5, start: 'random', startRatio: 100 });
const layers = gatedLayers(dense, selectMatrices(dense, {}), flop, corpus);
const model = randomStart(dense, layers, (layer) => startRanks(layer, flop), 0);
const scheme = flopScheme({
  model,
  layers,
  initialGates: initialGates(
    layers.flatMap((layer) => startRanks(layer, flop)),
    initialGate(flop.dropTendency),
    0,
  ),
  beta: flop.beta,
  lagrangian: 'signed',
  gateFactor: 1000,
  multiplierFactor: 1000,
  seed: 0,
  target: () => 0.5,
});
const settings = trainSettings({ steps: 1000, batchSize: size.batch, sequenceLength: size.length, learningRate: 1e-4, checkpointEvery: 0 });
const trainer = await Trainer.create(engine, model, crossEntropyObjective(), settings, { scheme });
const batch = {
  tokens: int64([size.batch, size.length], drawn),
  labels: int64([size.batch, size.length], Int32Array.of(...drawn.subarray(1), 0)),
};

const peer = rest.includes('alone') ? undefined : startPeer('flop-step', { ...size, threads: 2 });
const [ours, theirs]: [number[], number[]] = [[], []];
let theirPeak = 0;
for (let round = -2; round < rounds; round++) {
  const started = performance.now();
  await trainer.run([batch], quietContext.signal);
  const elapsed = performance.now() - started;
  const reading = await peer?.step();
  if (round < 0) continue; // warm-up
  ours.push(elapsed);
  if (reading !== undefined) theirs.push(reading.milliseconds);
  theirPeak = reading?.peakBytes ?? 0;
}
await peer?.stop();
const result = {
  size: sizeName,
  step: 'flop',
  rounds,
  athanorMs: Number(median(ours).toFixed(1)),
  torchFp32Ms: Number(median(theirs).toFixed(1)),
  speedVsFp32: Number((median(theirs) / median(ours)).toFixed(3)),
  athanorPeakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  torchPeakMiB: Math.round(theirPeak / 2 ** 20),
};
console.log(JSON.stringify(result));
await trainer.dispose();
await engine.dispose();

// Training and distillation steps in floats and in 8-bit products against PyTorch eager in fp32 and bf16 autocast, all turn by turn in one run.
// Usage: tsx test/bench/training-step.ts [14m|124m] [distill] [rounds] [alone] [one] [float32|int8|int8PerTensor|int8All ...]
//
// `one` gives every side one thread: processor time then hardly depends on what else the machine does. Peak memory is ours only where one kind of products
// is named; a distillation in integers has a teacher in integers too.
import { quietContext, Random } from '#base';
import { distillationObjective } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { initializeModel, int8Form } from '#models';
import { lossFields } from '#teaching';
import { int64 } from '#tensor';
import { crossEntropyObjective, type Products, productKinds, Trainer, trainSettings } from '#train';
import { median, type PeerReading, startPeer } from './peer.ts';
import { stepConfig } from './step-model.ts';

const sizes = {
  '14m': { layers: 6, width: 384, heads: 6, vocabulary: 8192, positions: 128, batch: 16, length: 128 },
  '124m': { layers: 12, width: 768, heads: 12, vocabulary: 50257, positions: 1024, batch: 4, length: 128 },
} as const;

const [sizeName = '14m', ...rest] = process.argv.slice(2);
const size = sizes[sizeName as keyof typeof sizes];
const distill = rest.includes('distill');
const rounds = Number(rest.find((word) => /^\d+$/.test(word)) ?? 7);
const threads = rest.includes('one') ? 1 : 2;
const named = productKinds.filter((products) => rest.includes(products));
const kinds = named.length === 0 ? productKinds : named;

const config = stepConfig(size);
const engine = await createOnnxEngine({ device: 'cpu', threads });
const random = new Random(2);
const drawn = Array.from({ length: size.batch * size.length }, () => random.integer(size.vocabulary));
const tokens = int64([size.batch, size.length], drawn);
const labels = int64([size.batch, size.length], [...drawn.slice(1), 0]);

/** One side of the comparison: what a step took, by the clock and of the processors, in ms. */
interface Side {
  readonly name: string;
  readonly step: () => Promise<Pick<PeerReading, 'milliseconds' | 'cpuMilliseconds'> & { readonly peakBytes: number }>;
  readonly stop: () => Promise<void>;
}

async function ours(products: Products): Promise<Side> {
  const teacher = initializeModel(config, new Random(1));
  const taught = distill
    ? distillationObjective(engine, {
        student: { config },
        teachers: [{ model: products === 'float32' ? teacher : (await int8Form(teacher, 'all')).model, weight: 1 }],
        losses:
          lossFields.losses.parse([
            { kind: 'labels', weight: 0.1 },
            { kind: 'logits', weight: 0.9 },
          ]) ?? [],
      })
    : undefined;
  const settings = { steps: 1000, batchSize: size.batch, sequenceLength: size.length, learningRate: 1e-4, checkpointEvery: 0, products };
  const trainer = await Trainer.create(
    engine,
    initializeModel(config, new Random(0)),
    taught ?? crossEntropyObjective(),
    trainSettings(settings),
  );
  return {
    name: `athanor ${products}`,
    step: async () => {
      const [started, used] = [performance.now(), process.cpuUsage()];
      await trainer.run([{ tokens, labels }], quietContext.signal);
      const { user, system } = process.cpuUsage(used);
      const peakBytes = process.resourceUsage().maxRSS * 1024;
      return { milliseconds: performance.now() - started, cpuMilliseconds: (user + system) / 1000, peakBytes };
    },
    stop: async () => {
      await trainer.dispose();
      taught?.release();
    },
  };
}

function theirs(bf16: boolean): Side {
  const peer = startPeer('training-step', { ...size, distill, threads, bf16 });
  return { name: `PyTorch ${bf16 ? 'bf16' : 'fp32'}`, step: () => peer.step(), stop: () => peer.stop() };
}

const sides: Side[] = [];
for (const products of kinds) sides.push(await ours(products));
if (!rest.includes('alone')) sides.push(theirs(false), theirs(true));

const readings = new Map(sides.map(({ name }) => [name, { wall: [] as number[], cpu: [] as number[], peakBytes: 0 }]));
for (let round = -2; round < rounds; round++)
  for (const { name, step } of sides) {
    const { milliseconds, cpuMilliseconds, peakBytes } = await step();
    const reading = readings.get(name);
    if (round < 0 || reading === undefined) continue; // warm-up
    reading.wall.push(milliseconds);
    reading.cpu.push(cpuMilliseconds);
    reading.peakBytes = peakBytes;
  }
for (const { stop } of sides) await stop();
await engine.dispose();

const of = (name: string, which: 'wall' | 'cpu'): number => median(readings.get(name)?.[which] ?? []);
const ratio = (name: string, peer: string, which: 'wall' | 'cpu'): string => {
  const speed = of(peer, which) / of(name, which);
  return Number.isNaN(speed) ? '' : speed.toFixed(2);
};
process.stdout.write(`${distill ? 'distill' : 'train'}, ${sizeName}, ${rounds} rounds, ${threads} thread${threads === 1 ? '' : 's'}\n\n`);
process.stdout.write('| side | ms | speed against fp32 | against bf16 | processor ms | against fp32 | against bf16 | peak MiB |\n');
process.stdout.write('| --- | --- | --- | --- | --- | --- | --- | --- |\n');
for (const { name } of sides) {
  const isShared = name.startsWith('athanor') && kinds.length > 1;
  const peak = isShared ? '' : Math.round((readings.get(name)?.peakBytes ?? 0) / 2 ** 20);
  const cells = (['wall', 'cpu'] as const).flatMap((which) => [
    of(name, which).toFixed(0),
    ratio(name, 'PyTorch fp32', which),
    ratio(name, 'PyTorch bf16', which),
  ]);
  process.stdout.write(`| ${[name, ...cells, peak].join(' | ')} |\n`);
}

// What 8-bit products do to a training: the 7M model from random weights, all variants side by side on the same batches. Usage: tsx test/bench/int8-training.ts [steps] [seed] [batch] [tokens]
//
// Prints the mean training loss of every fifty steps, and bits per byte of held-out text at each quarter of the way, as a Markdown table.
import { appendFileSync } from 'node:fs';
import { quietContext, Random } from '#base';
import { initializeModel } from '#models';
import { WindowSampler } from '#text';
import { crossEntropyObjective, type Products, productKinds, Trainer, trainSettings } from '#train';
import { openWikiModel } from './wiki-model.ts';

const [steps = 1000, seed = 1, batchSize = 8, sequenceLength = 128] = process.argv.slice(2).map(Number);
const shownEvery = 50;
const log = process.env['ATHANOR_BENCH_LOG'];

const { engine, model, corpus, bitsPerByte } = await openWikiModel({ heldOutCharacters: 200_000 });
const variants: readonly Products[] = productKinds;
const runs = await Promise.all(
  variants.map(async (products) => {
    const settings = trainSettings({ steps, batchSize, sequenceLength, checkpointEvery: 0, products });
    const student = initializeModel(model.config, new Random(seed));
    return { products, trainer: await Trainer.create(engine, student, crossEntropyObjective(), settings), losses: [] as number[] };
  }),
);

const sampler = new WindowSampler(corpus.tokens, { batch: batchSize, window: sequenceLength, seed });
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
  if (log !== undefined) appendFileSync(log, `${line}\n`);
};
say(
  `| step | ${variants.map((products) => `loss, ${products}`).join(' | ')} | ${variants.map((products) => `bits per byte, ${products}`).join(' | ')} |`,
);
say(`| --- |${' --- |'.repeat(2 * variants.length)}`);
for (let step = 1; step <= steps; step++) {
  const batch = sampler.next();
  for (const { trainer, losses } of runs) losses.push((await trainer.run([batch], quietContext.signal)).metrics['loss'] ?? Number.NaN);
  if (step % shownEvery !== 0) continue;
  const means = runs.map(({ losses }) =>
    losses
      .slice(-shownEvery)
      .reduce((sum, loss) => sum + loss / shownEvery, 0)
      .toFixed(4),
  );
  const isQuarter = (step * 4) % steps === 0;
  const bits: string[] = [];
  for (const { trainer } of runs) bits.push(isQuarter ? (await bitsPerByte(trainer.model())).toFixed(4) : '');
  say(`| ${step} | ${means.join(' | ')} | ${bits.join(' | ')} |`);
}
for (const { trainer } of runs) await trainer.dispose();
await engine.dispose();

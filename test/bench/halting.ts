// What halting saves where a model is served: `npx tsx test/bench/halting.ts [rounds] [steps]`: a decoding step of one block that is applied up to 12 times.
//
// The same block in every row: as 12 plain applications in one program, and taken apart, with halting probabilities that let every position go on to the
// end, halt at the second application or at the first. The rows take turns; medians of all steps, in milliseconds. The weights are random.
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { denseParameter, type Gpt2Config, initializeModel, type Model, parameterSpecs, replaceParameters, sharedParameter } from '#models';
import { float32 } from '#tensor';
import { compileSteps } from '../../src/serve/step-programs.ts';
import { gpt2Small } from './gpt2-small.ts';
import { GreedySteps } from './greedy-steps.ts';
import { median } from './peer.ts';

const [rounds = 9, steps = 16] = process.argv.slice(2).map(Number);
const [promptTokens, contextTokens] = [64, 128];
const config: Gpt2Config = { ...gpt2Small, width: 512, heads: 8, feedForwardWidth: 2048, vocabularySize: 1024, endTokens: [] };

/** One block at 12 places; `bias` is the logit of halting at every step. */
function repeated(bias: number | undefined): Model {
  const halting = { epsilon: 0.01, ponderCost: 0, signals: false };
  const model = initializeModel(bias === undefined ? config : { ...config, halting }, new Random(1));
  const later = [...parameterSpecs(model).values()].filter(({ block = 0 }) => block > 0);
  const shared = later.map(({ path }) => sharedParameter(path, path.replace(/^h\.\d+/, 'h.0')));
  const logits =
    bias === undefined
      ? []
      : [
          denseParameter('halting.weight', float32([config.width, 1], new Float32Array(config.width))),
          denseParameter('halting.bias', float32([1], [bias])),
        ];
  return replaceParameters(model, [...shared, ...logits]);
}

const rows: Readonly<Record<string, Model>> = {
  '12 applications, one program': repeated(undefined),
  'halting, nobody halts': repeated(-20),
  // σ(3) = 0.953 once is below 1 - ε, twice is above it.
  'all halt at 2': repeated(3),
  'all halt at 1': repeated(20),
};
const batches = [1, 8];

const engine = await createOnnxEngine({ device: 'cpu' });
const times = new Map<string, number[]>();
const runners = await Promise.all(
  Object.entries(rows).map(async ([name, model]) => {
    const programs = await compileSteps(engine, model, { name, contextTokens });
    return { name, programs, decoder: new GreedySteps(engine, model, programs) };
  }),
);
for (let round = 0; round < rounds; round++)
  for (const batch of batches)
    for (const { name, decoder } of runners)
      await decoder.withCache(batch, contextTokens, async (cache) => {
        const prompt = Array.from({ length: batch * promptTokens }, (_, index) => (index * 7) % config.vocabularySize);
        let tokens = await decoder.run(cache, prompt, batch, 0);
        for (let step = 0; step < steps; step++) {
          const start = performance.now();
          tokens = await decoder.run(cache, tokens, batch, promptTokens + step);
          const key = `${name}/${batch}`;
          times.set(key, [...(times.get(key) ?? []), performance.now() - start]);
        }
      });

process.stdout.write(`| sequences | ${Object.keys(rows).join(' | ')} |\n|${' --- |'.repeat(1 + Object.keys(rows).length)}\n`);
for (const batch of batches) {
  const medians = Object.keys(rows).map((name) => median(times.get(`${name}/${batch}`) ?? []).toFixed(1));
  process.stdout.write(`| ${[batch, ...medians].join(' | ')} |\n`);
}
for (const { programs } of runners) await programs.release();
await engine.dispose();

// What halting saves where a model is served: `npx tsx test/bench/halting.ts [rounds] [steps]`: one block of width 512 that is applied up to 12 times.
//
// The same block in every row: as 12 plain applications in one program, and taken apart, with halting probabilities that let every position go on to the
// end, halt where its own state says, or halt at the second application or at the first. The rows take turns; medians of all prompts of 128 tokens and of
// all decoding steps, in milliseconds. The weights are random.
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { GraphBuilder } from '#graph';
import {
  causalNetwork,
  denseParameter,
  depthTaps,
  type Gpt2Config,
  initializeModel,
  type Model,
  replaceParameters,
  weightsOf,
} from '#models';
import { float32, int64, toNumbers } from '#tensor';
import { repeatedBlock } from '#test/repeated-block';
import { compileSteps } from '../../src/serve/step-programs.ts';
import { gpt2Small } from './gpt2-small.ts';
import { GreedySteps } from './greedy-steps.ts';
import { median } from './peer.ts';

const [rounds = 9, steps = 16] = process.argv.slice(2).map(Number);
const [promptTokens, contextTokens] = [128, 192];
const config: Gpt2Config = { ...gpt2Small, width: 512, heads: 8, feedForwardWidth: 2048, vocabularySize: 1024, endTokens: [] };

/** One block at 12 places; `bias` is the logit of halting at every step, `spread` how far states differ in it. */
function repeated(bias: number | undefined, spread = 0): Model {
  const halting = { epsilon: 0.01, ponderCost: 0, signals: false };
  const model = repeatedBlock(initializeModel(bias === undefined ? config : { ...config, halting }, new Random(1)));
  const random = new Random(2);
  const weight = Float32Array.from({ length: config.width }, () => spread * random.normal());
  const logits =
    bias === undefined
      ? []
      : [denseParameter('halting.weight', float32([config.width, 1], weight)), denseParameter('halting.bias', float32([1], [bias]))];
  return replaceParameters(model, logits);
}

const rows: Readonly<Record<string, Model>> = {
  '12 applications, one program': repeated(undefined),
  'halting, nobody halts': repeated(-20),
  'each at its own step': repeated(2, 2),
  // σ(3) = 0.953 once is below 1 - ε, twice is above it.
  'all at 2': repeated(3),
  'all at 1': repeated(20),
};
const batches = [1, 8];

const engine = await createOnnxEngine({ device: 'cpu' });
const promptOf = (batch: number): number[] =>
  Array.from({ length: batch * promptTokens }, (_, index) => (index * 7) % config.vocabularySize);
process.stdout.write(
  `halting at its own step, a position of the prompt takes ${(await meanSteps(rows['each at its own step']!)).toFixed(1)} steps\n`,
);

const times = new Map<string, number[]>();
const timed = async <T>(key: string, run: () => Promise<T>): Promise<T> => {
  const start = performance.now();
  const made = await run();
  times.set(key, [...(times.get(key) ?? []), performance.now() - start]);
  return made;
};
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
        let tokens = await timed(`${name}/prompt/${batch}`, () => decoder.run(cache, promptOf(batch), batch, 0));
        for (let step = 0; step < steps; step++)
          tokens = await timed(`${name}/step/${batch}`, () => decoder.run(cache, tokens, batch, promptTokens + step));
      });

process.stdout.write(`| | sequences | ${Object.keys(rows).join(' | ')} |\n|${' --- |'.repeat(2 + Object.keys(rows).length)}\n`);
for (const phase of ['prompt', 'step'])
  for (const batch of batches) {
    const medians = Object.keys(rows).map((name) => median(times.get(`${name}/${phase}/${batch}`) ?? []).toFixed(1));
    process.stdout.write(`| ${[phase, batch, ...medians].join(' | ')} |\n`);
  }
for (const { programs } of runners) await programs.release();
await engine.dispose();

async function meanSteps(model: Model): Promise<number> {
  const b = new GraphBuilder();
  const tokens = b.input('tokens', 'int64', [1, promptTokens]);
  const net = causalNetwork(b, model, tokens);
  net.hidden(tokens);
  const graph = b.graph({ steps: net.taps.get(depthTaps.steps)! });
  const program = await engine.compile(graph, {
    frozen: weightsOf(model, graph),
  });
  const { steps: counted } = await program.run({ tokens: int64([1, promptTokens], promptOf(1)) });
  const each = Array.from(toNumbers(counted!.read()), Number);
  counted!.release();
  await program.release();
  return each.reduce((sum, count) => sum + count, 0) / each.length;
}

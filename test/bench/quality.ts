// Half of the demo model's block parameters: what each way of getting there costs in bits per byte. Writes results/quality.md.
// Usage: tsx test/bench/quality.ts [steps] [text file …]; the fixtures' text when none is given.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type OperationContext, quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { evaluateModel } from '#evaluate';
import { type Gpt2Config, initializeModel, type Model, type Parameter, parameterCounts, parameterSpecs, replaceParameters } from '#models';
import { castTensor } from '#tensor';
import { crossEntropyObjective, type TrainSettings, trainModel, trainSettings } from '#train';
import { openWikiModel } from './wiki-model.ts';

const [stepsText = '1000', ...texts] = process.argv.slice(2);
const steps = Number(stepsText);
const training = {
  batchSize: 8,
  sequenceLength: 128,
  warmupSteps: Math.min(50, Math.ceil(steps / 10)),
  checkpointEvery: 0,
  seed: 0,
  steps,
};

const { engine, model: teacher, corpus, heldOut, calibration } = await openWikiModel(texts.length > 0 ? { texts } : {});

async function halved(method: 'plain' | 'whitened', allocate: 'uniform' | 'loss'): Promise<Model> {
  const recipe = parseRecipe({ steps: [{ lowRank: { method, ratio: 0.5, allocate } }] }, methods);
  return (await compressModel(teacher, recipe, { engine, calibration }, quietContext)).model;
}

function progress(name: string): OperationContext {
  return {
    ...quietContext,
    report: ({ step = 0, metrics }) => {
      if (step % 100 === 0)
        console.error(
          `${name}: step ${step}, loss ${metrics?.['meanLoss']?.toFixed(4)}, ${metrics?.['tokensPerSecond']?.toFixed(0)} tokens/s`,
        );
    },
  };
}

/** A dense GPT-2 of the same depth that stores at most as many bytes. */
function denseOfSize(storedBytes: number): Model {
  const config = teacher.config as Gpt2Config;
  for (let width = config.width - config.heads; width > 0; width -= config.heads) {
    const smaller = initializeModel({ ...config, width, feedForwardWidth: 4 * width }, new Random(0));
    const half = stored16(smaller);
    if (parameterCounts(half).storedBytes <= storedBytes) return half;
  }
  throw new Error('no width fits');
}

/** The element type of the teacher's file, so that bytes compare. */
function stored16(model: Model): Model {
  return replaceParameters(
    model,
    [...model.parameters.values()].map(
      (parameter): Parameter => ({
        ...parameter,
        tensors: Object.fromEntries(Object.entries(parameter.tensors).map(([slot, tensor]) => [slot, castTensor(tensor, 'float16')])),
      }),
    ),
  );
}

const distilled = async (name: string, student: Model, learningRate: number): Promise<Model> =>
  (await distillModel({ student, teacher, corpus, settings: distillSettings({ ...training, learningRate }) }, engine, progress(name)))
    .model;
const trained = async (name: string, model: Model, settings: TrainSettings): Promise<Model> =>
  (await trainModel({ model, objective: crossEntropyObjective(), corpus, settings }, engine, progress(name))).model;

const plain = await halved('plain', 'uniform');
const whitened = await halved('whitened', 'uniform');
const allocated = await halved('whitened', 'loss');
const bytes = parameterCounts(whitened).storedBytes;
const rows: { readonly name: string; readonly model: Model; readonly steps: number }[] = [
  { name: 'teacher', model: teacher, steps: 0 },
  { name: 'plain SVD', model: plain, steps: 0 },
  { name: 'whitened SVD', model: whitened, steps: 0 },
  { name: 'whitened SVD, ranks by loss', model: allocated, steps: 0 },
  { name: 'plain SVD, distilled', model: await distilled('plain', plain, 1e-3), steps },
  { name: 'whitened SVD, distilled', model: await distilled('whitened', whitened, 3e-4), steps },
  {
    name: 'smaller dense model from scratch',
    model: await trained('scratch', denseOfSize(bytes), trainSettings({ ...training, learningRate: 3e-3 })),
    steps,
  },
];

const lines: string[] = [];
let reference = Number.NaN;
for (const row of rows) {
  const result = await evaluateModel(row.model, { corpus: heldOut, teacher }, engine, quietContext);
  if (row.name === 'teacher') reference = result.bitsPerByte;
  const { logicalInBlocks, storedInBlocks, storedBytes } = parameterCounts(row.model);
  const share =
    logicalInBlocks === storedInBlocks && row.name.includes('scratch') ? '-' : `${((100 * storedInBlocks) / logicalInBlocks).toFixed(0)} %`;
  lines.push(
    `| ${row.name} | ${row.steps} | ${(storedBytes / 1e6).toFixed(2)} MB | ${share} | ${result.bitsPerByte.toFixed(4)} | ${(100 * (result.bitsPerByte / reference - 1)).toFixed(1)} % | ${result.tokenPerplexity.toFixed(1)} | ${(100 * (result.teacher?.topTokenAgreement ?? 1)).toFixed(1)} % |`,
  );
  console.error(lines.at(-1));
}
const protocol = (await evaluateModel(teacher, { corpus: heldOut, latency: false }, engine, quietContext)).protocol;
const specs = [...parameterSpecs(teacher).values()].filter(({ role, block }) => role === 'linear' && block !== undefined).length;
const markdown = `# Half of the block parameters of wiki-gpt2-7m

Made by \`npx tsx test/bench/quality.ts ${steps} …\` on ${cpus()[0]?.model.trim()}, 2 threads. ${specs} block matrices at ratio 0.5, stored as fp16.
Training: ${steps} steps of ${training.batchSize}x${training.sequenceLength} tokens from ${corpus.tokens.length.toLocaleString('en')} tokens of Wikipedia text; α 0.9, T 1, seed 0.
Held-out text: ${heldOut.bytes.toLocaleString('en')} bytes. Protocol: ${protocol}.

| model | training steps | stored | block parameters | bits per byte | over the teacher | token perplexity | top-1 agreement |
| --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}
`;
mkdirSync(new URL('./results/', import.meta.url), { recursive: true });
writeFileSync(new URL('./results/quality.md', import.meta.url), markdown);
console.log(markdown);
await engine.dispose();

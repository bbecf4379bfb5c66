// FLOP against pruning at equal size, on the small Wikipedia model: `npx tsx test/bench/flop.ts [steps] [seeds] [ratios] [flop settings as JSON]`. It can be stopped and goes on.
//
// All students come from the same teacher and train for as many steps towards it: FLOP while it prunes (`flop` from whitened factors, `published`
// without what was added to the method), the others after it. Magnitude pruning keeps as many stored bytes of the block matrices, structured pruning
// as many of their parameters; `scratch` has the structured model's sizes and random weights.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { buildLogitsGraph, graphNames, type Model, modelInputs, parameterCounts, parameterSpecs, randomLike } from '#models';
import { castTensor, int64, isFloat } from '#tensor';
import { recipeMethods } from '../../src/jobs/distill-step.ts';

import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { median } from './peer.ts';
import { openWikiModel } from './wiki-model.ts';

const arms = ['flop', 'published', 'magnitude', 'structured', 'scratch'] as const;
type Arm = (typeof arms)[number];

interface Measured {
  readonly key: string;
  readonly arm: Arm;
  readonly ratio: number;
  readonly steps: number;
  readonly seed: number;
  readonly bitsPerByte: number;
  /** Of the matrices inside the blocks, as a share of before. */
  readonly blockBytes: number;
  readonly blockParameters: number;
  /** Of a training step: in the first tenth and in the last. */
  readonly firstStepMs: number;
  readonly lastStepMs: number;
  /** Of a forward pass over 8x128 tokens. */
  readonly forwardMs: number;
}

const [stepsText = '300', seedsText = '1', ratiosText = '0.5,0.3', flopText = '{}'] = process.argv.slice(2);
const steps = Number(stepsText);
const seeds = Array.from({ length: Number(seedsText) }, (_, seed) => seed);
const ratios = ratiosText.split(',').map(Number);
const flopSettings = JSON.parse(flopText) as object;
const [batchSize, sequenceLength] = [8, 128];

const results = (name: string): string => fileURLToPath(new URL(`results/${name}`, import.meta.url));
const recordsPath = results('flop.jsonl');
mkdirSync(dirname(recordsPath), { recursive: true });
const records: Measured[] = existsSync(recordsPath)
  ? readFileSync(recordsPath, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Measured)
  : [];

const { engine, model: teacher, corpus, calibration, bitsPerByte } = await openWikiModel();

/** Milliseconds between the reports of steps. */
function timingContext(): { readonly context: OperationContext; readonly times: number[] } {
  const times: number[] = [];
  let last = performance.now();
  const report: OperationContext['report'] = ({ metrics }) => {
    const now = performance.now();
    if (metrics?.['tokensPerSecond'] !== undefined) times.push(now - last);
    last = now;
  };
  return { context: { ...quietContext, report }, times };
}

const training = { steps, batchSize, sequenceLength, checkpointEvery: 0 };
const distill = (seed: number): object => ({ distill: { ...training, seed } });

function recipeOf(arm: Exclude<Arm, 'scratch'>, ratio: number, seed: number): object[] {
  if (arm === 'flop')
    return [{ flop: { ratio, seed, start: 'whitened', lagrangian: 'absolute', training: { ...training, seed }, ...flopSettings } }];
  if (arm === 'published') return [{ flop: { ratio, seed, spread: 0, settleSteps: 0, training: { ...training, seed } } }];
  if (arm === 'magnitude') return [{ prune: { method: 'magnitude', scope: 'global', ratio } }, distill(seed)];
  return [...structured(ratio), distill(seed)];
}

const structured = (ratio: number): object[] => ['ffn', 'heads'].map((structure) => ({ prune: { structure, ratio } }));

async function made(recipe: readonly object[], seed: number, context: OperationContext): Promise<Model> {
  const material = (): RecipeTraining => new RecipeTraining({ engine, corpus, seed, teacher: () => Promise.resolve(teacher) });
  const environment = { engine, calibration, seed, ofStep: () => ({ training: material() }) };
  return (await compressModel(teacher, parseRecipe({ steps: recipe }, recipeMethods), environment, context)).model;
}

async function student(arm: Arm, ratio: number, seed: number, context: OperationContext): Promise<Model> {
  if (arm !== 'scratch') return await made(recipeOf(arm, ratio, seed), seed, context);
  const small = halfPrecision(randomLike(await made(structured(ratio), seed, quietContext), seed));
  const settings = distillSettings({ ...training, seed, learningRate: 1e-3 });
  return (await distillModel({ student: small, teacher, corpus, settings }, engine, context)).model;
}

/** Random weights in the type of the teacher's. */
function halfPrecision(model: Model): Model {
  const parameters = [...model.parameters].map(([path, parameter]) => {
    const tensors = Object.entries(parameter.tensors).map(
      ([slot, tensor]) => [slot, isFloat(tensor.dtype) ? castTensor(tensor, 'float16') : tensor] as const,
    );
    return [path, { ...parameter, tensors: Object.fromEntries(tensors) }] as const;
  });
  return { ...model, parameters: new Map(parameters) };
}

/** Bytes and numbers of the matrices inside the blocks; a sparse matrix has as many numbers as its bitmap says. */
function blockSize(model: Model): { readonly bytes: number; readonly parameters: number } {
  const specs = parameterSpecs(model);
  let [bytes, parameters] = [0, 0];
  for (const { path, tensors } of model.parameters.values()) {
    const spec = specs.get(path);
    if (spec?.block === undefined || spec.role !== 'linear') continue;
    for (const [slot, tensor] of Object.entries(tensors)) {
      bytes += tensor.data.byteLength;
      if (!slot.endsWith('.mask')) parameters += tensor.data.length;
    }
  }
  return { bytes, parameters };
}

async function forwardTime(model: Model): Promise<number> {
  const program = await engine.compile(buildLogitsGraph(model, { batch: batchSize, length: sequenceLength }), {
    frozen: new Map(modelInputs(model)),
  });
  const tokens = int64([batchSize, sequenceLength], corpus.tokens.subarray(0, batchSize * sequenceLength));
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const started = performance.now();
    for (const output of Object.values(await program.run({ [graphNames.tokens]: tokens }))) output.release();
    times.push(performance.now() - started);
  }
  await program.release();
  return median(times);
}

const before = blockSize(teacher);
for (const seed of seeds)
  for (const ratio of ratios)
    for (const arm of arms) {
      const key = `${arm} ${ratio} ${steps} ${seed} ${arm === 'flop' ? flopText : ''}`;
      if (records.some((record) => record.key === key)) continue;
      const { context, times } = timingContext();
      const model = await student(arm, ratio, seed, context);
      const size = blockSize(model);
      const tenth = Math.max(1, Math.floor(times.length / 10));
      const measured: Measured = {
        key,
        arm,
        ratio,
        steps,
        seed,
        bitsPerByte: await bitsPerByte(model),
        blockBytes: size.bytes / before.bytes,
        blockParameters: size.parameters / before.parameters,
        firstStepMs: median(times.slice(1, 1 + tenth)),
        lastStepMs: median(times.slice(-tenth)),
        forwardMs: await forwardTime(model),
      };
      records.push(measured);
      appendFileSync(recordsPath, `${JSON.stringify(measured)}\n`);
      console.error(JSON.stringify({ ...measured, storedBytes: parameterCounts(model).storedBytes }));
    }

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const lines = [
  `# FLOP against pruning on wiki-gpt2-7m`,
  '',
  `\`npx tsx test/bench/flop.ts ${stepsText} ${seedsText} ${ratiosText}${flopText === '{}' ? '' : ` '${flopText}'`}\`: ${steps} steps of ${batchSize}x${sequenceLength} tokens towards the teacher, means over ${seeds.length} seeds, teacher ${(await bitsPerByte(teacher)).toFixed(4)} bits per byte.`,
  '',
  '| ratio | student | bits per byte | block bytes | block parameters | first steps, ms | last steps, ms | forward, ms |',
  '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ...ratios.flatMap((ratio) =>
    arms.map((arm) => {
      const wanted = (record: Measured): boolean =>
        record.key === `${arm} ${ratio} ${steps} ${record.seed} ${arm === 'flop' ? flopText : ''}` && seeds.includes(record.seed);
      const found = records.filter(wanted);
      const of = (value: (record: Measured) => number): number => mean(found.map(value));
      const percent = (value: (record: Measured) => number): string => `${(100 * of(value)).toFixed(1)} %`;
      const cells = [
        of((record) => record.bitsPerByte).toFixed(4),
        percent((record) => record.blockBytes),
        percent((record) => record.blockParameters),
        ...[of((record) => record.firstStepMs), of((record) => record.lastStepMs), of((record) => record.forwardMs)].map((ms) =>
          ms.toFixed(0),
        ),
      ];
      return `| ${ratio} | ${arm} | ${cells.join(' | ')} |`;
    }),
  ),
  '',
];
writeFileSync(results('flop.md'), lines.join('\n'));
console.log(lines.join('\n'));
await engine.dispose();

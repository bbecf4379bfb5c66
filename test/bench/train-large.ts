// Train large, then compress: `npx tsx test/bench/train-large.ts [--minutes M] [--sizes S,M,L,XL] [--axes time,flops] …`. It can be stopped and goes on.
//
// Every size trains from random weights on the same text in the same order, for equal time and for equal multiplications. Then its block weights are pruned by
// magnitude in three rounds with short recoveries, and put into codes, and both.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { at, quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel, measureLatency } from '#evaluate';
import { type Model, parameterCounts, parameterSpecs } from '#models';
import { importHuggingFace } from '#store';
import { tensorBytes } from '#tensor';
import { openText, textFromStrings, tokenizeCorpus, tokenizerFromFiles } from '#text';
import { crossEntropyObjective, trainModel, trainSettings } from '#train';
import { chartSvg } from './catalogue/chart.ts';
import { Records } from './catalogue/records.ts';
import { Log } from './train-large/log.ts';
import {
  type Axis,
  axes,
  batchSize,
  keyOf,
  type LargeRecord,
  rounds,
  type Size,
  sequenceLength,
  sizes,
  sparsities,
  type TrainingPlan,
  widths,
} from './train-large/plan.ts';
import { checkStatements } from './train-large/statements.ts';
import { type CurvePoint, planTraining, type TrainingBed, trainedModel } from './train-large/trained-models.ts';
import { benchThreads } from './wiki-model.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

const { values } = parseArgs({
  options: {
    /** Training of each size. */
    minutes: { type: 'string', default: '60' },
    sizes: { type: 'string', default: 'S,M,L,XL' },
    axes: { type: 'string', default: axes.join() },
    /** Training text, several files separated by commas. */
    text: { type: 'string', default: fixture('text/distill.txt') },
    /** Characters of held-out text; all when 0. */
    heldOut: { type: 'string', default: '0' },
    /** Steps after each round of pruning. */
    recovery: { type: 'string', default: '100' },
    seed: { type: 'string', default: '0' },
    /** Models and checkpoints. */
    work: { type: 'string', default: join(tmpdir(), 'athanor-train-large') },
    /** Records, tables and charts. */
    results: { type: 'string', default: fileURLToPath(new URL('results', import.meta.url)) },
  },
});

const minutes = Number(values.minutes);
const recoverySteps = Number(values.recovery);
const seed = Number(values.seed);
const result = (ending: string): string => join(values.results, `train-large${ending}`);
const wantedSizes = sizes.filter(({ name }) => values.sizes.split(',').includes(name));
const wantedAxes = axes.filter((axis) => values.axes.split(',').includes(axis));

const engine = await createOnnxEngine({ device: 'cpu', threads: benchThreads });
const { tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
const tokenizer = tokenizerFromFiles(tokenizerFiles);
const corpus = await tokenizeCorpus(await openText(values.text.split(',')), tokenizer, quietContext);
const heldOutText = readFileSync(fixture('text/evaluate.txt'), 'utf8').slice(0, Number(values.heldOut) || undefined);
const heldOut = await tokenizeCorpus(textFromStrings([heldOutText]), tokenizer, quietContext);
const bed: TrainingBed = {
  engine,
  corpus,
  vocabularySize: tokenizer.vocabularySize,
  endToken: at(tokenizer.endTokens, 0),
  seed,
  folder: values.work,
  tokenizerFiles,
  measure: async (model) => (await evaluateModel(model, { corpus: heldOut, window: 256 }, engine, quietContext)).bitsPerByte,
};

mkdirSync(values.results, { recursive: true });
const records = new Records<LargeRecord>(result('.jsonl'));
const plans = new Log<TrainingPlan>(result('-plans.jsonl'));
const curves = new Log<CurvePoint>(result('-curves.jsonl'));

for (const axis of wantedAxes) for (const size of wantedSizes) await study(axis, size);
await writeReport();
await engine.dispose();

async function study(axis: Axis, size: Size): Promise<void> {
  const plan = await planOf(axis, size);
  const model = await trainedModel(size, plan, bed, (point) => {
    if (!curves.all.some((known) => known.axis === axis && known.model === size.name && known.step === point.step)) curves.add(point);
  });
  for (const sparsity of sparsities) {
    if (widths.every((bits) => records.find(keyOf(axis, size.name, sparsity, bits), 0, seed) !== undefined)) continue;
    const pruned = await prunedModel(model, sparsity);
    for (const bits of widths) {
      if (records.find(keyOf(axis, size.name, sparsity, bits), 0, seed) !== undefined) continue;
      const coded = bits === undefined ? pruned : await applied(pruned, { quantize: { bits } });
      await note(axis, size, sparsity, bits, coded);
    }
  }
}

/** As long as it was decided when it began. */
async function planOf(axis: Axis, size: Size): Promise<TrainingPlan> {
  const known = plans.all.find((plan) => plan.axis === axis && plan.model === size.name);
  if (known !== undefined) return known;
  const [smallest] = wantedSizes;
  const reference = axis === 'time' || smallest === undefined ? undefined : await planOf('time', smallest);
  const plan = await planTraining(axis, size, minutes, bed, reference);
  plans.add(plan);
  return plan;
}

/** A third of the zeros at a time, each third with a recovery on the text, which the model without zeros gets too; what is zero stays zero. */
async function prunedModel(model: Model, sparsity: number): Promise<Model> {
  let current = model;
  for (let round = 1; round <= rounds; round++) {
    if (sparsity > 0)
      current = await applied(current, { prune: { method: 'magnitude', scope: 'global', sparsity: (sparsity * round) / rounds } });
    if (recoverySteps === 0) continue;
    const settings = trainSettings({
      steps: recoverySteps,
      batchSize,
      sequenceLength,
      seed: seed + round,
      learningRate: 3e-4,
      checkpointEvery: 0,
    });
    current = (await trainModel({ model: current, corpus, settings, objective: crossEntropyObjective() }, engine, quietContext)).model;
  }
  return current;
}

async function applied(model: Model, step: object): Promise<Model> {
  return (await compressModel(model, parseRecipe({ steps: [step], seed }, methods), { engine }, quietContext)).model;
}

async function note(axis: Axis, size: Size, sparsity: number, bits: number | undefined, model: Model): Promise<void> {
  const score = await bed.measure(model);
  const [latency] = await measureLatency(model, engine, quietContext, { batches: [1], prefillRuns: 1 });
  const key = keyOf(axis, size.name, sparsity, bits);
  records.add({
    key,
    series: `${size.name}, ${bits === undefined ? 'floats' : `${bits} bits`}`,
    family: size.name,
    size: `${Math.round(100 * sparsity)} %`,
    storedBytes: parameterCounts(model).storedBytes,
    steps: 0,
    seed,
    score,
    axis,
    model: size.name,
    sparsity,
    bits: bits ?? 32,
    blockBytes: blockBytes(model),
    latencyMs: latency?.decodeStepMs ?? 0,
  });
  console.error(`${key}: ${score.toFixed(4)} bits per byte`);
}

function blockBytes(model: Model): number {
  const tables = [...parameterSpecs(model).values()].filter(({ role }) => role === 'embedding');
  const bytes = (path: string): number =>
    Object.values(model.parameters.get(path)?.tensors ?? {}).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  return parameterCounts(model).storedBytes - tables.reduce((sum, { path }) => sum + bytes(path), 0);
}

async function writeReport(): Promise<void> {
  const sections: string[] = [];
  for (const axis of wantedAxes) {
    const own = records.all.filter((record) => record.axis === axis);
    const dense = own.filter(({ sparsity, bits }) => sparsity === 0 && bits === 32);
    const best = Math.min(...dense.map(({ score }) => score));
    const worst = Math.max(...dense.map(({ score }) => score));
    const title = `Train large, then compress, equal ${axis === 'time' ? 'time' : 'multiplications'}`;
    const text = { title, measure: 'bits per byte', limit: worst + (worst - best) + 0.2, sizes: 'log' as const };
    // The tables are as large as the blocks of the small models and are not compressed: bytes of the blocks are what can be compared.
    writeFileSync(
      result(`-${axis}.svg`),
      await chartSvg(
        own.map((record) => ({ ...record, storedBytes: record.blockBytes })),
        best,
        text,
      ),
    );
    sections.push(
      `## ${title}\n\n![bits per byte against the bytes of the blocks](train-large-${axis}.svg)\n\n${trainingTable(axis)}\n\n${cellTable(own)}\n\n${statementLines(axis)}\n`,
    );
  }
  const setting = `${batchSize}x${sequenceLength} tokens a step, ${minutes} minutes a size, ${recoverySteps} steps after each of ${rounds} rounds of pruning, seed ${seed}; ${corpus.bytes.toLocaleString('en')} bytes of text, ${heldOut.bytes.toLocaleString('en')} held out`;
  writeFileSync(
    result('.md'),
    `# Train large, then compress\n\nMade by \`npx tsx test/bench/train-large.ts ${process.argv.slice(2).join(' ')}\` on ${cpus()[0]?.model.trim()}, ${benchThreads} threads. ${setting}.\nBytes are those of the blocks, with bitmaps and scales; tables over the vocabulary are left as they are.\n\n${sections.join('\n')}`,
  );
}

function trainingTable(axis: Axis): string {
  const rows = plans.all
    .filter((plan) => plan.axis === axis && wantedSizes.some(({ name }) => name === plan.model))
    .map(({ model, steps, secondsPerStep, flopsPerStep }) => {
      const curve = curves.all
        .filter((point) => point.axis === axis && point.model === model)
        .map(({ bitsPerByte }) => bitsPerByte.toFixed(3));
      return `| ${model} | ${steps} | ${(steps * secondsPerStep).toFixed(0)} | ${(steps * flopsPerStep).toExponential(2)} | ${curve.join(', ')} |`;
    });
  return `| size | steps | seconds | multiplications and additions | bits per byte at each tenth |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}`;
}

function cellTable(own: readonly LargeRecord[]): string {
  const rows = own.map(({ model, sparsity, bits, blockBytes: blocks, storedBytes, latencyMs, score }) => {
    const before = own.find((record) => record.model === model && record.sparsity === 0 && record.bits === 32)?.score ?? Number.NaN;
    return `| ${model} | ${Math.round(100 * sparsity)} % | ${bits} | ${blocks} | ${storedBytes} | ${latencyMs.toFixed(2)} | ${score.toFixed(4)} | ${(100 * (score / before - 1)).toFixed(2)} % |`;
  });
  return `| size | zeros | bits | bytes of blocks | stored bytes | ms a token | bits per byte | over as trained |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}`;
}

function statementLines(axis: Axis): string {
  return checkStatements(records.all, axis)
    .map(
      ({ claim, holds, figures }) =>
        `- ${holds === undefined ? 'not measured' : holds ? 'holds' : '**contradicted**'}: ${claim} (${figures})`,
    )
    .join('\n');
}

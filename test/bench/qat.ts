// What training wins back of few bits on the small Wikipedia model: `npx tsx test/bench/qat.ts [steps] [seeds] [held-out characters] [part of a key]`.
// It can be stopped and goes on.
import { fileURLToPath } from 'node:url';
import { Records } from './catalogue/records.ts';
import { type Cell, type Claim, runCells, writeTrainedReport } from './trained-cells.ts';
import { openWikiModel } from './wiki-model.ts';

const results = (name: string): string => fileURLToPath(new URL(`results/${name}`, import.meta.url));

const [stepsText = '300', seedsText = '3', charactersText = '0', only = ''] = process.argv.slice(2);
const [steps, numSeeds, characters] = [stepsText, seedsText, charactersText].map(Number);

const { engine, model, corpus, heldOut, bitsPerByte } = await openWikiModel(characters ? { heldOutCharacters: characters } : {});

// Scores over less text are another study.
const file = characters ? 'qat-trial' : 'qat';
const lambdaSteps = Math.floor(steps! / 3);
const training = (teacher: 'none' | undefined, numSteps = steps) => ({
  steps: numSteps,
  batchSize: 4,
  sequenceLength: 128,
  learningRate: 3e-4,
  warmupSteps: Math.min(30, Math.floor(numSteps! / 10)),
  checkpointEvery: 0,
  ...(teacher === undefined ? {} : { teacher }),
});

const trained = (key: string, settings: object, parts: readonly ('QAT' | 'QAT+KD')[] = ['QAT', 'QAT+KD'], ofAll = steps!): Cell[] =>
  parts.map((part) => ({
    key: `${key}, ${part}`,
    steps: ofAll,
    recipe: () => [{ qat: { ...settings, training: training(part === 'QAT' ? 'none' : undefined) } }],
  }));
const rounded = (key: string, settings: object): Cell => ({ key: `${key}, PTQ`, steps: 0, recipe: () => [{ quantize: settings }] });

const cells: readonly Cell[] = [
  { key: 'as it is', steps: 0, recipe: () => [] },
  { key: 'floats, trained', steps: steps!, recipe: () => [{ distill: training('none') }] },
  { key: 'floats, trained with KD', steps: steps!, recipe: () => [{ distill: training(undefined) }] },
  rounded('int8', { method: 'dynamic' }),
  ...trained('int8', { bits: 8, activations: 'dynamic' }),
  ...trained('int8, learned', { bits: 8, stepSize: 'learned', activations: 'learned' }, ['QAT+KD']),
  ...[4, 3, 2].flatMap((bits) => [
    rounded(`${bits} bits`, { bits }),
    ...trained(`${bits} bits`, { bits }),
    ...trained(`${bits} bits, learned`, { bits, stepSize: 'learned' }, ['QAT+KD']),
  ]),
  rounded('ternary', { scheme: 'ternary' }),
  ...trained('ternary', { scheme: 'ternary', activations: 'token' }),
  ...trained('BitNet', { scheme: 'ternary', threshold: 'absmean', activations: 'token', lambdaSteps }),
  ...trained('BitNet, λ = 1', { scheme: 'ternary', threshold: 'absmean', activations: 'token' }, ['QAT+KD']),
  rounded('binary', { scheme: 'binary' }),
  ...trained('binary', { scheme: 'binary', split: false }, ['QAT+KD']),
  ...trained('binary, split', { scheme: 'binary' }, ['QAT+KD'], 2 * steps!),
  {
    key: 'half the width, binary, split, QAT+KD',
    steps: 3 * steps!,
    recipe: () => [
      { prune: { structure: 'heads', ratio: 0.5, importance: 'magnitude' } },
      { prune: { structure: 'ffn', ratio: 0.5, importance: 'magnitude' } },
      { distill: training(undefined) },
      { qat: { scheme: 'binary', training: training(undefined) } },
    ],
  },
];

const claims: readonly Claim[] = [
  { text: 'int8 loses next to nothing', order: ['int8, QAT+KD', 'floats, trained with KD'], slack: 0.005 },
  ...['4 bits', '3 bits', '2 bits', 'ternary'].map((what) => ({
    text: `training wins back: ${what}`,
    order: [`${what}, QAT+KD`, `${what}, PTQ`],
  })),
  ...['4 bits', '3 bits', '2 bits', 'ternary', 'BitNet'].map((what) => ({
    text: `the teacher helps: ${what}`,
    order: [`${what}, QAT+KD`, `${what}, QAT`],
  })),
  {
    text: 'fewer bits lose more, and trained binary is far better than rounded 2 bits',
    order: ['4 bits, QAT+KD', '3 bits, QAT+KD', 'ternary, QAT+KD', 'half the width, binary, split, QAT+KD', '2 bits, PTQ'],
  },
  { text: 'rounded ternary is broken as rounded 2 bits are', order: ['2 bits, PTQ', 'ternary, PTQ'] },
  { text: 'learned steps win at 2 bits', order: ['2 bits, learned, QAT+KD', '2 bits, QAT+KD'] },
  { text: 'binary from split ternary is better than binary at once', order: ['binary, split, QAT+KD', 'binary, QAT+KD'] },
  { text: 'the λ warm-up makes no difference', order: ['BitNet, QAT+KD', 'BitNet, λ = 1, QAT+KD'], slack: 0.005 },
];

const records = new Records(results(`${file}.jsonl`));
const seeds = Array.from({ length: numSeeds! }, (_, seed) => seed);
await runCells({ engine, model, corpus, score: bitsPerByte }, cells, seeds, only, records);
writeTrainedReport(cells, claims, records, {
  title: 'Quantization-aware training on wiki-gpt2-7m',
  measure: 'bits per byte',
  setting: `\`npx tsx test/bench/qat.ts ${steps} ${numSeeds}\`: ${steps} steps of 4x128 tokens (binary split: twice), α 0.9, learning rate 3e-4, groups of 32, all block matrices; ${heldOut.bytes.toLocaleString('en')} held-out bytes.`,
  path: results(`${file}.md`),
});
await engine.dispose();

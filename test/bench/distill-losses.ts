// Which losses teach most in equal steps: students of half the layers, from their teacher's layers and from random weights. It can be stopped and goes on.
// Usage: npx tsx test/bench/distill-losses.ts [wiki|FOLDER of MiniLM fine-tuned on SST-2] [steps] [seeds] [part of a key] [held-out characters of wiki]

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { type DistillSettings, distillModel, distillSettings } from '#distill';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { initializeModel, type Model, parameterCounts, taskOf } from '#models';
import { importHuggingFace } from '#store';
import { lossFields } from '#teaching';
import { encodeLabelled, readLabelled, SentenceEncoder, tokenizerFromFiles } from '#text';
import { fineTuneDefaults, type TrainingData } from '#train';
import { sharedFolder } from '../support/shared.ts';
import { Records, type StudyRecord } from './catalogue/records.ts';
import { openWikiModel } from './wiki-model.ts';

interface Subject {
  readonly engine: Engine;
  readonly teacher: Model;
  readonly corpus: TrainingData;
  readonly measure: string;
  readonly settings: Partial<DistillSettings>;
  /** Of students that begin at random. */
  readonly learningRateFromRandom: number;
  /** Less is better. */
  score(model: Model): Promise<number>;
}

async function openWiki(heldOutCharacters: number | undefined): Promise<Subject> {
  const {
    engine,
    model: teacher,
    corpus,
    bitsPerByte,
  } = await openWikiModel({
    windows: 8,
    ...(heldOutCharacters === undefined ? {} : { heldOutCharacters }),
  });
  const settings = { batchSize: 8, sequenceLength: 128, learningRate: 5e-4, warmupSteps: 30 };
  return { engine, teacher, corpus, measure: 'bits per byte', settings, learningRateFromRandom: 1e-3, score: bitsPerByte };
}

async function openSst2(folder: string): Promise<Subject> {
  if (sharedFolder === undefined) throw new Error('SST-2 is read from ../shared/data/classification, which is not there');
  const shared = sharedFolder;
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  const { model: teacher, tokenizerFiles } = await importHuggingFace(folder);
  const task = taskOf(teacher.config);
  if (task.kind !== 'classify') throw new Error(`${folder}: is no classifier`);
  const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), 64);
  const read = async (name: string) => {
    const rows = await readLabelled(join(shared, 'data/classification/sst2', name), { text: 'sentence', label: 'label' });
    return await encodeLabelled(rows, task.labels, sentences, quietContext);
  };
  const [texts, heldOut] = [await read('train.tsv'), await read('dev.tsv')];
  return {
    engine,
    teacher,
    corpus: { texts },
    measure: 'errors, %',
    settings: { ...fineTuneDefaults, sequenceLength: 64, learningRate: 1e-4, warmupSteps: 10 },
    learningRateFromRandom: 1e-4,
    score: async (model) => 100 * (1 - (await evaluateClassifier(model, { texts: heldOut }, engine, quietContext)).accuracy),
  };
}

const logits = { kind: 'logits', weight: 1 };
const hidden = { kind: 'hidden', layers: 'uniform' };
const relations = { kind: 'relation', of: 'minilmv2' };
/** From what should teach least to what should teach most; the last ones stand beside that order. */
const learnt: Readonly<Record<string, Pick<DistillSettings, 'balance'> & { readonly losses: readonly object[] }>> = {
  labels: { losses: [{ kind: 'labels' }] },
  hidden: { losses: [hidden] },
  logits: { losses: [logits] },
  'logits + hidden': { losses: [logits, hidden] },
  'logits + relations': { losses: [logits, relations] },
  'logits + hidden, balanced': { losses: [logits, hidden], balance: 'gradientNorm' },
  'logits + attention': { losses: [logits, { kind: 'attention', layers: 'uniform' }] },
  'logits + minilm': { losses: [logits, { kind: 'relation', of: 'minilm' }] },
  'distilbert (5 logits, 2 labels, 1 cosine)': {
    losses: [
      { kind: 'logits', weight: 5, temperature: 2 },
      { kind: 'labels', weight: 2 },
      { kind: 'hidden', distance: 'cosine', layers: [[-1, -1]] },
    ],
  },
};
const starts = ['layers of the teacher', 'random'] as const;
/** Which should end better than which, in every start. */
const orderings = [
  ['hidden', 'labels'],
  ['logits', 'hidden'],
  ['logits + hidden', 'logits'],
  ['logits + relations', 'logits'],
] as const;

const [where = 'wiki', stepsText = '500', seedsText = '3', only = '', charactersText] = process.argv.slice(2);
const [steps, numSeeds] = [Number(stepsText), Number(seedsText)];
// Scores of another text are not compared with those of the whole: they have files of their own.
const subjectName = where === 'wiki' ? `wiki${charactersText === undefined ? '' : `-${charactersText}`}` : 'sst2';
const subject = await (where === 'wiki' ? openWiki(charactersText === undefined ? undefined : Number(charactersText)) : openSst2(where));
const { engine, teacher, corpus } = subject;
const results = (ending: string): string => fileURLToPath(new URL(`results/distill-losses-${subjectName}.${ending}`, import.meta.url));
const records = new Records(results('jsonl'));
const keyOf = (start: string, name: string): string => `${start}: ${name}`;

const recipe = parseRecipe({ steps: [{ prune: { structure: 'layers', ratio: 0.5, importance: 'spacing' } }] }, methods);
const dropped = (await compressModel(teacher, recipe, { engine }, quietContext)).model;

function note(key: string, model: Model, of: Pick<StudyRecord, 'steps' | 'seed' | 'score'>): void {
  records.add({ key, series: key, family: 'distillation', size: '', storedBytes: parameterCounts(model).storedBytes, ...of });
  console.error(`${key}, ${of.steps} steps, seed ${of.seed}: ${of.score.toFixed(4)}`);
}

if (records.find('teacher', 0, 0) === undefined) note('teacher', teacher, { steps: 0, seed: 0, score: await subject.score(teacher) });
if (records.find('student', 0, 0) === undefined) note('student', dropped, { steps: 0, seed: 0, score: await subject.score(dropped) });
for (let seed = 0; seed < numSeeds; seed++)
  for (const start of starts)
    for (const [name, { losses, ...options }] of Object.entries(learnt)) {
      const key = keyOf(start, name);
      if (!key.includes(only) || records.find(key, steps, seed) !== undefined) continue;
      const student = start === 'random' ? initializeModel(dropped.config, new Random(seed)) : dropped;
      const rate = start === 'random' ? { learningRate: subject.learningRateFromRandom } : {};
      const parsed = lossFields.losses.parse(losses) ?? [];
      const settings = distillSettings({ ...subject.settings, ...rate, ...options, losses: parsed, steps, seed, checkpointEvery: 0 });
      const { model } = await distillModel({ student, teacher, corpus, settings }, engine, quietContext);
      note(key, model, { steps, seed, score: await subject.score(model) });
    }

const scores = (key: string): number[] => {
  const found = records.all.filter((record) => record.key === key && record.steps === steps);
  return found.sort((left, right) => left.seed - right.seed).map(({ score }) => score);
};
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const cell = (values: readonly number[]): string => {
  if (values.length === 0) return '-';
  const spread = Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) * (values.length / Math.max(1, values.length - 1)));
  return values.length === 1 ? mean(values).toFixed(4) : `${mean(values).toFixed(4)} ± ${spread.toFixed(4)}`;
};
const before = (key: string): string => records.find(key, 0, 0)?.score.toFixed(4) ?? '-';
const lines = [
  `# Losses of a distillation: ${subjectName}`,
  '',
  `${subject.measure}, less is better; ${steps} steps. The teacher has ${before('teacher')}, half of its layers without training ${before('student')}.`,
  `\`npx tsx test/bench/distill-losses.ts ${where === 'wiki' ? 'wiki' : 'FOLDER'} ${steps} ${numSeeds}\``,
  '',
  `| learnt | ${starts.join(' | ')} |`,
  `| --- | ${starts.map(() => '---').join(' | ')} |`,
  ...Object.keys(learnt).map((name) => `| ${name} | ${starts.map((start) => cell(scores(keyOf(start, name)))).join(' | ')} |`),
  '',
  '| expected better than | in seeds, from layers of the teacher | in seeds, from random |',
  '| --- | --- | --- |',
  ...orderings.map(([better, worse]) => {
    const held = starts.map((start) => {
      const [first, second] = [scores(keyOf(start, better)), scores(keyOf(start, worse))];
      const pairs = first.slice(0, second.length).map((score, seed) => score < (second[seed] ?? Number.NaN));
      return pairs.length === 0 ? '-' : `${pairs.filter(Boolean).length} of ${pairs.length}`;
    });
    return `| ${better} than ${worse} | ${held.join(' | ')} |`;
  }),
];
await writeFile(results('md'), `${lines.join('\n')}\n`);
console.log(lines.join('\n'));
await engine.dispose();

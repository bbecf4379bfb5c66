// Pruning that is learnt against magnitude at one go, at equal training: `npx tsx test/bench/movement.ts wiki|FOLDER [steps] [seeds] [held-out characters] [part of a key]`.
// FOLDER holds MiniLM fine-tuned on SST-2 (`fine-tune-sst2.ts --out FOLDER` makes it). It can be stopped and goes on.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { taskOf } from '#models';
import { importHuggingFace } from '#store';
import { encodeLabelled, type LabelledText, readLabelled, SentenceEncoder, tokenizerFromFiles } from '#text';
import { sharedFolder } from '../support/shared.ts';
import { Records } from './catalogue/records.ts';
import { type Cell, type Claim, runCells, type TrainedSubject, writeTrainedReport } from './trained-cells.ts';
import { openWikiModel } from './wiki-model.ts';

const results = (name: string): string => fileURLToPath(new URL(`results/${name}`, import.meta.url));

const [subjectName = 'wiki', stepsText = '300', seedsText = '3', charactersText = '0', only = ''] = process.argv.slice(2);
const [steps, numSeeds, characters] = [Number(stepsText), Number(seedsText), Number(charactersText)];

interface Study {
  readonly subject: TrainedSubject;
  readonly training: object;
  readonly measure: string;
  readonly name: string;
}

async function languageModel(): Promise<Study> {
  const { engine, model, corpus, bitsPerByte } = await openWikiModel(characters > 0 ? { heldOutCharacters: characters } : {});
  const training = { batchSize: 4, sequenceLength: 128, learningRate: 3e-4, warmupSteps: Math.min(30, Math.floor(steps / 10)) };
  return { subject: { engine, model, corpus, score: bitsPerByte }, training, measure: 'bits per byte', name: 'wiki-gpt2-7m' };
}

async function classifier(folder: string): Promise<Study> {
  if (sharedFolder === undefined) throw new Error('SST-2 is read from ../shared/data/classification, which is not there');
  const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
  const { model, tokenizerFiles } = await importHuggingFace(folder);
  const task = taskOf(model.config);
  if (task.kind !== 'classify') throw new Error(`${folder}: is no classifier`);
  const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), 64);
  const read = async (name: string): Promise<LabelledText[]> => {
    const rows = await readLabelled(join(sharedFolder ?? '', 'data/classification/sst2', name), { text: 'sentence', label: 'label' });
    return await encodeLabelled(rows, task.labels, sentences, quietContext);
  };
  const [texts, heldOut] = [await read('train.tsv'), await read('dev.tsv')];
  const score: TrainedSubject['score'] = async (which) =>
    100 * (1 - (await evaluateClassifier(which, { texts: heldOut }, engine, quietContext)).accuracy);
  const training = {
    batchSize: 32,
    sequenceLength: 64,
    learningRate: 1e-4,
    warmupSteps: Math.min(10, Math.floor(steps / 10)),
    temperature: 2,
  };
  return { subject: { engine, model, corpus: { texts }, score }, training, measure: 'errors, %', name: 'MiniLM on SST-2' };
}

const { subject, training, measure, name } = subjectName === 'wiki' ? await languageModel() : await classifier(subjectName);

const full = { ...training, steps, checkpointEvery: 0 };
const warmupSteps = Math.floor(steps / 20);
const cooldownSteps = Math.floor(steps / 3);
const learned = (method: string, sparsity: number): Cell => ({
  key: `${method} ${100 * sparsity} %`,
  steps,
  recipe: () => [{ prune: { method, sparsity, warmupSteps, cooldownSteps, training: full } }],
});

const sparsities = [0.5, 0.85, 0.95];
const cells: readonly Cell[] = [
  { key: 'as it is', steps: 0, recipe: () => [] },
  { key: 'dense, trained', steps, recipe: () => [{ distill: full }] },
  ...sparsities.flatMap((sparsity) => [
    { key: `magnitude ${100 * sparsity} %`, steps: 0, recipe: () => [{ prune: { sparsity } }] },
    { key: `magnitude, then trained ${100 * sparsity} %`, steps, recipe: () => [{ prune: { sparsity } }, { distill: full }] },
    learned('gradual', sparsity),
    learned('movement', sparsity),
  ]),
  {
    key: 'soft movement',
    steps,
    recipe: () => [{ prune: { method: 'softMovement', warmupSteps, cooldownSteps, penalty: 10, training: full } }],
  },
];

const claims: readonly Claim[] = sparsities.flatMap((sparsity) => {
  const share = `${100 * sparsity} %`;
  return [
    {
      text: `gradual is better than magnitude at one go, both trained, at ${share}`,
      order: [`gradual ${share}`, `magnitude, then trained ${share}`],
    },
    ...(sparsity > 0.8
      ? [{ text: `movement is better than gradual magnitude at ${share}`, order: [`movement ${share}`, `gradual ${share}`] }]
      : [{ text: `magnitude is as good as movement at ${share}`, order: [`gradual ${share}`, `movement ${share}`], slack: 0.005 }]),
  ];
});

// Scores over less text are another study.
const trial = characters > 0 ? '-trial' : '';
const file = subjectName === 'wiki' ? `movement-language-model${trial}` : 'movement-classifier';
const records = new Records(results(`${file}.jsonl`));
const seeds = Array.from({ length: numSeeds }, (_, seed) => seed);
await runCells(subject, cells, seeds, only, records);
writeTrainedReport(cells, claims, records, {
  title: `Learned pruning of ${name}`,
  measure,
  setting: `\`npx tsx test/bench/movement.ts ${subjectName === 'wiki' ? 'wiki' : 'FOLDER'} ${steps} ${numSeeds}\`: ${steps} steps towards the model as it was (α 0.9), zeros from step ${warmupSteps} on, all of them for the last ${cooldownSteps}; all block matrices.`,
  path: results(`${file}.md`),
});
await subject.engine.dispose();

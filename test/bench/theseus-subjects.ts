// What the study of module replacing is measured on: fine-tuned classifiers of texts, and a language model.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment } from '#compress';
import type { Engine } from '#engine';
import { evaluateClassifier, evaluateModel } from '#evaluate';
import type { Model } from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import {
  distinctLabels,
  encodeLabelled,
  type LabelledColumns,
  openText,
  readLabelled,
  SentenceEncoder,
  textFromStrings,
  tokenizeCorpus,
  tokenizerFromFiles,
} from '#text';
import type { TrainingData } from '#train';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { miniLmFolder } from '../support/minilm.ts';
import { sharedFolder } from '../support/shared.ts';

export const subjectNames = ['wiki', 'sst2', 'cola', 'rte'] as const;
export type SubjectName = (typeof subjectNames)[number];

export interface SubjectOptions {
  /** Steps that the predecessor of a classifier is fine-tuned for. */
  readonly predecessorSteps: number;
  /** Of training, and of measuring; all when 0. */
  readonly rows: number;
  /** Where fine-tuned predecessors are kept. */
  readonly folder: string;
}

/** A trained model with six layers, and how its successors are trained and measured. */
export interface Subject {
  readonly name: SubjectName;
  readonly task: 'classify' | 'causal';
  readonly predecessor: Model;
  /** For example `accuracy`. */
  readonly measure: string;
  readonly lessIsBetter: boolean;
  /** Fields of the training that every method has. */
  readonly training: Readonly<Record<string, unknown>>;
  run(steps: readonly object[], seed: number): Promise<Model>;
  score(model: Model): Promise<number>;
}

interface ClassifierSource {
  readonly columns: LabelledColumns;
  readonly measure: 'accuracy' | 'matthews';
  readonly sequenceLength: number;
}

const classifiers: Readonly<Record<Exclude<SubjectName, 'wiki'>, ClassifierSource>> = {
  sst2: { columns: { text: 'sentence', label: 'label' }, measure: 'accuracy', sequenceLength: 64 },
  cola: {
    columns: { columns: ['source', 'label', 'mark', 'sentence'], text: 'sentence', label: 'label' },
    measure: 'matthews',
    sequenceLength: 48,
  },
  rte: { columns: { text: 'sentence1', pair: 'sentence2', label: 'label' }, measure: 'accuracy', sequenceLength: 128 },
};

const classifierTraining = { batchSize: 32, learningRate: 1e-4, checkpointEvery: 0 };
const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

export function openSubject(engine: Engine, name: SubjectName, options: SubjectOptions): Promise<Subject> {
  return name === 'wiki' ? openWiki(engine, options) : openClassifier(engine, name, options);
}

async function openWiki(engine: Engine, { rows }: SubjectOptions): Promise<Subject> {
  const { model, tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const corpus = await tokenizeCorpus(await openText([fixture('text/distill.txt')]), tokenizer, quietContext);
  const heldOutText = await openText([fixture('text/evaluate.txt')]);
  const whole = await tokenizeCorpus(heldOutText, tokenizer, quietContext);
  let heldOut = whole;
  if (rows > 0) {
    const parts: string[] = [];
    for await (const part of heldOutText.documents(quietContext.signal)) parts.push(part);
    heldOut = await tokenizeCorpus(textFromStrings([parts.join('\n').slice(0, 100 * rows)]), tokenizer, quietContext);
  }
  return {
    name: 'wiki',
    task: 'causal',
    predecessor: model,
    measure: 'bits per byte',
    lessIsBetter: true,
    training: { batchSize: 8, sequenceLength: 128, learningRate: 3e-4, checkpointEvery: 0 },
    run: (steps, seed) => runRecipe(engine, model, corpus, undefined, steps, seed),
    score: async (which) =>
      (await evaluateModel(which, { corpus: heldOut, window: 256, stride: 256, latency: false }, engine, quietContext)).bitsPerByte,
  };
}

async function openClassifier(engine: Engine, name: Exclude<SubjectName, 'wiki'>, options: SubjectOptions): Promise<Subject> {
  if (sharedFolder === undefined) throw new Error(`${name} is read from ../shared/data/classification, which is not there`);
  const found = await miniLmFolder();
  if ('missing' in found) throw new Error(found.missing);
  const { model: encoder, tokenizerFiles } = await importHuggingFace(found.folder);
  const { columns, measure, sequenceLength } = classifiers[name];
  const read = async (file: string) => {
    const rows = await readLabelled(join(sharedFolder ?? '', 'data/classification', name, file), columns);
    if (options.rows === 0) return rows;
    return Array.from(new Random(0).permutation(rows.length).slice(0, options.rows), (row) => rows[row]!);
  };
  const [trainRows, devRows] = [await read('train.tsv'), await read('dev.tsv')];
  const labels = distinctLabels(trainRows);
  const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), sequenceLength);
  const data: TrainingData = { texts: await encodeLabelled(trainRows, labels, sentences, quietContext) };
  const dev = await encodeLabelled(devRows, labels, sentences, quietContext);
  const training = { ...classifierTraining, sequenceLength };
  const { predecessorSteps } = options;
  const kept = join(options.folder, `${name}-${options.rows}-${predecessorSteps}`);
  if (!existsSync(kept)) {
    const step = { finetune: { task: 'classify', ...training, steps: predecessorSteps, warmupSteps: Math.ceil(predecessorSteps / 16) } };
    await exportHuggingFace(await runRecipe(engine, encoder, data, labels, [step], 0), tokenizerFiles, kept);
  }
  const { model: predecessor } = await importHuggingFace(kept);
  return {
    name,
    task: 'classify',
    predecessor,
    measure,
    lessIsBetter: false,
    training,
    run: (steps, seed) => runRecipe(engine, predecessor, data, labels, steps, seed),
    score: async (which) => (await evaluateClassifier(which, { texts: dev }, engine, quietContext))[measure],
  };
}

async function runRecipe(
  engine: Engine,
  model: Model,
  corpus: TrainingData,
  labels: readonly string[] | undefined,
  steps: readonly object[],
  seed: number,
): Promise<Model> {
  const recipe = parseRecipe({ steps, seed }, recipeMethods);
  const training = new RecipeTraining({ engine, corpus, labels, seed, teacher: async () => model });
  const environment: RecipeEnvironment = { engine, ofStep: () => ({ training }) };
  return (await compressModel(model, recipe, environment, quietContext)).model;
}

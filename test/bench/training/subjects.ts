// What the studies of training are measured on: the small Wikipedia model, and MiniLM as a classifier of short texts.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietContext, Random } from '#base';
import { type Calibration, compressModel, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { type Model, withTask } from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import { int64 } from '#tensor';
import {
  distinctLabels,
  encodeLabelled,
  type LabelledColumns,
  type LabelledText,
  padTexts,
  readLabelled,
  SentenceEncoder,
  tokenizerFromFiles,
} from '#text';
import type { TrainingData } from '#train';
import { recipeMethods } from '../../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../../src/jobs/recipe-training.ts';
import { miniLmFolder } from '../../support/minilm.ts';
import { sharedFolder } from '../../support/shared.ts';
import { benchThreads, openWikiModel } from '../wiki-model.ts';

/** A trained model, its text, and how its students are trained and measured. */
export interface Subject {
  readonly engine: Engine;
  readonly task: 'classify' | 'causal';
  readonly model: Model;
  readonly corpus: TrainingData;
  /** Of a classifier. */
  readonly labels?: readonly string[];
  readonly calibration: Calibration;
  readonly measure: string;
  /** In words, for the head of a table. */
  readonly name: string;
  /** Fields of the training that every method has. */
  readonly training: Readonly<Record<string, unknown>>;
  /** Less is better. */
  score(model: Model): Promise<number>;
}

/** Half of the text: a score then takes a tenth of the time of a training. */
const heldOutCharacters = 100_000;

/** Bits per byte of held-out Wikipedia text; batches of 4x128 tokens. */
export async function openWiki(rows: number): Promise<Subject> {
  const { engine, model, corpus, calibration, bitsPerByte } = await openWikiModel({
    windows: 64,
    heldOutCharacters: rows > 0 ? 100 * rows : heldOutCharacters,
  });
  return {
    engine,
    task: 'causal',
    model,
    corpus,
    calibration,
    measure: 'bits per byte',
    name: 'wiki-gpt2-7m',
    training: { batchSize: 4, sequenceLength: 128, learningRate: 3e-4, checkpointEvery: 0 },
    score: bitsPerByte,
  };
}

const classifiers = {
  sst2: { title: 'SST-2', columns: { text: 'sentence', label: 'label' }, measure: 'accuracy', sequenceLength: 64, tuningSteps: 600 },
  cola: {
    title: 'CoLA',
    columns: { columns: ['source', 'label', 'mark', 'sentence'], text: 'sentence', label: 'label' },
    measure: 'matthews',
    sequenceLength: 48,
    tuningSteps: 600,
  },
  rte: {
    title: 'RTE',
    columns: { text: 'sentence1', pair: 'sentence2', label: 'label' },
    measure: 'accuracy',
    sequenceLength: 128,
    tuningSteps: 240,
  },
} as const satisfies Record<string, ClassifierFacts>;
export type ClassifierName = keyof typeof classifiers;

interface ClassifierFacts {
  readonly title: string;
  readonly columns: LabelledColumns;
  readonly measure: 'accuracy' | 'matthews';
  readonly sequenceLength: number;
  /** Steps that MiniLM is fine-tuned for, once; the result is kept in the temporary folder. For RTE three passes over its pairs. */
  readonly tuningSteps: number;
}

const batchSize = 32;

/** Errors in per cent (for CoLA, 100 less Matthews' correlation in per cent); batches of 32 texts. `tuned: false`: the encoder, with a head that knows nothing. */
export async function openClassifier(name: ClassifierName, rows: number, { tuned = true } = {}): Promise<Subject> {
  if (sharedFolder === undefined) throw new Error(`${name} is read from ../shared/data/classification, which is not there`);
  const folder = join(sharedFolder, 'data/classification', name);
  const found = await miniLmFolder();
  if ('missing' in found) throw new Error(found.missing);
  const engine = await createOnnxEngine({ device: 'cpu', threads: benchThreads });
  const { model: encoder, tokenizerFiles } = await importHuggingFace(found.folder);
  const { title, columns, measure, sequenceLength, tuningSteps } = classifiers[name];
  const read = async (file: string) => {
    const all = await readLabelled(join(folder, file), columns);
    return rows === 0 ? all : Array.from(new Random(0).permutation(all.length).slice(0, rows), (row) => all[row]!);
  };
  const [trainRows, devRows] = [await read('train.tsv'), await read('dev.tsv')];
  const labels = distinctLabels(trainRows);
  const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), sequenceLength);
  const texts = await encodeLabelled(trainRows, labels, sentences, quietContext);
  const dev = await encodeLabelled(devRows, labels, sentences, quietContext);
  const training = { batchSize, sequenceLength, learningRate: 1e-4, checkpointEvery: 0 };
  const fineTuned = async (): Promise<Model> => {
    const kept = join(tmpdir(), 'athanor-bench-classifiers', `${name}-${rows}-${tuningSteps}`);
    if (!existsSync(kept)) {
      const step = { finetune: { task: 'classify', ...training, steps: tuningSteps, warmupSteps: Math.ceil(tuningSteps / 16) } };
      const material = new RecipeTraining({ engine, corpus: { texts }, labels, seed: 0, teacher: async () => encoder });
      const recipe = parseRecipe({ steps: [step], seed: 0 }, recipeMethods);
      const { model } = await compressModel(encoder, recipe, { engine, ofStep: () => ({ training: material }) }, quietContext);
      await exportHuggingFace(model, tokenizerFiles, kept);
    }
    return (await importHuggingFace(kept)).model;
  };
  return {
    engine,
    task: 'classify',
    model: tuned ? await fineTuned() : withTask(encoder, { kind: 'classify', labels }, new Random(0)),
    corpus: { texts },
    labels,
    calibration: labelledCalibration(engine, texts.slice(0, 256)),
    measure: measure === 'matthews' ? '100 less Matthews’ correlation, %' : 'errors, %',
    name: `MiniLM on ${title}`,
    training,
    score: async (which) => 100 * (1 - (await evaluateClassifier(which, { texts: dev }, engine, quietContext))[measure]),
  };
}

function labelledCalibration(engine: Engine, texts: readonly LabelledText[]): Calibration {
  return new WindowCalibration(engine, async function* () {
    for (let start = 0; start < texts.length; start += 16) {
      const part = texts.slice(start, start + 16);
      const longest = part.reduce((most, { ids }) => Math.max(most, ids.length), 0);
      yield {
        ...padTexts(part, longest, 0),
        labels: int64(
          [part.length],
          part.map(({ label }) => label),
        ),
      };
    }
  });
}

// Fine-tunes all-MiniLM-L6-v2 on SST-2 with the project's own trainer and prints accuracy on the development set; saves the model if asked.
// Usage: tsx test/bench/fine-tune-sst2.ts [--steps N] [--batch B] [--rate R] [--seed S] [--rows N] [--every N] [--out FOLDER]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '#base';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { withTask } from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import { distinctLabels, encodeLabelled, readLabelled, SentenceEncoder, tokenizerFromFiles } from '#text';
import { fineTuneDefaults, fineTuneModel, trainSettings } from '#train';
import { miniLmFolder } from '../support/minilm.ts';
import { sharedFolder } from '../support/shared.ts';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '600' },
    batch: { type: 'string', default: '32' },
    rate: { type: 'string', default: '1e-4' },
    seed: { type: 'string', default: '0' },
    /** Steps between measurements on the development set; 0 for one at the end. */
    every: { type: 'string', default: '200' },
    /** Rows of the training set; all by default. */
    rows: { type: 'string', default: '0' },
    /** A folder that does not exist yet, for the model in Hugging Face's layout. */
    out: { type: 'string' },
  },
});

const sequenceLength = 64;

if (sharedFolder === undefined) throw new Error('SST-2 is read from ../shared/data/classification, which is not there');
const found = await miniLmFolder();
if ('missing' in found) throw new Error(found.missing);
const { model: encoder, tokenizerFiles } = await importHuggingFace(found.folder);

const signal = new AbortController().signal;
const quiet = { signal, report: () => {} };
const read = (name: string) =>
  readLabelled(join(sharedFolder ?? '', 'data/classification/sst2', name), { text: 'sentence', label: 'label' }, signal);
const [trainRows, devRows] = [await read('train.tsv'), await read('dev.tsv')];
const seed = Number(values.seed);
const chosen =
  Number(values.rows) === 0
    ? trainRows
    : Array.from(new Random(seed).permutation(trainRows.length).slice(0, Number(values.rows)), (row) => trainRows[row]!);
const labels = distinctLabels(devRows);
const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), sequenceLength);
const started = performance.now();
const [texts, dev] = [await encodeLabelled(chosen, labels, sentences, quiet), await encodeLabelled(devRows, labels, sentences, quiet)];
console.log(`${texts.length} sentences encoded in ${((performance.now() - started) / 1000).toFixed(1)} s`);

const model = withTask(encoder, { kind: 'classify', labels }, new Random(seed));
const settings = trainSettings({
  ...fineTuneDefaults,
  steps: Number(values.steps),
  batchSize: Number(values.batch),
  learningRate: Number(values.rate),
  warmupSteps: Math.ceil(Number(values.steps) / 16),
  sequenceLength,
  seed,
  checkpointEvery: 0,
});
const engine = await createOnnxEngine({ device: 'cpu' });
const measure = async (step: number, which: typeof model): Promise<void> => {
  const { accuracy, f1, matthews, lossNats, examples } = await evaluateClassifier(which, { texts: dev }, engine, quiet);
  const figures = { accuracy, f1, matthews, lossNats };
  const printed = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(4)}`);
  console.log(`step ${step}: ${printed.join(', ')} on ${examples} sentences`);
};

await measure(0, model);
const every = Number(values.every);
const { model: trained, seconds } = await fineTuneModel(
  {
    model,
    texts,
    settings,
    afterStep: async (step, current) => {
      if (every > 0 && step % every === 0 && step < settings.steps) await measure(step, current());
    },
  },
  engine,
  {
    signal,
    report: ({ step = 0, total = 0, metrics = {} }) => {
      if (step % 20 === 0)
        console.log(
          `${step}/${total}: loss ${Number(metrics['meanLoss']).toFixed(4)}, ${Number(metrics['tokensPerSecond']).toFixed(0)} tokens/s`,
        );
    },
  },
);
console.log(`${settings.steps} steps in ${seconds.toFixed(1)} s`);
await measure(settings.steps, trained);
if (values.out !== undefined) await exportHuggingFace(trained, tokenizerFiles, values.out);
await engine.dispose();

// The study on a classifier: MiniLM fine-tuned on SST-2 (`test/bench/fine-tune-sst2.ts --out FOLDER` makes it). It can be stopped and goes on.
// Usage: npx tsx test/bench/catalogue/classifier.ts FOLDER [steps] [seeds] [part of a key] [backwards]
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext, Random } from '#base';
import { WindowCalibration } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateClassifier } from '#evaluate';
import { taskOf } from '#models';
import { importHuggingFace } from '#store';
import { int64 } from '#tensor';
import { encodeLabelled, type LabelledText, padTexts, readLabelled, SentenceEncoder, tokenizerFromFiles } from '#text';
import { fineTuneDefaults } from '#train';
import { sharedFolder } from '../../support/shared.ts';
import { benchThreads } from '../wiki-model.ts';
import { studyCases } from './plan.ts';
import { Records } from './records.ts';
import { writeReport } from './report.ts';
import { runStudy, type Subject } from './study.ts';

const results = (name: string): string => fileURLToPath(new URL(`../results/${name}`, import.meta.url));

const [folder = '', stepsText = '100', seedsText = '1', only = '', direction = ''] = process.argv.slice(2);
const [steps, numSeeds] = [Number(stepsText), Number(seedsText)];
if (sharedFolder === undefined) throw new Error('SST-2 is read from ../shared/data/classification, which is not there');

const sequenceLength = 64;
const engine = await createOnnxEngine({ device: 'cpu', threads: benchThreads });
const { model: teacher, tokenizerFiles } = await importHuggingFace(folder);
const task = taskOf(teacher.config);
if (task.kind !== 'classify') throw new Error(`${folder}: is no classifier`);
const { labels } = task;
const sentences = new SentenceEncoder(tokenizerFromFiles(tokenizerFiles), sequenceLength);
const read = async (name: string): Promise<LabelledText[]> => {
  const path = join(sharedFolder ?? '', 'data/classification/sst2', name);
  return await encodeLabelled(await readLabelled(path, { text: 'sentence', label: 'label' }), labels, sentences, quietContext);
};
const [texts, heldOut] = [await read('train.tsv'), await read('dev.tsv')];
const padToken = 'padToken' in teacher.config ? teacher.config.padToken : 0;

/** The same 512 sentences for every method that looks at activations, neighbours in length together. */
const sample = Array.from(new Random(1).permutation(texts.length).slice(0, 512))
  .flatMap((index) => texts[index] ?? [])
  .sort((left, right) => left.ids.length - right.ids.length);

const subject: Subject = {
  teacher,
  calibration: new WindowCalibration(engine, async function* () {
    for (let start = 0; start < sample.length; start += 16) {
      const chosen = sample.slice(start, start + 16);
      const padded = padTexts(chosen, chosen.at(-1)?.ids.length ?? 0, padToken);
      yield {
        ...padded,
        labels: int64(
          [chosen.length],
          chosen.map(({ label }) => label),
        ),
      };
    }
  }),
  score: async (model) => 100 * (1 - (await evaluateClassifier(model, { texts: heldOut }, engine, quietContext)).accuracy),
  distil: async (student, wanted, seed) => {
    const settings = distillSettings({
      ...fineTuneDefaults,
      sequenceLength,
      learningRate: 1e-4,
      warmupSteps: 10,
      temperature: 2,
      checkpointEvery: 0,
      steps: wanted,
      seed,
    });
    return (await distillModel({ student, teacher, corpus: { texts }, settings }, engine, quietContext)).model;
  },
};

const records = new Records(results('catalogue-classifier.jsonl'));
const seeds = Array.from({ length: numSeeds }, (_, seed) => seed);
const cases = studyCases(teacher.config.layers);
await runStudy(engine, subject, cases, { steps, seeds, only, backwards: direction === 'backwards' }, records);
await writeReport(records.all, cases, {
  title: 'The catalogue on MiniLM fine-tuned on SST-2',
  command: `npx tsx test/bench/catalogue/classifier.ts FOLDER ${steps} ${numSeeds}`,
  measure: 'errors, %',
  over: 'points',
  limit: 50,
  setting: `FOLDER made by \`fine-tune-sst2.ts --steps 1600 --out FOLDER\`; ${steps} distillation steps of 32 sentences, α 0.9, T 2, learning rate 1e-4; ${heldOut.length} sentences of the development set, so that one standard error of a score of 10 is 1 point`,
  markdownPath: results('catalogue-classifier.md'),
  chartPath: results('catalogue-classifier.svg'),
  steps,
});
await engine.dispose();

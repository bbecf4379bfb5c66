// The study on the small Wikipedia model: `npx tsx test/bench/catalogue/language-model.ts [steps] [seeds] [part of a key] [backwards]`. It can be stopped and goes on, and a second process may do it from the other end.
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { distillModel, distillSettings } from '#distill';
import { openWikiModel } from '../wiki-model.ts';
import { studyCases } from './plan.ts';
import { Records } from './records.ts';
import { writeReport } from './report.ts';
import { runStudy, type Subject } from './study.ts';

const results = (name: string): string => fileURLToPath(new URL(`../results/${name}`, import.meta.url));

const [stepsText = '300', seedsText = '3', only = '', direction = ''] = process.argv.slice(2);
const [steps, numSeeds] = [Number(stepsText), Number(seedsText)];

const { engine, model: teacher, corpus, heldOut, calibration, bitsPerByte } = await openWikiModel();

const subject: Subject = {
  teacher,
  calibration,
  score: bitsPerByte,
  distil: async (student, wanted, seed) => {
    const settings = distillSettings({ batchSize: 4, sequenceLength: 128, warmupSteps: 30, checkpointEvery: 0, steps: wanted, seed });
    return (await distillModel({ student, teacher, corpus, settings }, engine, quietContext)).model;
  },
};

const records = new Records(results('catalogue-language-model.jsonl'));
const seeds = Array.from({ length: numSeeds }, (_, seed) => seed);
const cases = studyCases(teacher.config.layers);
await runStudy(engine, subject, cases, { steps, seeds, only, backwards: direction === 'backwards' }, records);
await writeReport(records.all, cases, {
  title: 'The catalogue on wiki-gpt2-7m',
  command: `npx tsx test/bench/catalogue/language-model.ts ${steps} ${numSeeds}`,
  measure: 'bits per byte',
  setting: `${steps} distillation steps of 4x128 tokens, α 0.9, T 1, learning rate 3e-4; ${heldOut.bytes.toLocaleString('en')} held-out bytes`,
  markdownPath: results('catalogue-language-model.md'),
  chartPath: results('catalogue-language-model.svg'),
  steps,
});
await engine.dispose();

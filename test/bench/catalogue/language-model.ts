// The study on the small Wikipedia model: `npx tsx test/bench/catalogue/language-model.ts [steps] [seeds] [part of a key]`. It can be stopped and goes on.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { WindowCalibration } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
import { importHuggingFace } from '#store';
import { openText, textFromStrings, tokenizeCorpus, tokenizerFromFiles, WindowSampler } from '#text';
import { studyCases } from './plan.ts';
import { Records } from './records.ts';
import { writeReport } from './report.ts';
import { runStudy, type Subject } from './study.ts';

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const results = (name: string): string => fileURLToPath(new URL(`../results/${name}`, import.meta.url));

const [stepsText = '300', seedsText = '3', only = ''] = process.argv.slice(2);
const [steps, numSeeds] = [Number(stepsText), Number(seedsText)];

const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const { model: teacher, tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
const tokenizer = tokenizerFromFiles(tokenizerFiles);
const corpus = await tokenizeCorpus(await openText([fixture('text/distill.txt')]), tokenizer, quietContext);
const heldOut = await tokenizeCorpus(textFromStrings([readFileSync(fixture('text/evaluate.txt'), 'utf8')]), tokenizer, quietContext);

const subject: Subject = {
  teacher,
  // The same 128 windows of 256 tokens for every method that looks at activations.
  calibration: new WindowCalibration(engine, async function* () {
    const sampler = new WindowSampler(corpus.tokens, { batch: 8, window: 256, seed: 1 });
    for (let drawn = 0; drawn < 16; drawn++) yield sampler.next().tokens;
  }),
  score: async (model) => (await evaluateModel(model, { corpus: heldOut, latency: false }, engine, quietContext)).bitsPerByte,
  distil: async (student, wanted, seed) => {
    const settings = distillSettings({ batchSize: 4, sequenceLength: 128, warmupSteps: 30, checkpointEvery: 0, steps: wanted, seed });
    return (await distillModel({ student, teacher, corpus, settings }, engine, quietContext)).model;
  },
};

const records = new Records(results('catalogue-language-model.jsonl'));
const seeds = Array.from({ length: numSeeds }, (_, seed) => seed);
await runStudy(engine, subject, studyCases(teacher.config.layers), { steps, seeds, only }, records);
await writeReport(records.all, {
  title: 'The catalogue on wiki-gpt2-7m',
  command: `npx tsx test/bench/catalogue/language-model.ts ${steps} ${numSeeds}`,
  measure: 'bits per byte',
  setting: `${steps} distillation steps of 4x128 tokens, α 0.9, T 1, learning rate 3e-4; ${heldOut.bytes.toLocaleString('en')} held-out bytes`,
  markdownPath: results('catalogue-language-model.md'),
  chartPath: results('catalogue-language-model.svg'),
  steps,
});
await engine.dispose();

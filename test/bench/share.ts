// What layer sharing costs the demo model, before and after distillation: `npx tsx test/bench/share.ts [distillation steps]`.
//
// Bits per byte over held-out text of the fixtures in windows of 256 tokens; distillation from the unshared model, 8×128 tokens a step.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
import { type Model, parameterCounts } from '#models';
import { importHuggingFace } from '#store';
import { openText, textFromStrings, tokenizeCorpus, tokenizerFromFiles, WindowSampler } from '#text';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const steps = Number(process.argv[2] ?? 300);
const window = 256;
const heldOutCharacters = 60_000;

const engine = await createOnnxEngine({ device: 'cpu' });
const { model: teacher, tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
const tokenizer = tokenizerFromFiles(tokenizerFiles);
const corpus = await tokenizeCorpus(await openText([fixture('text/distill.txt')]), tokenizer, quietContext);
const text = readFileSync(fixture('text/evaluate.txt'), 'utf8').slice(0, heldOutCharacters);
const heldOut = await tokenizeCorpus(textFromStrings([text]), tokenizer, quietContext);
const calibration = new WindowCalibration(engine, async function* () {
  const sampler = new WindowSampler(corpus.tokens, { batch: 4, window: 128, seed: 1 });
  for (let drawn = 0; drawn < 8; drawn++) yield sampler.next().tokens;
});

async function bitsPerByte(model: Model): Promise<string> {
  return (await evaluateModel(model, { corpus: heldOut, window, stride: window }, engine, quietContext)).bitsPerByte.toFixed(3);
}

async function distilled(student: Model): Promise<Model> {
  const settings = distillSettings({ steps, batchSize: 8, sequenceLength: 128, learningRate: 1e-3, warmupSteps: 10, checkpointEvery: 0 });
  return (await distillModel({ student, teacher, corpus, settings }, engine, quietContext)).model;
}

const schemes: readonly [name: string, settings: object, trains: readonly string[]][] = [
  ['sequence, 3 of 6', { scheme: 'sequence', uniqueLayers: 3 }, ['first', 'average', 'similar']],
  ['cycle, 3 of 6', { scheme: 'cycle', uniqueLayers: 3 }, ['first', 'average']],
  ['cycleReversed, 3 of 6', { scheme: 'cycleReversed', uniqueLayers: 3 }, ['first']],
  ['sandwich', { scheme: 'sandwich' }, ['first', 'average', 'similar']],
  ['all', { scheme: 'all' }, ['first', 'average', 'similar']],
];

process.stdout.write(`| scheme | from | stored bytes | bits per byte | after ${steps} steps |\n| --- | --- | --- | --- | --- |\n`);
process.stdout.write(`| none | - | ${parameterCounts(teacher).storedBytes} | ${await bitsPerByte(teacher)} | - |\n`);
for (const [name, settings, trains] of schemes)
  for (const from of ['first', 'average', 'similar']) {
    const recipe = parseRecipe({ steps: [{ share: { ...settings, from } }] }, methods);
    const { model } = await compressModel(teacher, recipe, { engine, calibration }, quietContext);
    const after = trains.includes(from) && steps > 0 ? await bitsPerByte(await distilled(model)) : '-';
    process.stdout.write(`| ${name} | ${from} | ${parameterCounts(model).storedBytes} | ${await bitsPerByte(model)} | ${after} |\n`);
  }
await engine.dispose();

// What layer sharing costs the demo model, before and after distillation: `npx tsx test/bench/share.ts [distillation steps]`.
//
// Bits per byte over held-out text of the fixtures in windows of 256 tokens; distillation from the unshared model, 8×128 tokens a step.
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { distillModel, distillSettings } from '#distill';
import { type Model, parameterCounts } from '#models';
import { openWikiModel } from './wiki-model.ts';

const steps = Number(process.argv[2] ?? 300);
const wiki = await openWikiModel({ windows: 32, length: 128, heldOutCharacters: 60_000 });
const { engine, model: teacher, corpus, calibration } = wiki;

async function bitsPerByte(model: Model): Promise<string> {
  return (await wiki.bitsPerByte(model)).toFixed(3);
}

async function distilled(student: Model): Promise<Model> {
  const settings = distillSettings({ steps, batchSize: 8, sequenceLength: 128, learningRate: 1e-3, warmupSteps: 10, checkpointEvery: 0 });
  return (await distillModel({ student, teacher, corpus, settings }, engine, quietContext)).model;
}

const schemes: readonly [name: string, settings: object][] = [
  ['sequence, 3 of 6', { scheme: 'sequence', uniqueLayers: 3 }],
  ['cycle, 3 of 6', { scheme: 'cycle', uniqueLayers: 3 }],
  ['cycleReversed, 3 of 6', { scheme: 'cycleReversed', uniqueLayers: 3 }],
  ['sandwich', { scheme: 'sandwich' }],
  ['all', { scheme: 'all' }],
];

process.stdout.write(`| scheme | from | stored bytes | bits per byte | after ${steps} steps |\n| --- | --- | --- | --- | --- |\n`);
process.stdout.write(`| none | - | ${parameterCounts(teacher).storedBytes} | ${await bitsPerByte(teacher)} | - |\n`);
for (const [name, settings] of schemes)
  for (const from of ['first', 'average', 'similar']) {
    const recipe = parseRecipe({ steps: [{ share: { ...settings, from } }] }, methods);
    const { model } = await compressModel(teacher, recipe, { engine, calibration }, quietContext);
    const after = steps > 0 ? await bitsPerByte(await distilled(model)) : '-';
    process.stdout.write(`| ${name} | ${from} | ${parameterCounts(model).storedBytes} | ${await bitsPerByte(model)} | ${after} |\n`);
  }
await engine.dispose();

// What fewer bits cost the demo model, before any training: `npx tsx test/bench/quantize.ts [calibration windows] [bits …]`; with bits, weights only.
//
// Bits per byte over the fixtures' held-out text in windows of 256 tokens, and the mean errors over the block matrices.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { quietContext } from '#base';
import { compressModel, type LayerReport, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { evaluateModel } from '#evaluate';
import { type Model, parameterCounts } from '#models';
import { importHuggingFace } from '#store';
import { openText, textFromStrings, tokenizeCorpus, tokenizerFromFiles, WindowSampler } from '#text';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const [numWindows = 64, ...asked] = process.argv
  .slice(2)
  .filter((argument) => /^\d+$/.test(argument))
  .map(Number);
const allBits = asked.length > 0 ? asked : [8, 4, 3, 2];
const window = 256;
const batch = 8;

const engine = await createOnnxEngine({ device: 'cpu' });
const { model: dense, tokenizerFiles } = await importHuggingFace(fixture('models/wiki-gpt2-7m'));
const tokenizer = tokenizerFromFiles(tokenizerFiles);
const corpus = await tokenizeCorpus(await openText([fixture('text/distill.txt')]), tokenizer, quietContext);
const heldOut = await tokenizeCorpus(textFromStrings([readFileSync(fixture('text/evaluate.txt'), 'utf8')]), tokenizer, quietContext);
const calibration = new WindowCalibration(engine, async function* () {
  const sampler = new WindowSampler(corpus.tokens, { batch, window, seed: 1 });
  for (let drawn = 0; drawn < numWindows; drawn += batch) yield sampler.next().tokens;
});

function mean(layers: readonly LayerReport[], error: (layer: LayerReport) => number | undefined): string {
  const errors = layers.map(error).filter((value) => value !== undefined);
  return errors.length === 0 ? '-' : (errors.reduce((sum, value) => sum + value, 0) / errors.length).toFixed(4);
}

async function row(name: string, model: Model, layers: readonly LayerReport[] = []): Promise<void> {
  const { bitsPerByte } = await evaluateModel(model, { corpus: heldOut, window, stride: window }, engine, quietContext);
  const { storedBytes } = parameterCounts(model);
  const errors = `${mean(layers, ({ weightError }) => weightError)} | ${mean(layers, ({ outputError }) => outputError)}`;
  process.stdout.write(`| ${name} | ${storedBytes} | ${errors} | ${bitsPerByte.toFixed(4)} |\n`);
}

process.stdout.write('| what | stored bytes | weight error | output error | bits per byte |\n| --- | --- | --- | --- | --- |\n');
await row('16-bit floats', dense);
const weightsOnly = allBits.flatMap((bits) =>
  ['rtn', 'awq', 'gptq'].map((method) => ({ name: `${bits} bits, ${method}`, settings: { bits, method } })),
);
const integerProducts = [
  { method: 'dynamic' },
  { method: 'dynamic', perChannel: false },
  { method: 'static' },
  { method: 'static', calibration: 'percentile' },
  { method: 'static', calibration: 'entropy' },
  { method: 'static', perChannel: false },
  { method: 'smoothquant' },
  { method: 'smoothquant', activations: 'static' },
].map((settings) => ({ name: `int8, ${JSON.stringify(settings)}`, settings }));
const fewest = [{ scheme: 'ternary' }, { scheme: 'ternary', threshold: 'absmean' }, { scheme: 'binary' }].map((settings) => ({
  name: JSON.stringify(settings),
  settings,
}));
for (const { name, settings } of [...weightsOnly, ...(asked.length > 0 ? [] : [...integerProducts, ...fewest])]) {
  const recipe = parseRecipe({ steps: [{ quantize: settings }] }, methods);
  const { model, report } = await compressModel(dense, recipe, { engine, calibration }, quietContext);
  await row(
    name,
    model,
    report.steps.flatMap(({ layers }) => layers),
  );
}
await engine.dispose();

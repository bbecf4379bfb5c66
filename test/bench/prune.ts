// What zeros cost the demo model, before any training: `npx tsx test/bench/prune.ts [calibration windows]`.
//
// Bits per byte over the fixtures' held-out text in windows of 256 tokens, the mean errors over the block matrices, and the seconds of each step.
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
const [numWindows = 64] = process.argv.slice(2).map(Number);
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

const steps: readonly object[] = [
  { sparsity: 0.5 },
  { sparsity: 0.5, scope: 'row' },
  { sparsity: 0.5, scope: 'global' },
  ...[false, true].flatMap((sequential) => [
    { sparsity: 0.5, method: 'wanda', sequential },
    { sparsity: 0.5, method: 'wanda', scope: 'layer', sequential },
    { sparsity: 0.5, method: 'sparsegpt', sequential },
  ]),
  ...['4:8', '2:4'].flatMap((pattern) => [
    { pattern },
    { pattern, method: 'wanda', sequential: true },
    { pattern, method: 'sparsegpt', sequential: true },
  ]),
  ...[0.7, 0.9].flatMap((sparsity) => [
    { sparsity },
    { sparsity, method: 'wanda', scope: 'layer', sequential: true },
    { sparsity, method: 'sparsegpt', sequential: true },
  ]),
];

function mean(layers: readonly LayerReport[], error: (layer: LayerReport) => number | undefined): string {
  const errors = layers.map(error).filter((value) => value !== undefined);
  return errors.length === 0 ? '-' : (errors.reduce((sum, value) => sum + value, 0) / errors.length).toFixed(4);
}

async function row(name: string, model: Model, layers: readonly LayerReport[] = [], seconds = 0): Promise<void> {
  const { bitsPerByte } = await evaluateModel(model, { corpus: heldOut, window, stride: window }, engine, quietContext);
  const { storedBytes } = parameterCounts(model);
  const errors = `${mean(layers, ({ weightError }) => weightError)} | ${mean(layers, ({ outputError }) => outputError)}`;
  process.stdout.write(`| ${name} | ${storedBytes} | ${errors} | ${bitsPerByte.toFixed(4)} | ${seconds.toFixed(1)} |\n`);
}

process.stdout.write(
  '| what | stored bytes | weight error | output error | bits per byte | seconds |\n| --- | --- | --- | --- | --- | --- |\n',
);
await row('16-bit floats', dense);
for (const step of steps) {
  const started = performance.now();
  const recipe = parseRecipe({ steps: [{ prune: step }] }, methods);
  const { model, report } = await compressModel(dense, recipe, { engine, calibration }, quietContext);
  const layers = report.steps.flatMap((each) => each.layers);
  await row(JSON.stringify(step).replaceAll('"', '').slice(1, -1), model, layers, (performance.now() - started) / 1000);
}
await engine.dispose();

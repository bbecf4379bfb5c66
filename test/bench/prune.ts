// What zeros cost the demo model, before any training: `npx tsx test/bench/prune.ts [calibration windows]`.
//
// Bits per byte over the fixtures' held-out text in windows of 256 tokens, the mean errors over the block matrices, and the seconds of each step.
import { quietContext } from '#base';
import { compressModel, type LayerReport, methods, parseRecipe } from '#compress';
import { type Model, parameterCounts } from '#models';
import { meanError, openWikiModel } from './wiki-model.ts';

const [windows = 64] = process.argv.slice(2).map(Number);
const { engine, model: dense, calibration, bitsPerByte } = await openWikiModel({ windows });

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

async function row(name: string, model: Model, layers: readonly LayerReport[] = [], seconds = 0): Promise<void> {
  const { storedBytes } = parameterCounts(model);
  const cells = [
    name,
    storedBytes,
    meanError(layers, 'weightError'),
    meanError(layers, 'outputError'),
    (await bitsPerByte(model)).toFixed(4),
  ];
  process.stdout.write(`| ${cells.join(' | ')} | ${seconds.toFixed(1)} |\n`);
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

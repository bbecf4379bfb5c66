// What fewer bits cost the demo model, before any training: `npx tsx test/bench/quantize.ts [calibration windows] [bits …]`; with bits, weights only.
//
// Bits per byte over the fixtures' held-out text in windows of 256 tokens, and the mean errors over the block matrices.
import { quietContext } from '#base';
import { compressModel, type LayerReport, methods, parseRecipe } from '#compress';
import { type Model, parameterCounts } from '#models';
import { meanError, openWikiModel } from './wiki-model.ts';

const [windows = 64, ...asked] = process.argv
  .slice(2)
  .filter((argument) => /^\d+$/.test(argument))
  .map(Number);
const allBits = asked.length > 0 ? asked : [8, 4, 3, 2];
const { engine, model: dense, calibration, bitsPerByte } = await openWikiModel({ windows });

async function row(name: string, model: Model, layers: readonly LayerReport[] = []): Promise<void> {
  const { storedBytes } = parameterCounts(model);
  const cells = [
    name,
    storedBytes,
    meanError(layers, 'weightError'),
    meanError(layers, 'outputError'),
    (await bitsPerByte(model)).toFixed(4),
  ];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
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

// What structured pruning loses before any training, on the small Wikipedia model of ../shared: `npx tsx test/bench/structured.ts [calibration windows] [held-out windows] [structure]`.
//
// Loss in nats a token over held-out windows of 256 tokens, each predicted from its window alone, by structure, importance and refit.
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { parameterCounts } from '#models';
import { openWindowedModel, windowLoss } from './window-loss.ts';

const cases: readonly (Readonly<Record<string, unknown>> & { readonly structure: string })[] = [
  ...(['magnitude', 'firstOrder', 'output'] as const).flatMap((importance) =>
    [false, true].flatMap((repair) => [
      { structure: 'ffn', ratio: 0.5, importance, repair },
      { structure: 'heads', ratio: 0.5, importance, repair },
    ]),
  ),
  { structure: 'ffn', ratio: 0.5, importance: 'output', spread: 'global' },
  { structure: 'ffn', ratio: 0.5, importance: 'firstOrder', spread: 'global' },
  { structure: 'heads', ratio: 0.5, importance: 'firstOrder', spread: 'global' },
  { structure: 'ffn', ratio: 0.75 },
  { structure: 'heads', ratio: 0.75 },
  { structure: 'width', ratio: 0.75, importance: 'magnitude' },
  { structure: 'width', ratio: 0.75, importance: 'firstOrder' },
  { structure: 'width', ratio: 0.5, importance: 'firstOrder' },
  { structure: 'layers', ratio: 0.75, importance: 'similarity' },
  { structure: 'layers', ratio: 0.75, importance: 'firstOrder' },
  { structure: 'layers', ratio: 0.5, importance: 'similarity' },
];

async function main(): Promise<void> {
  const [numCalibration = 128, numHeldOut = 128] = process.argv.slice(2, 4).map(Number);
  const only = process.argv[4];
  const { model, calibration: windows, heldOut } = await openWindowedModel(numCalibration, numHeldOut);
  const engine = await createOnnxEngine();
  const calibration = new WindowCalibration(engine, async function* () {
    yield* windows;
  });
  const print = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  print(['settings', 'model bytes kept', 'nats a token', 'seconds']);
  print(['none', '100 %', (await windowLoss(engine, model, heldOut)).toFixed(3), '-']);
  for (const settings of cases.filter(({ structure }) => only === undefined || structure === only)) {
    const start = performance.now();
    const recipe = parseRecipe({ steps: [{ prune: settings }] }, methods);
    const result = await compressModel(model, recipe, { engine, calibration }, quietContext);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const share = parameterCounts(result.model).storedBytes / parameterCounts(model).storedBytes;
    const words = JSON.stringify(settings).replaceAll(/["{}]/g, '').replaceAll(',', ', ');
    print([words, `${(100 * share).toFixed(1)} %`, (await windowLoss(engine, result.model, heldOut)).toFixed(3), seconds]);
  }
  await engine.dispose();
}

await main();

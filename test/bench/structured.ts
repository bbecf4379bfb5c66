// What structured pruning loses before any training, on the small Wikipedia model of ../shared: `npx tsx test/bench/structured.ts [calibration windows] [held-out windows] [structure]`.
//
// Loss in nats a token over held-out windows of 256 tokens, each predicted from its window alone, by structure, importance and refit.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildScoreGraph, graphNames, type Model, modelInputs, parameterCounts } from '#models';
import { importHuggingFace } from '#store';
import { type HostTensor, hostTensor, int64, toNumbers } from '#tensor';
import { sharedFolder } from '#test/shared';
import { type Tokenizer, tokenizerFromFiles } from '#text';

const windowLength = 256;
const batch = 8;

function readWindows(tokenizer: Tokenizer, file: string, characters: number, count: number): HostTensor<'int64'>[] {
  const text = gunzipSync(readFileSync(file)).subarray(0, characters).toString('utf8');
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  return Array.from({ length: count / batch }, (_, index) => {
    const start = index * batch * windowLength;
    return int64([batch, windowLength], ids.subarray(start, start + batch * windowLength));
  });
}

/** Mean nats over positions 1 … 255 of every window. */
async function loss(engine: Engine, model: Model, windows: readonly HostTensor<'int64'>[]): Promise<number> {
  const program = await engine.compile(buildScoreGraph(model, { batch, length: windowLength }), { frozen: new Map(modelInputs(model)) });
  let sum = 0;
  let scored = 0;
  for (const tokens of windows) {
    const labels = hostTensor(
      'int64',
      tokens.shape,
      BigInt64Array.from(tokens.data, (_, index) => tokens.data[index + 1] ?? 0n),
    );
    const outputs = await program.run({ [graphNames.tokens]: tokens, [graphNames.labels]: labels });
    const nats = outputs[graphNames.negativeLogLikelihood];
    if (nats === undefined) throw new Error('the score graph answered without its loss');
    toNumbers(nats.read()).forEach((value, index) => {
      if (index % windowLength === windowLength - 1) return;
      sum += value;
      scored++;
    });
    for (const output of Object.values(outputs)) output.release();
  }
  await program.release();
  return sum / scored;
}

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
  if (sharedFolder === undefined) throw new Error('this measurement needs ../shared');
  const [numCalibration = 128, numHeldOut = 128] = process.argv.slice(2, 4).map(Number);
  const only = process.argv[4];
  const { model, tokenizerFiles } = await importHuggingFace(join(sharedFolder, 'models/wiki-gpt2-7m'));
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const text = (name: string): string => join(sharedFolder ?? '', 'data/lm/wikipedia2015', name);
  const calibrationWindows = readWindows(tokenizer, text('train_sample.txt.gz'), 1_000_000, numCalibration);
  const heldOut = readWindows(tokenizer, text('valid.txt.gz'), 400_000, numHeldOut);
  const engine = await createOnnxEngine();
  const calibration = new WindowCalibration(engine, async function* () {
    yield* calibrationWindows;
  });
  const print = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  print(['settings', 'model bytes kept', 'nats a token', 'seconds']);
  print(['none', '100 %', (await loss(engine, model, heldOut)).toFixed(3), '-']);
  for (const settings of cases.filter(({ structure }) => only === undefined || structure === only)) {
    const start = performance.now();
    const recipe = parseRecipe({ steps: [{ prune: settings }] }, methods);
    const result = await compressModel(model, recipe, { engine, calibration }, quietContext);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const share = parameterCounts(result.model).storedBytes / parameterCounts(model).storedBytes;
    const words = JSON.stringify(settings).replaceAll(/["{}]/g, '').replaceAll(',', ', ');
    print([words, `${(100 * share).toFixed(1)} %`, (await loss(engine, result.model, heldOut)).toFixed(3), seconds]);
  }
  await engine.dispose();
}

await main();

// What the low-rank step loses before any training, on the small Wikipedia model of ../shared:
// `npx tsx test/bench/low-rank.ts [calibration windows] [ratios] [allocations] [methods]`, lists with commas.
//
// Loss in nats a token over held-out windows of 256 tokens, each predicted from its window alone, for every method and share of the block bytes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { quietContext } from '#base';
import { compressModel, type MethodReport, methods, parseRecipe, type TokenWindows, WindowCalibration } from '#compress';
import type { Engine } from '#engine';
import { createOnnxEngine } from '#engine/onnx';
import { buildScoreGraph, graphNames, type Model, modelInputs } from '#models';
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

function meanError(report: MethodReport, which: 'weightError' | 'outputError'): string {
  const errors = report.layers.map((layer) => layer[which]).filter((error) => error !== undefined);
  return errors.length === 0 ? '-' : (errors.reduce((sum, error) => sum + error, 0) / errors.length).toFixed(3);
}

async function main(): Promise<void> {
  if (sharedFolder === undefined) throw new Error('this measurement needs ../shared');
  const numCalibration = Number(process.argv[2] ?? 128);
  const { model, tokenizerFiles } = await importHuggingFace(join(sharedFolder, 'models/wiki-gpt2-7m'));
  const tokenizer = tokenizerFromFiles(tokenizerFiles);
  const text = (name: string): string => join(sharedFolder ?? '', 'data/lm/wikipedia2015', name);
  const calibrationWindows = readWindows(tokenizer, text('train_sample.txt.gz'), 1_000_000, numCalibration);
  const heldOut = readWindows(tokenizer, text('valid.txt.gz'), 400_000, 128);
  const engine = await createOnnxEngine();
  const windows: TokenWindows = async function* () {
    yield* calibrationWindows;
  };
  const calibration = new WindowCalibration(engine, windows);
  const print = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  print(['kept', 'method', 'allocate', 'mean weight error', 'mean output error', 'nats a token', 'seconds']);
  print(['100 %', '-', '-', '0', '0', (await loss(engine, model, heldOut)).toFixed(3), '-']);
  const ratios = (process.argv[3] ?? '0.8,0.5,0.25').split(',').map(Number);
  const allocations = (process.argv[4] ?? 'uniform,loss').split(',');
  for (const ratio of ratios) {
    for (const method of (process.argv[5] ?? 'plain,fwsvd,asvd,whitened').split(',')) {
      for (const allocate of allocations) {
        const start = performance.now();
        // `embedding` and `embeddingFrequency` stand for the table of tokens in place of the blocks.
        const table = { ratio, method: method === 'embedding' ? 'plain' : 'frequency' };
        const step = method.startsWith('embedding') ? { factorizeEmbedding: table } : { lowRank: { method, ratio, allocate } };
        const recipe = parseRecipe({ steps: [step] }, methods);
        const result = await compressModel(model, recipe, { engine, calibration }, quietContext);
        const seconds = ((performance.now() - start) / 1000).toFixed(1);
        const [report] = result.report.steps;
        if (report === undefined) throw new Error('the recipe has one step');
        const errors = [meanError(report, 'weightError'), meanError(report, 'outputError')];
        print([`${ratio * 100} %`, method, allocate, ...errors, (await loss(engine, result.model, heldOut)).toFixed(3), seconds]);
      }
    }
  }
  await engine.dispose();
}

await main();

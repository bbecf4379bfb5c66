// What the low-rank step loses before any training, on the small Wikipedia model of ../shared:
// `npx tsx test/bench/low-rank.ts [calibration windows] [ratios] [allocations] [methods]`, lists with commas.
//
// Loss in nats a token over held-out windows of 256 tokens, each predicted from its window alone, for every method and share of the block bytes.
import { quietContext } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { meanError } from './wiki-model.ts';
import { openWindowedModel, windowLoss } from './window-loss.ts';

async function main(): Promise<void> {
  const { model, calibration: windows, heldOut } = await openWindowedModel(Number(process.argv[2] ?? 128), 128);
  const engine = await createOnnxEngine();
  const calibration = new WindowCalibration(engine, async function* () {
    yield* windows;
  });
  const print = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  print(['kept', 'method', 'allocate', 'mean weight error', 'mean output error', 'nats a token', 'seconds']);
  print(['100 %', '-', '-', '0', '0', (await windowLoss(engine, model, heldOut)).toFixed(3), '-']);
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
        const errors = [meanError(report.layers, 'weightError'), meanError(report.layers, 'outputError')];
        print([`${ratio * 100} %`, method, allocate, ...errors, (await windowLoss(engine, result.model, heldOut)).toFixed(3), seconds]);
      }
    }
  }
  await engine.dispose();
}

await main();

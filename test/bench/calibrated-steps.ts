// How long the steps that look at layer inputs take at the size of GPT-2 small: `npx tsx test/bench/calibrated-steps.ts [gptq|sparsegpt|wanda …] [--windows=64]`.
//
// Random weights and tokens: the time does not depend on them. 64 windows of 512 tokens, all 48 matrices of the blocks.
import { type Progress, quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { type Gpt2Config, initializeModel } from '#models';
import { int64 } from '#tensor';

const gpt2Small: Gpt2Config = {
  architecture: 'gpt2',
  vocabularySize: 50_257,
  width: 768,
  layers: 12,
  heads: 12,
  feedForwardWidth: 3072,
  maxPositions: 1024,
  tiedHead: true,
  normEpsilon: 1e-5,
  endTokens: [],
  activation: 'geluTanh',
};
const recipes: Readonly<Record<string, object>> = {
  gptq: { quantize: { bits: 4, method: 'gptq' } },
  sparsegpt: { prune: { sparsity: 0.5, method: 'sparsegpt' } },
  'sparsegpt-sequential': { prune: { sparsity: 0.5, method: 'sparsegpt', sequential: true } },
  wanda: { prune: { sparsity: 0.5, method: 'wanda' } },
};
const [length, batch] = [512, 8];
const words = process.argv.slice(2);
const windows = Number(words.find((word) => word.startsWith('--windows='))?.slice('--windows='.length) ?? 64);
const asked = words.filter((word) => !word.startsWith('--'));

const engine = await createOnnxEngine({ device: 'cpu' });
const model = initializeModel(gpt2Small, new Random(1));
const calibration = new WindowCalibration(
  engine,
  async function* () {
    const random = new Random(7);
    for (let drawn = 0; drawn < windows; drawn += batch)
      yield int64(
        [batch, length],
        Array.from({ length: batch * length }, () => random.integer(gpt2Small.vocabularySize)),
      );
  },
  { windows: windows / batch },
);

for (const name of asked.length > 0 ? asked : Object.keys(recipes)) {
  const seconds: Record<string, number> = {};
  let last = performance.now();
  const report = ({ phase }: Progress): void => {
    const key = phase.startsWith('calibrate') ? 'calibration' : 'layers';
    seconds[key] = (seconds[key] ?? 0) + (performance.now() - last) / 1000;
    last = performance.now();
  };
  const started = performance.now();
  const recipe = parseRecipe({ steps: [recipes[name]] }, methods);
  await compressModel(model, recipe, { engine, calibration }, { ...quietContext, report });
  const parts = Object.entries(seconds).map(([part, spent]) => `${part} ${spent.toFixed(0)} s`);
  process.stdout.write(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s (${parts.join(', ')})\n`);
}
await engine.dispose();

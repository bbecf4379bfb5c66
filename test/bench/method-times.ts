// How long the slow methods take at GPT-2 small's size: `npx tsx test/bench/method-times.ts [kronecker|svd|gptq …]`.
//
// The weights are those of the file of real attention matrices in ../shared where it has them, and random elsewhere; the text is random tokens:
// neither changes the work that is done.
import { join } from 'node:path';
import { type OperationContext, Random } from '#base';
import { compressModel, methods, parseRecipe, WindowCalibration } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { denseParameter, initializeModel, replaceParameters } from '#models';
import { readSafetensors } from '#store';
import { castTensor, int64 } from '#tensor';
import { sharedFolder } from '#test/shared';
import { gpt2Small } from './gpt2-small.ts';

const recipes: Readonly<Record<string, { readonly step: Record<string, unknown>; readonly barSeconds: number }>> = {
  kronecker: { step: { kronecker: { layout: 'tqcompressor' } }, barSeconds: 180 },
  svd: { step: { lowRank: { method: 'whitened', ratio: 0.5 } }, barSeconds: 120 },
  gptq: { step: { quantize: { bits: 4, method: 'gptq' } }, barSeconds: 360 },
  sparsegpt: { step: { prune: { method: 'sparsegpt', sparsity: 0.5 } }, barSeconds: 360 },
};

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(recipes);
const engine = await createOnnxEngine({ device: 'cpu', threads: 2 });
const random = new Random(7);
let model = initializeModel(gpt2Small, random);
if (sharedFolder !== undefined) {
  const { tensors } = await readSafetensors(join(sharedFolder, 'models/gpt2-124m-partial/gpt2-124m-layers-0-5-11-attention.safetensors'));
  const real = [...tensors].flatMap(([name, tensor]) => {
    const match = /h\.(\d+)\.attn\.c_(attn|proj)\.(weight|bias)$/.exec(name);
    if (match === null) return [];
    const path = `h.${match[1]}.attn.${match[2] === 'attn' ? 'qkv' : 'out'}.${match[3]}`;
    return [denseParameter(path, castTensor(tensor, 'float32'))];
  });
  model = replaceParameters(model, real);
  console.error(`${real.length} real parameters`);
}
const [sequences, length, batch] = [64, 512, 2];
const windows = Array.from({ length: sequences / batch }, () =>
  int64(
    [batch, length],
    Array.from({ length: batch * length }, () => random.integer(gpt2Small.vocabularySize)),
  ),
);
const calibration = new WindowCalibration(engine, async function* () {
  yield* windows;
});

console.log('| step | seconds | bar |\n| --- | --- | --- |');
for (const name of wanted) {
  const recipe = recipes[name];
  if (recipe === undefined) throw new Error(`${name}: known are ${Object.keys(recipes).join(', ')}`);
  const started = performance.now();
  let lastPhase = '';
  const context: OperationContext = {
    signal: new AbortController().signal,
    report: ({ phase, item }) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (phase !== lastPhase || item !== undefined) console.error(`${name} ${seconds} s: ${phase} ${item ?? ''}`);
      lastPhase = phase;
    },
  };
  await compressModel(model, parseRecipe({ steps: [recipe.step] }, methods), { engine, calibration, seed: 0 }, context);
  console.log(`| ${name} | ${((performance.now() - started) / 1000).toFixed(1)} | ${recipe.barSeconds} |`);
}
await engine.dispose();

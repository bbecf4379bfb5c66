// Prefill and decoding of a GPT-2 of the small shape, dense against 50 % structured, 50 % low rank and codes: `npx tsx test/bench/structured-speed.ts [rounds] [prompt tokens] [blocks]`.
//
// The models take turns inside each round, so that a busy moment of the machine falls on all of them; medians over the rounds, and the ratio to the dense
// model in the same run. The weights are random: time does not depend on them.
import { quietContext, Random } from '#base';
import { compressModel, methods, parseRecipe } from '#compress';
import { createOnnxEngine } from '#engine/onnx';
import { measureLatency } from '#evaluate';
import { fastestForm, initializeModel, type Model, parameterCounts } from '#models';
import { gpt2Small } from './gpt2-small.ts';
import { median } from './peer.ts';

const magnitude = { importance: 'magnitude' };
/** Bytes of the block matrices halved in each case but those of 8 bits, which store a quarter, and 4 bits, an eighth. */
const variants: Readonly<Record<string, readonly object[]>> = {
  dense: [],
  'heads and ffn 50 %': [
    { prune: { structure: 'heads', ratio: 0.5, ...magnitude } },
    { prune: { structure: 'ffn', ratio: 0.5, ...magnitude } },
  ],
  'width 50 %': [{ prune: { structure: 'width', ratio: 0.5, ...magnitude } }],
  'layers 50 %': [{ prune: { structure: 'layers', remove: [1, 3, 5, 7, 9, 11] } }],
  'low rank 50 %': [{ lowRank: { ratio: 0.5 } }],
  'int8 (products)': [{ quantize: { method: 'dynamic' } }],
  'int8 (weights)': [{ quantize: { bits: 8, groupSize: 32 } }],
  '4 bits (weights)': [{ quantize: { bits: 4, groupSize: 32 } }],
};
const batches = [1, 8];

interface Samples {
  readonly prefillMs: number[];
  readonly decodeStepMs: number[];
}

async function main(): Promise<void> {
  const [rounds = 7, promptTokens = 128, layers = gpt2Small.layers] = process.argv.slice(2).map(Number);
  const engine = await createOnnxEngine({ device: 'cpu' });
  const dense = initializeModel({ ...gpt2Small, layers }, new Random(1));
  const models = new Map<string, Model>();
  for (const [name, steps] of Object.entries(variants)) {
    const kept = steps.map((step) => withoutMissingLayers(step, layers));
    const recipe = kept.length === 0 ? undefined : parseRecipe({ steps: kept }, methods);
    const made = recipe === undefined ? dense : (await compressModel(dense, recipe, { engine }, quietContext)).model;
    models.set(name, fastestForm(made));
  }
  const samples = new Map<string, Samples>();
  for (let round = 0; round < rounds; round++)
    for (const [name, model] of models)
      for (const batch of batches) {
        const options = { batches: [batch], promptTokens, prefillRuns: 1, decodeSteps: 8 };
        const [result] = await measureLatency(model, engine, quietContext, options);
        if (result === undefined) throw new Error('a measurement gave nothing');
        const known = samples.get(`${name}/${batch}`) ?? { prefillMs: [], decodeStepMs: [] };
        known.prefillMs.push(result.prefillMs);
        known.decodeStepMs.push(result.decodeStepMs);
        samples.set(`${name}/${batch}`, known);
      }
  const print = (cells: readonly string[]): boolean => process.stdout.write(`| ${cells.join(' | ')} |\n`);
  print(['model', 'stored MB', 'batch', `prefill of ${promptTokens}, ms`, 'times dense', 'decode step, ms', 'times dense']);
  for (const [name, model] of models)
    for (const batch of batches) {
      const of = (which: string, part: keyof Samples): number => median(samples.get(`${which}/${batch}`)?.[part] ?? []);
      const row = (part: keyof Samples): string[] => [of(name, part).toFixed(1), `${(of('dense', part) / of(name, part)).toFixed(2)}×`];
      print([name, (parameterCounts(model).storedBytes / 1e6).toFixed(0), String(batch), ...row('prefillMs'), ...row('decodeStepMs')]);
    }
  await engine.dispose();
}

/** For runs with fewer blocks. */
function withoutMissingLayers(step: object, layers: number): object {
  if (!('prune' in step)) return step;
  const settings = step.prune as { readonly remove?: readonly number[] };
  const { remove } = settings;
  return remove === undefined ? step : { prune: { ...settings, remove: remove.filter((layer) => layer < layers) } };
}

await main();

// What a search finds on the demo model: `npx tsx test/bench/search.ts [ratio] [trials] [distillation steps] [held-out characters]`, a row a trial by size.
import { compressModel, parseRecipe } from '#compress';
import { evaluateModel } from '#evaluate';
import { type Model, parameterCounts } from '#models';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { openWikiModel } from './wiki-model.ts';

const [ratio = 0.4, trials = 16, steps = 0, heldOutCharacters = 20_000] = process.argv.slice(2).map(Number);
const { engine, model, corpus, heldOut, calibration } = await openWikiModel({ windows: 32, heldOutCharacters });
const signal = new AbortController().signal;

const search = {
  target: { ratio },
  budget: { trials },
  metric: 'bitsPerByte',
  ...(steps === 0 ? {} : { distill: { steps, batchSize: 8, sequenceLength: 128, learningRate: 3e-4 } }),
};
const training = (): RecipeTraining => new RecipeTraining({ engine, corpus, seed: 0, teacher: () => Promise.resolve(model) });
const { report } = await compressModel(
  model,
  parseRecipe({ steps: [{ search }], seed: 0 }, recipeMethods),
  {
    engine,
    calibration,
    heldOut: {
      measure: async (which: Model, context) => {
        const { bitsPerByte, lossNats } = await evaluateModel(which, { corpus: heldOut, window: 256 }, engine, context);
        return { bitsPerByte, loss: lossNats };
      },
      fits: () => true,
      latencyMs: () => Promise.reject(new Error('is not asked for')),
    },
    ofStep: () => ({ training: training() }),
  },
  {
    signal,
    report: ({ item, metrics }) => {
      if (metrics?.['onFront'] !== undefined) console.error(item);
    },
  },
);

const found = report.steps[0]?.search;
console.log(
  `target ${Math.floor(ratio * parameterCounts(model).storedBytes)} of ${parameterCounts(model).storedBytes} bytes; ended: ${found?.ended}\n`,
);
console.log('| trial | stored bytes | bits per byte | in target | front | seconds |\n| --- | --- | --- | --- | --- | --- |');
const sorted = [...(found?.trials ?? [])].sort((one, other) => (one.measures['storedBytes'] ?? 0) - (other.measures['storedBytes'] ?? 0));
for (const trial of sorted) {
  const { storedBytes = 0, bitsPerByte } = trial.measures;
  const name = trial === found?.trials[found.chosen ?? -1] ? `**${trial.name}**` : trial.name;
  const cells = [
    name,
    storedBytes.toLocaleString('en'),
    bitsPerByte?.toFixed(4) ?? trial.failure,
    trial.meets,
    trial.isOnFront,
    (trial.elapsedMs / 1000).toFixed(1),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
await engine.dispose();

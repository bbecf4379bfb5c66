// Tuning.
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe } from '#compress';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';
import { openWikiModel } from './wiki-model.ts';

const { engine, model: teacher, corpus, calibration, bitsPerByte } = await openWikiModel({ heldOutCharacters: 60000, windows: 64 });
const steps = Number(process.argv[2]);
for (const text of process.argv.slice(3)) {
  const { g, m, ...rest } = JSON.parse(text);
  const rows: Record<string, number>[] = [];
  const report: OperationContext['report'] = ({ phase, step = 0, metrics }) => {
    if (phase === 'flop') rows.push({ step, ...metrics });
  };
  const training = { steps, batchSize: 4, sequenceLength: 64, checkpointEvery: 0, seed: 0 };
  const flop = {
    ratio: 0.5,
    seed: 0,
    training,
    ...(g && { gateLearningRate: g / steps }),
    ...(m && { multiplierLearningRate: m / steps }),
    ...rest,
  };
  const material = (): RecipeTraining => new RecipeTraining({ engine, corpus, seed: 0, teacher: () => Promise.resolve(teacher) });
  const t0 = performance.now();
  const { model } = await compressModel(
    teacher,
    parseRecipe({ steps: [{ flop }] }, recipeMethods),
    { engine, calibration, seed: 0, ofStep: () => ({ training: material() }) },
    { ...quietContext, report },
  );
  const gated = rows.filter((r) => r['sparsity'] !== undefined);
  const at = (share: number) => {
    const r = gated[Math.min(gated.length - 1, Math.floor(gated.length * share))]!;
    return `${r['sparsity']!.toFixed(2)}/${r['targetSparsity']!.toFixed(2)}(l1 ${r['lambda1']!.toFixed(0)},task ${r['taskLoss']!.toFixed(2)})`;
  };
  const tail = rows.slice(-8).reduce((s, r) => s + r['loss']! / 8, 0);
  console.log(
    text,
    at(0.25),
    at(0.5),
    at(0.75),
    at(1),
    'end s',
    gated.at(-1)!['sparsity']!.toFixed(3),
    'final',
    tail.toFixed(3),
    'bpb',
    (await bitsPerByte(model)).toFixed(4),
    'sec',
    ((performance.now() - t0) / 1000).toFixed(0),
  );
}
await engine.dispose();

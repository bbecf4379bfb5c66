// FLOP against pruning at equal size, all from one teacher and with as many steps towards it: FLOP while it prunes, the others after it.
import { type OperationContext, quietContext } from '#base';
import { distillModel, distillSettings } from '#distill';
import { buildLogitsGraph, graphNames, type Model, modelInputs, parameterCounts, parameterSpecs, randomLike } from '#models';
import { castTensor, int64, isFloat } from '#tensor';
import { median } from '../peer.ts';
import { type Cell, inOrder, madeFrom, recipeCell, type StudyScale, type TrainedStudy } from './study.ts';
import { openWiki, type Subject } from './subjects.ts';

const facts = ['block bytes, %', 'block parameters, %', 'first steps, ms', 'last steps, ms', 'forward of 8x128, ms'] as const;
/** Shares of the block matrices that stay. Magnitude pruning keeps as many stored bytes, structured pruning as many parameters. */
const ratios = [0.5, 0.3];

export async function openFlop({ steps, rows }: StudyScale): Promise<TrainedStudy> {
  const subject = await openWiki(rows);
  const { engine, model: teacher, corpus } = subject;
  const training = { ...subject.training, steps, warmupSteps: Math.ceil(steps / 10) };
  const before = blockSize(teacher);
  const structured = (ratio: number): object[] => ['ffn', 'heads'].map((structure) => ({ prune: { structure, ratio } }));

  const cell = (arm: string, ratio: number, train: (seed: number, context: OperationContext) => Promise<Model>): Cell => ({
    key: `${arm} ${100 * ratio} %`,
    steps,
    make: async (seed) => {
      const { context, times } = timingContext();
      const model = await train(seed, context);
      const tenth = Math.max(1, Math.floor(times.length / 10));
      const size = blockSize(model);
      const figures = [
        (100 * size.bytes) / before.bytes,
        (100 * size.parameters) / before.parameters,
        median(times.slice(1, 1 + tenth)),
        median(times.slice(-tenth)),
        await forwardTime(subject, model),
      ];
      return {
        score: await subject.score(model),
        storedBytes: parameterCounts(model).storedBytes,
        facts: Object.fromEntries(facts.map((name, index) => [name, figures[index] ?? 0])),
      };
    },
  });
  const byRecipe = (arm: string, ratio: number, recipe: readonly object[]): Cell =>
    cell(arm, ratio, async (seed, context) => (await madeFrom(subject, recipe, seed, context)).model);

  const cells = ratios.flatMap((ratio) => [
    byRecipe('FLOP', ratio, [{ flop: { ratio, start: 'whitened', lagrangian: 'absolute', training } }]),
    byRecipe('FLOP as published', ratio, [{ flop: { ratio, spread: 0, settleSteps: 0, training } }]),
    byRecipe('magnitude', ratio, [{ prune: { method: 'magnitude', scope: 'global', ratio } }, { distill: training }]),
    byRecipe('structured', ratio, [...structured(ratio), { distill: training }]),
    cell('scratch', ratio, async (seed, context) => {
      const { model: small } = await madeFrom(subject, structured(ratio), seed);
      const student = halfPrecision(randomLike(small, seed));
      const settings = distillSettings({ ...training, seed, learningRate: 1e-3 });
      return (await distillModel({ student, teacher, corpus, settings }, engine, context)).model;
    }),
  ]);
  return {
    title: 'FLOP',
    measure: subject.measure,
    setting: `${subject.name}, ${steps} steps of 4x128 tokens towards the teacher; scratch has the structured model's sizes and random weights`,
    cells: [recipeCell(subject, 'teacher', 0, []), ...cells],
    claims: ratios.flatMap((ratio) => {
      const key = (arm: string): string => `${arm} ${100 * ratio} %`;
      return [
        ...inOrder(key('FLOP'), key('magnitude'), key('scratch')),
        { better: key('FLOP'), worse: key('structured') },
        { better: key('FLOP'), worse: key('FLOP as published') },
      ];
    }),
    facts,
    limit: 4,
    close: () => engine.dispose(),
  };
}

/** Milliseconds between the reports of steps. */
function timingContext(): { readonly context: OperationContext; readonly times: number[] } {
  const times: number[] = [];
  let last = performance.now();
  const report: OperationContext['report'] = ({ metrics }) => {
    const now = performance.now();
    if (metrics?.['tokensPerSecond'] !== undefined) times.push(now - last);
    last = now;
  };
  return { context: { ...quietContext, report }, times };
}

/** Random weights in the type of the teacher's. */
function halfPrecision(model: Model): Model {
  const parameters = [...model.parameters].map(([path, parameter]) => {
    const tensors = Object.entries(parameter.tensors).map(
      ([slot, tensor]) => [slot, isFloat(tensor.dtype) ? castTensor(tensor, 'float16') : tensor] as const,
    );
    return [path, { ...parameter, tensors: Object.fromEntries(tensors) }] as const;
  });
  return { ...model, parameters: new Map(parameters) };
}

/** Bytes and numbers of the matrices inside the blocks; a sparse matrix has as many numbers as its bitmap says. */
function blockSize(model: Model): { readonly bytes: number; readonly parameters: number } {
  const specs = parameterSpecs(model);
  let [bytes, parameters] = [0, 0];
  for (const { path, tensors } of model.parameters.values()) {
    const spec = specs.get(path);
    if (spec?.block === undefined || spec.role !== 'linear') continue;
    for (const [slot, tensor] of Object.entries(tensors)) {
      bytes += tensor.data.byteLength;
      if (!slot.endsWith('.mask')) parameters += tensor.data.length;
    }
  }
  return { bytes, parameters };
}

async function forwardTime({ engine, corpus }: Subject, model: Model): Promise<number> {
  if (!('tokens' in corpus)) throw new Error('a forward pass is measured on running text');
  const [batch, length] = [8, 128];
  const program = await engine.compile(buildLogitsGraph(model, { batch, length }), { frozen: new Map(modelInputs(model)) });
  const tokens = int64([batch, length], corpus.tokens.subarray(0, batch * length));
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const started = performance.now();
    for (const output of Object.values(await program.run({ [graphNames.tokens]: tokens }))) output.release();
    times.push(performance.now() - started);
  }
  await program.release();
  return median(times);
}

// Distillation as a step of a recipe: a method like the others, one rank up because it meets training.
import { z } from 'zod';
import { AppError } from '#base';
import { type Method, type MethodResult, matchesPattern, methods, nearestNames, type RegisteredMethod, register } from '#compress';
import { distillModel } from '#distill';
import { type Model, type Parameter, parameterCounts, replaceParameters, taskOf } from '#models';
import { fullTrainingSettings, trainingFields } from './training-settings.ts';

const patterns = z.array(z.string().min(1)).min(1).optional();

const settingsSchema = z.strictObject({
  ...trainingFields,
  /** A stored model; the one that the recipe started from when absent. */
  teacher: z.string().min(1).optional(),
  /** Which parameters train, vectors included; all when absent. */
  include: patterns,
  exclude: patterns,
});

export type DistillStepSettings = z.infer<typeof settingsSchema>;

/** Key under which the trained model is remembered. */
const resultKey = 'distilled';

/**
 * Trains the model of the steps before towards a teacher, on the job's text.
 *
 * Its checkpoints are those of `CompressionEnvironment.training`, its result is remembered like a layer, so that a recipe that goes on neither trains
 * again nor differs.
 */
const distillStep: Method<DistillStepSettings> = {
  name: 'distill',
  settings: settingsSchema,
  needsCalibration: () => true,
  models: ({ teacher }) => (teacher === undefined ? [] : [teacher]),
  async apply(model, settings, { engine, seed, memory, training }, context) {
    const trains = trainedPaths(model, settings);
    const known = await memory?.recall(resultKey);
    if (known !== undefined) return resultOf(model, known.parameters, known.layer.note ?? '');
    if (training === undefined) throw new AppError('not_enough_samples', 'distill: trains on text and got none. Give data.');
    const teacher = await training.teacher(settings.teacher);
    const positions = Math.min(model.config.maxPositions, teacher.config.maxPositions);
    const wanted = { ...settings, seed: settings.seed ?? seed ?? 0 };
    const classifies = taskOf(model.config).kind === 'classify';
    const full = fullTrainingSettings(wanted, { positions, hasTeacher: true, classifies });
    if (full.sequenceLength > positions)
      throw new AppError(
        'context_too_long',
        `distill.sequenceLength: ${full.sequenceLength} tokens are more than the ${positions} positions of the models. Ask for fewer.`,
        { details: { field: 'distill.sequenceLength', positions } },
      );
    const { corpus, checkpoints } = training;
    const request = { student: model, teacher, corpus, settings: full, trains: (path: string) => trains.has(path) };
    const trained = await distillModel({ ...request, ...(checkpoints && { checkpoints }) }, engine, context);
    const changed = [...trained.model.parameters.values()].filter(({ path }) => trains.has(path));
    const note = `${trained.steps} steps on ${trained.tokensSeen.toLocaleString('en-US')} tokens, loss ${trained.finalLoss.toFixed(4)}`;
    const { storedBytes } = parameterCounts(model);
    const layer = { path: '*', kindBefore: '', kindAfter: '', bytesBefore: storedBytes, bytesAfter: storedBytes, weightError: 0, note };
    await memory?.remember(resultKey, { layer, parameters: changed });
    await training.finished?.();
    return resultOf(model, changed, note);
  },
};

/** Everything that a recipe may name. */
export const recipeMethods: Readonly<Record<string, RegisteredMethod>> = { ...methods, distill: register(distillStep) };

function resultOf(before: Model, changed: readonly Parameter[], note: string): MethodResult {
  const model = replaceParameters(before, changed);
  const [bytesBefore, bytesAfter] = [parameterCounts(before).storedBytes, parameterCounts(model).storedBytes];
  return { model, report: { method: 'distill', layers: [], note, bytesBefore, bytesAfter } };
}

/** @throws AppError `pattern_matches_nothing` */
function trainedPaths(model: Model, { include, exclude }: DistillStepSettings): Set<string> {
  const paths = [...model.parameters.keys()];
  for (const pattern of [...(include ?? []), ...(exclude ?? [])]) {
    if (paths.some((path) => matchesPattern(pattern, path))) continue;
    const near = nearestNames(pattern, paths, 3).join(', ');
    throw new AppError('pattern_matches_nothing', `distill: pattern "${pattern}" matches no parameter of the model. Near it are ${near}.`, {
      details: { pattern, near },
    });
  }
  const matches = (list: readonly string[], path: string): boolean => list.some((pattern) => matchesPattern(pattern, path));
  const trained = paths.filter((path) => matches(include ?? ['*'], path) && !matches(exclude ?? [], path));
  if (trained.length === 0)
    throw new AppError('pattern_matches_nothing', 'distill: the include and exclude patterns together leave no parameter. Exclude less.');
  return new Set(trained);
}

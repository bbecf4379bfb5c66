// Training on the job's data alone, as a step of a recipe.
import { AppError, type OperationContext } from '#base';
import { type Model, parameterCounts, randomLike } from '#models';
import { noTeacher } from '#teaching';
import type { CompressionEnvironment, Method, MethodResult } from '../method.ts';
import { trainedStep, trainOrRecall } from '../train-or-recall.ts';
import { trainedPaths } from '../trained-paths.ts';
import { type DataTrainingSettings, type TrainStepSettings, trainSettingsSchema } from './settings.ts';

export const train: Method<TrainStepSettings> = {
  name: 'train',
  settings: trainSettingsSchema,
  needsCalibration: () => false,
  training: (settings) => settings,
  apply(model, { fromScratch, ...settings }, environment, context) {
    const seed = settings.seed ?? environment.seed ?? 0;
    return trainOnData('train', model, fromScratch ? randomLike(model, seed) : model, settings, environment, context);
  },
};

/**
 * Trains with cross-entropy on the data, as the model's task asks.
 *
 * @param before - what the step was given, which its report counts from
 * @param start - what the training begins with
 * @throws AppError `not_enough_samples` without data | `pattern_matches_nothing`, and as training
 */
export async function trainOnData(
  method: string,
  before: Model,
  start: Model,
  { patience, evaluateEvery, heldOut, include, exclude, ...settings }: DataTrainingSettings,
  environment: CompressionEnvironment,
  context: OperationContext,
): Promise<MethodResult> {
  const trained = trainedPaths(start, { include, exclude }, method);
  const trains = (path: string): boolean => trained.has(path);
  const { model, note } = await trainOrRecall(environment, 'trained', start, async () => {
    const { training } = environment;
    if (training === undefined) throw new AppError('not_enough_samples', `${method}: trains on data and got none. Give data.`);
    const request = { model: start, settings: { ...settings, teacher: noTeacher }, place: method, trains };
    return trainedStep(await training.train({ ...request, stopping: { patience, evaluateEvery, heldOut } }, context), trains);
  });
  const [bytesBefore, bytesAfter] = [parameterCounts(before).storedBytes, parameterCounts(model).storedBytes];
  return { model, report: { method, layers: [], note, bytesBefore, bytesAfter } };
}

// Distillation as a step of a recipe: a method like the others, one rank up because it meets training.
import { z } from 'zod';
import { AppError } from '#base';
import {
  type Method,
  methods,
  methodTrainingSchema,
  noTeacher,
  type RegisteredMethod,
  register,
  registerSearch,
  teachersNamed,
  trainedPaths,
  trainedStep,
  trainOrRecall,
} from '#compress';
import { lossFields, teacherSchema } from '#distill';
import { parameterCounts } from '#models';
import { lossFault } from './training-settings.ts';

const patterns = z.array(z.string().min(1)).min(1).optional();

const settingsSchema = z
  .strictObject({
    ...methodTrainingSchema.shape,
    ...lossFields,
    /** In place of one teacher. */
    teachers: z.array(teacherSchema).min(1, 'must name a teacher').optional(),
    /** Which parameters train, vectors included; all when absent. */
    include: patterns,
    exclude: patterns,
  })
  .check(({ value, issues }) => {
    const fail = (field: string, message: string): void => {
      const path = field.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part));
      issues.push({ code: 'custom', message, path, input: value });
    };
    if (value.teacher !== undefined && value.teachers !== undefined) fail('teachers', 'cannot stand beside "teacher": one of the two');
    const fault = lossFault(value, value.teacher !== noTeacher);
    if (fault !== undefined) fail(fault.field, fault.message);
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
  needsCalibration: () => false,
  models: ({ teachers = [], ...settings }) => [...teachersNamed(settings), ...teachers.map(({ model }) => model)],
  training: (settings) => settings,
  async apply(model, settings, environment, context) {
    const trains = trainedPaths(model, settings, 'distill');
    const { model: distilled, note } = await trainOrRecall(environment, resultKey, model, async () => {
      const { training } = environment;
      if (training === undefined) throw new AppError('not_enough_samples', 'distill: trains on text and got none. Give data.');
      const request = { model, settings, place: 'distill', trains: (path: string) => trains.has(path) };
      return trainedStep(await training.train(request, context), (path) => trains.has(path));
    });
    const [bytesBefore, bytesAfter] = [parameterCounts(model).storedBytes, parameterCounts(distilled).storedBytes];
    return { model: distilled, report: { method: 'distill', layers: [], note, bytesBefore, bytesAfter } };
  },
};

/** Everything that a recipe may name. */
export const recipeMethods: Readonly<Record<string, RegisteredMethod>> = {
  ...methods,
  distill: register(distillStep),
  search: registerSearch(() => recipeMethods),
};

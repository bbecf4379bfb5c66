// What the methods have in common that adapt a frozen model to new data: how they train, what trains beside them, and the text that they need.
import { AppError } from '#base';
import { type Model, taskOf } from '#models';
import type { CompressionEnvironment, TrainingMaterial } from '../method.ts';
import { type MethodTraining, methodTrainingSchema, noTeacher } from '../training-fields.ts';

/** The field `training`: the data alone teaches unless a teacher is named, since a model that learns from itself stays what it is. */
export const adaptationTraining = methodTrainingSchema
  .extend({ teacher: methodTrainingSchema.shape.teacher.default(noTeacher) })
  .default({ teacher: noTeacher });

/** The seed and the learning rate that a training gets where it names none. */
export function withDefaults(training: MethodTraining, learningRate: number, seed: number | undefined): MethodTraining {
  return { learningRate, ...(seed === undefined ? {} : { seed }), ...training };
}

/** @throws AppError `not_enough_samples` */
export function trainingOf({ training }: CompressionEnvironment, step: string): TrainingMaterial {
  if (training !== undefined) return training;
  throw new AppError('not_enough_samples', `${step}: trains on text and got none. Give data.`);
}

/** Paths of a classifier's head, which is new to its task and trains with whatever is added; the head over a vocabulary is not new. */
export function headPaths({ config, parameters }: Model, trainHead: boolean): ReadonlySet<string> {
  if (!trainHead || taskOf(config).kind !== 'classify') return new Set();
  return new Set([...parameters.keys()].filter((path) => path.startsWith('pooler.') || path.startsWith('classifier.')));
}

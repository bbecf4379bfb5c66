// What the methods have in common that adapt a frozen model to new data: how they train, what trains beside them, and the text that they need.
import { AppError } from '#base';
import { type Model, taskOf } from '#models';
import { aloneUnlessTaught, type MethodTraining } from '#teaching';
import type { CompressionEnvironment, TrainingMaterial } from '../method.ts';

/** The seed and the learning rate that a training gets where it names none. The data alone teaches unless it says who does: a model that learns from itself stays what it is. */
export function withDefaults(training: MethodTraining, learningRate: number, seed: number | undefined): MethodTraining {
  return aloneUnlessTaught({ learningRate, ...(seed === undefined ? {} : { seed }), ...training });
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

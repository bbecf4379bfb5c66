// The models of the study: each trained once from random weights, for as long as its plan says, with checkpoints.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { at, quietContext, Random } from '#base';
import type { Engine } from '#engine';
import { initializeModel, type Model, parameterCounts } from '#models';
import { exportHuggingFace, importHuggingFace } from '#store';
import type { TokenCorpus } from '#text';
import { crossEntropyObjective, type TrainSettings, trainModel, trainSettings } from '#train';
import { FolderCheckpoints } from '../../../src/jobs/checkpoints.ts';
import { type Axis, batchSize, configOf, flopsPerStep, type Size, sequenceLength, type TrainingPlan } from './plan.ts';

/** One point of a training's curve. */
export interface CurvePoint {
  readonly axis: Axis;
  readonly model: string;
  readonly step: number;
  /** Of steps alone, by the plan's measure. */
  readonly seconds: number;
  readonly flops: number;
  readonly bitsPerByte: number;
}

export interface TrainingBed {
  readonly engine: Engine;
  readonly corpus: TokenCorpus;
  readonly vocabularySize: number;
  readonly endToken: number;
  readonly seed: number;
  /** For checkpoints and models. */
  readonly folder: string;
  readonly tokenizerFiles: Parameters<typeof exportHuggingFace>[1];
  measure(model: Model): Promise<number>;
}

function settingsOf(size: Size, steps: number, seed: number): TrainSettings {
  return trainSettings({
    steps,
    batchSize,
    sequenceLength,
    seed,
    learningRate: size.learningRate,
    warmupSteps: Math.min(100, Math.ceil(steps / 10)),
    checkpointEvery: 200,
  });
}

function randomModel(size: Size, { vocabularySize, endToken, seed }: TrainingBed): Model {
  return initializeModel(configOf(size, vocabularySize, endToken), new Random(seed));
}

/** Median seconds of a step, after two to warm up. */
async function secondsPerStep(size: Size, bed: TrainingBed): Promise<number> {
  const times: number[] = [];
  let last = performance.now();
  const report = (): void => {
    const now = performance.now();
    times.push((now - last) / 1000);
    last = now;
  };
  const settings = { ...settingsOf(size, 7, bed.seed), checkpointEvery: 0 };
  const request = { model: randomModel(size, bed), corpus: bed.corpus, settings, objective: crossEntropyObjective() };
  await trainModel(request, bed.engine, { ...quietContext, report });
  return at(
    times.slice(2).sort((one, other) => one - other),
    2,
  );
}

/**
 * Equal time: as many steps as fit. Equal multiplications: as many as the smallest size makes in that time.
 *
 * @param smallest - plan of the smallest size for equal time
 */
export async function planTraining(
  axis: Axis,
  size: Size,
  minutes: number,
  bed: TrainingBed,
  smallest: TrainingPlan | undefined,
): Promise<TrainingPlan> {
  const seconds = await secondsPerStep(size, bed);
  const flops = flopsPerStep(size, bed.vocabularySize);
  const budget = smallest === undefined ? 0 : smallest.steps * smallest.flopsPerStep;
  const steps = axis === 'time' ? (minutes * 60) / seconds : budget / flops;
  return { axis, model: size.name, steps: Math.max(1, Math.floor(steps)), secondsPerStep: seconds, flopsPerStep: flops };
}

/** Trains, goes on with the training, or loads what it made. */
export async function trainedModel(size: Size, plan: TrainingPlan, bed: TrainingBed, note: (point: CurvePoint) => void): Promise<Model> {
  const { axis, steps } = plan;
  const folder = join(bed.folder, `${axis}-${size.name}-${steps}`);
  const finished = join(folder, 'model');
  if (existsSync(finished)) return (await importHuggingFace(finished)).model;
  const every = Math.max(1, Math.ceil(steps / 10));
  const request = {
    model: randomModel(size, bed),
    corpus: bed.corpus,
    settings: settingsOf(size, steps, bed.seed),
    objective: crossEntropyObjective(),
    checkpoints: new FolderCheckpoints(join(folder, 'checkpoints'), JSON.stringify([size, plan.steps, bed.seed, bed.corpus.fingerprint])),
    afterStep: async (step: number, current: () => Model): Promise<void> => {
      if (step % every !== 0) return;
      const bitsPerByte = await bed.measure(current());
      note({ axis, model: size.name, step, seconds: step * plan.secondsPerStep, flops: step * plan.flopsPerStep, bitsPerByte });
    },
  };
  const { model } = await trainModel(request, bed.engine, quietContext);
  await exportHuggingFace(model, bed.tokenizerFiles, finished);
  console.error(`${axis} ${size.name}: ${steps} steps, ${parameterCounts(model).stored} parameters`);
  return model;
}

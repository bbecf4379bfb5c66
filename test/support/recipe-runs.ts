// Recipes that train, run on tiny models as a job runs them: with text, teachers, checkpoints and remembered layers.
import { type OperationContext, quietContext } from '#base';
import { compressModel, parseRecipe, type RecipeEnvironment, type TrainingMaterial } from '#compress';
import type { Engine } from '#engine';
import { type Model, storedTensors } from '#models';
import { rawBytes } from '#tensor';
import type { TrainingData } from '#train';
import { FolderCheckpoints } from '../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../src/jobs/layer-folder.ts';
import { RecipeTraining } from '../../src/jobs/recipe-training.ts';

export interface RecipeRun {
  readonly engine: Engine;
  readonly model: Model;
  readonly corpus: TrainingData;
  readonly steps: readonly object[];
  /** Where layers and checkpoints survive; absent: nothing does. */
  readonly folder?: string;
  readonly context?: OperationContext;
}

export function runRecipe({ engine, model, corpus, steps, folder, context = quietContext }: RecipeRun): ReturnType<typeof compressModel> {
  const teacher: TrainingMaterial['teacher'] = async () => model;
  const layers = folder === undefined ? undefined : new LayerFolder(folder, 'same');
  const environment: RecipeEnvironment = {
    engine,
    ofStep: (step) => ({
      training: new RecipeTraining({
        engine,
        corpus,
        seed: 0,
        teacher,
        ...(folder === undefined ? {} : { checkpoints: (part) => new FolderCheckpoints(`${folder}/training-${step}${part}`, 'same') }),
      }),
      ...(layers === undefined ? {} : { memory: layers.step(step) }),
    }),
  };
  return compressModel(model, parseRecipe({ steps }, recipeMethods), environment, context);
}

/** A context that aborts at the `count`-th report that says it took a step of the training `phase`. */
export function abortAfter(phase: string, count: number): OperationContext {
  const controller = new AbortController();
  let seen = 0;
  return {
    signal: controller.signal,
    report: (progress) => {
      if (progress.phase === phase && progress.metrics?.['gradientNorm'] !== undefined && ++seen === count) controller.abort();
    },
  };
}

/** All stored tensors as text, by name. */
export function storedBytesOf(model: Model): Record<string, string> {
  return Object.fromEntries([...storedTensors(model)].map(([name, tensor]) => [name, Buffer.from(rawBytes(tensor)).toString('hex')]));
}

// A recipe run as a job runs it: with text to train on, and a folder for what is finished.
import { type OperationContext, quietContext } from '#base';
import { type Calibration, compressModel, parseRecipe } from '#compress';
import type { Engine } from '#engine';
import type { Model } from '#models';
import type { TrainingData } from '#train';
import { FolderCheckpoints } from '../../../../src/jobs/checkpoints.ts';
import { recipeMethods } from '../../../../src/jobs/distill-step.ts';
import { LayerFolder } from '../../../../src/jobs/layer-folder.ts';
import { RecipeTraining } from '../../../../src/jobs/recipe-training.ts';

export interface FlopRunOptions {
  readonly engine: Engine;
  readonly model: Model;
  readonly corpus: TrainingData;
  readonly calibration?: Calibration;
  /** Keeps layers and checkpoints. */
  readonly folder?: string;
  readonly context?: OperationContext;
}

/** Applies `{ flop: settings }`. */
export function runFlop(settings: object, options: FlopRunOptions): ReturnType<typeof compressModel> {
  const { engine, model, corpus, calibration, folder, context = quietContext } = options;
  const recipe = parseRecipe({ seed: 3, steps: [{ flop: settings }] }, recipeMethods);
  const layers = folder === undefined ? undefined : new LayerFolder(`${folder}/layers`, 'same');
  const environment = {
    engine,
    ...(calibration && { calibration }),
    ofStep: (step: number) => ({
      training: new RecipeTraining({
        engine,
        corpus,
        seed: recipe.seed,
        teacher: async () => model,
        ...(folder === undefined ? {} : { checkpoints: (part: string) => new FolderCheckpoints(`${folder}/training${part}`, 'same') }),
      }),
      ...(layers === undefined ? {} : { memory: layers.step(step) }),
    }),
  };
  return compressModel(model, recipe, environment, context);
}

/** Collects what a run reports. */
export function recordingContext(
  signal: AbortSignal = quietContext.signal,
): OperationContext & { readonly events: Record<string, number>[] } {
  const events: Record<string, number>[] = [];
  return {
    signal,
    events,
    report: ({ phase, step = 0, metrics }) => {
      if (phase === 'flop') events.push({ step, ...metrics });
    },
  };
}

// How steps of a recipe train: on the job's data, towards their teacher or alone, with checkpoints of their own.
import { AppError, type OperationContext } from '#base';
import { type MethodTrainRequest, noTeacher, type TrainingMaterial } from '#compress';
import { type DistillSettings, distillModel } from '#distill';
import type { Engine } from '#engine';
import { type Model, taskOf } from '#models';
import { objectiveOf, type TrainingData, type TrainResult, trainModel } from '#train';
import type { FolderCheckpoints } from './checkpoints.ts';
import { fullTrainingSettings } from './training-settings.ts';

export interface RecipeTrainingParts {
  readonly engine: Engine;
  readonly corpus: TrainingData;
  /** Seed of the recipe, for trainings that set none. */
  readonly seed: number | undefined;
  /** A stored model by name, or the model that the recipe started from. */
  readonly teacher: TrainingMaterial['teacher'];
  /** Of one training of the step; absent to train without. */
  readonly checkpoints?: (part: string) => FolderCheckpoints;
}

/** The material of one step. */
export class RecipeTraining implements TrainingMaterial {
  readonly corpus: TrainingData;
  readonly teacher: TrainingMaterial['teacher'];
  readonly #parts: RecipeTrainingParts;
  readonly #used = new Map<string, FolderCheckpoints>();

  constructor(parts: RecipeTrainingParts) {
    this.#parts = parts;
    this.corpus = parts.corpus;
    this.teacher = parts.teacher;
  }

  async train(request: MethodTrainRequest, context: OperationContext): Promise<TrainResult> {
    const { model, scheme, trains, afterStep, part = '', corpus = this.corpus } = request;
    const { engine } = this.#parts;
    const teacher = request.settings.teacher === noTeacher ? undefined : await this.teacher(request.settings.teacher);
    const settings = this.#settings(request, teacher);
    const checkpoints = this.#checkpoints(part);
    const shared = {
      corpus,
      settings,
      scheme,
      ...(checkpoints && { checkpoints }),
      ...(trains && { trains }),
      ...(afterStep && { afterStep }),
    };
    const phase = request.place.split('.')[0] ?? request.place;
    return teacher === undefined
      ? trainModel({ ...shared, model, objective: objectiveOf(corpus, settings), phase }, engine, context)
      : distillModel({ ...shared, student: model, teacher, phase }, engine, context);
  }

  /** The step's result is kept: its checkpoints are of no use any more. */
  async finished(): Promise<void> {
    for (const checkpoints of this.#used.values()) await checkpoints.clear();
  }

  #checkpoints(part: string): FolderCheckpoints | undefined {
    const known = this.#used.get(part) ?? this.#parts.checkpoints?.(part);
    if (known !== undefined) this.#used.set(part, known);
    return known;
  }

  /** @throws AppError `invalid_argument` | `context_too_long` naming the setting */
  #settings({ model, settings, place }: MethodTrainRequest, teacher: Model | undefined): DistillSettings {
    const positions = Math.min(model.config.maxPositions, teacher?.config.maxPositions ?? Number.POSITIVE_INFINITY);
    const classifies = taskOf(model.config).kind === 'classify';
    const wanted = { ...settings, seed: settings.seed ?? this.#parts.seed ?? 0 };
    const full = fullTrainingSettings(wanted, { positions, hasTeacher: teacher !== undefined, classifies });
    for (const name of ['sequenceLength', 'sourceLength'] as const) {
      const length = full[name] ?? 0;
      if (length > positions)
        throw new AppError(
          'context_too_long',
          `${place}.${name}: ${length} tokens are more than the ${positions} positions of the models. Ask for fewer.`,
          { details: { field: `${place}.${name}`, positions } },
        );
    }
    return full;
  }
}

// How steps of a recipe train: on the job's data, towards their teacher or alone, with checkpoints of their own.

import { AppError, type OperationContext } from '#base';
import type { MethodTrainRequest, TrainingMaterial } from '#compress';
import { type DistillSettings, distillModel, type WeightedTeacher } from '#distill';
import type { Engine } from '#engine';
import { taskOf, textPositions } from '#models';
import { type MethodTraining, noTeacher } from '#teaching';
import {
  type EarlyStoppingOptions,
  measuredBatches,
  objectiveOf,
  splitHeldOut,
  type TrainingData,
  type TrainResult,
  trainModel,
} from '#train';
import type { ActivationFolder } from './activation-folder.ts';
import type { FolderCheckpoints } from './checkpoints.ts';
import { fullTrainingSettings } from './training-settings.ts';

export interface RecipeTrainingParts {
  readonly engine: Engine;
  readonly corpus: TrainingData;
  /** What is measured while a step trains, in place of a part of `corpus`. */
  readonly validation?: TrainingData | undefined;
  /** Of the texts in `corpus`, where they have labels. */
  readonly labels?: readonly string[] | undefined;
  /** Seed of the recipe, for trainings that set none. */
  readonly seed: number | undefined;
  /** A stored model by name, or the model that the recipe started from. */
  readonly teacher: TrainingMaterial['teacher'];
  /** Where answers of frozen models are kept; absent to keep none. */
  readonly activations?: ActivationFolder;
  /** Of one training of the step; absent to train without. */
  readonly checkpoints?: (part: string) => FolderCheckpoints;
}

/** What the settings of the step `distill` have beside those of every method that trains. */
interface Teachers {
  readonly teachers?: readonly { readonly model: string; readonly weight: number }[] | undefined;
}

/** The material of one step. */
export class RecipeTraining implements TrainingMaterial {
  readonly corpus: TrainingData;
  readonly labels: readonly string[] | undefined;
  readonly teacher: TrainingMaterial['teacher'];
  readonly activations?: NonNullable<TrainingMaterial['activations']>;
  readonly #parts: RecipeTrainingParts;
  readonly #used = new Map<string, FolderCheckpoints>();

  constructor(parts: RecipeTrainingParts) {
    this.#parts = parts;
    this.corpus = parts.corpus;
    this.labels = parts.labels;
    this.teacher = parts.teacher;
    const { activations } = parts;
    if (activations !== undefined) this.activations = (options) => activations.open(options);
  }

  async train(request: MethodTrainRequest, context: OperationContext): Promise<TrainResult> {
    const { model, scheme, stages, trains, afterStep, part = '' } = request;
    const { engine } = this.#parts;
    const teachers = await this.#teachers(request.settings);
    const settings = this.#settings(request, teachers);
    const checkpoints = this.#checkpoints(part);
    const { corpus, stopping } = this.#heldOut(request, settings);
    const shared = {
      corpus,
      settings,
      scheme,
      stopping,
      ...(checkpoints && { checkpoints }),
      ...(trains && { trains }),
      ...(stages && { stages }),
      ...(afterStep && { afterStep }),
    };
    const phase = request.place.split('.')[0] ?? request.place;
    return teachers.length === 0
      ? trainModel({ ...shared, model, objective: objectiveOf(corpus, settings), phase }, engine, context)
      : distillModel({ ...shared, student: model, teacher: teachers, phase }, engine, context);
  }

  async settings(request: MethodTrainRequest): Promise<DistillSettings> {
    return this.#settings(request, await this.#teachers(request.settings));
  }

  /** The step's result is kept: its checkpoints are of no use any more. */
  async finished(): Promise<void> {
    for (const checkpoints of this.#used.values()) await checkpoints.clear();
    await this.#parts.activations?.clear();
  }

  /** What is trained on, and how the rest is measured. @throws AppError `not_enough_samples` | `unsupported` and as opening batches */
  #heldOut(
    { model, stopping, corpus = this.corpus }: MethodTrainRequest,
    settings: DistillSettings,
  ): { readonly corpus: TrainingData; readonly stopping: EarlyStoppingOptions | undefined } {
    const { validation } = this.#parts;
    if (stopping === undefined || stopping.patience === 0 || (stopping.from ?? 0) >= settings.steps) return { corpus, stopping: undefined };
    const { trains, heldOut } =
      validation === undefined ? splitHeldOut(corpus, stopping.heldOut, settings) : { trains: corpus, heldOut: validation };
    return { corpus: trains, stopping: { ...stopping, batches: measuredBatches(model, heldOut, settings) } };
  }

  async #teachers({ teacher, teachers }: MethodTraining & Teachers): Promise<readonly WeightedTeacher[]> {
    if (teacher === noTeacher) return [];
    if (teachers === undefined) return [{ model: await this.teacher(teacher), weight: 1 }];
    const taught: WeightedTeacher[] = [];
    for (const { model, weight } of teachers) taught.push({ model: await this.teacher(model), weight });
    return taught;
  }

  #checkpoints(part: string): FolderCheckpoints | undefined {
    const known = this.#used.get(part) ?? this.#parts.checkpoints?.(part);
    if (known !== undefined) this.#used.set(part, known);
    return known;
  }

  /** @throws AppError `invalid_argument` | `context_too_long` naming the setting */
  #settings({ model, settings, place }: MethodTrainRequest, teachers: readonly WeightedTeacher[]): DistillSettings {
    const positions = Math.min(...[model, ...teachers.map((teacher) => teacher.model)].map(({ config }) => textPositions(config)));
    const classifies = taskOf(model.config).kind === 'classify';
    const wanted = { ...settings, seed: settings.seed ?? this.#parts.seed ?? 0 };
    const full = fullTrainingSettings(wanted, { positions, hasTeacher: teachers.length > 0, classifies });
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

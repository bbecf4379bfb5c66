// How steps of a recipe train: on the job's data, towards their teacher or alone, with checkpoints of their own.

import { join } from 'node:path';
import { AppError, type OperationContext } from '#base';
import type { MethodTrainRequest, TrainingMaterial } from '#compress';
import { asTaught, type DistillSettings, distillFromAnswers, distillModel, teachingObjective, type WeightedTeacher } from '#distill';
import type { Engine } from '#engine';
import { type Model, taskOf, textPositions } from '#models';
import { type MethodTraining, noTeacher } from '#teaching';
import {
  type EarlyStoppingOptions,
  measuredBatches,
  objectiveOf,
  planTrainerMemory,
  splitHeldOut,
  type TrainingData,
  type TrainingMemory,
  type TrainResult,
  trainModel,
} from '#train';
import type { ActivationFolder } from './activation-folder.ts';
import type { FolderCheckpoints } from './checkpoints.ts';
import type { OpenTeacher, RecipeTeachers } from './teachers/recipe-teachers.ts';
import { settleTraining } from './training-plan.ts';
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
  /** Those of the recipe that are not in this process; absent where it names none. */
  readonly elsewhere?: Pick<RecipeTeachers, 'of'> | undefined;
  /** Weights of a model that others hold too, on the device already; undefined where nobody does. */
  readonly weightsOf?: (model: Model) => Promise<WeightedTeacher['weights']>;
  /** Bytes that the process may hold. */
  readonly limitBytes?: number | undefined;
  /** Where answers of frozen models are kept; absent to keep none. */
  readonly activations?: ActivationFolder;
  /** Of one training of the step; absent to train without. */
  readonly checkpoints?: (part: string) => FolderCheckpoints;
}

/** Who teaches in one training. */
type Taught =
  | { readonly kind: 'alone' }
  | { readonly kind: 'resident'; readonly teachers: readonly WeightedTeacher[] }
  | { readonly kind: 'elsewhere'; readonly teacher: OpenTeacher; readonly positions: number };

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
    const taught = await this.#taught(request.settings);
    const wanted = this.#settings(request, taught);
    const checkpoints = this.#checkpoints(part);
    const settings = await this.#settled(request, taught, wanted, checkpoints, context);
    const { corpus, stopping } = this.#heldOut(request, settings, taught);
    const phase = request.place.split('.')[0] ?? request.place;
    const shared = {
      corpus,
      settings,
      scheme,
      stopping,
      phase,
      ...(checkpoints && { checkpoints }),
      ...(trains && { trains }),
      ...(stages && { stages }),
      ...(afterStep && { afterStep }),
    };
    if (taught.kind === 'alone') return trainModel({ ...shared, model, objective: objectiveOf(corpus, settings) }, engine, context);
    if (taught.kind === 'resident') return distillModel({ ...shared, student: model, teacher: taught.teachers }, engine, context);
    const teacher = await taught.teacher.source({ model, corpus, settings, place: request.place }, context);
    return distillFromAnswers({ ...shared, model, teacher }, engine, context);
  }

  /** With memory "auto" and a limit: what fits. @throws AppError `insufficient_memory` */
  async #settled(
    { model, scheme, trains, place }: MethodTrainRequest,
    taught: Taught,
    wanted: DistillSettings,
    checkpoints: FolderCheckpoints | undefined,
    context: OperationContext,
  ): Promise<DistillSettings> {
    const { engine, limitBytes } = this.#parts;
    if (wanted.memory !== 'auto' || limitBytes === undefined || taught.kind === 'elsewhere') return wanted;
    const planFor = async (settings: DistillSettings): Promise<TrainingMemory> => {
      const { corpus } = this;
      if (taught.kind === 'alone') return planTrainerMemory(engine, model, objectiveOf(corpus, settings), settings, { scheme, trains });
      const objective = teachingObjective(engine, await asTaught(engine, { student: model, teacher: taught.teachers, corpus, settings }));
      try {
        return await planTrainerMemory(engine, model, objective, settings, { scheme, trains });
      } finally {
        objective.release();
      }
    };
    const { settings } = await settleTraining({
      place,
      settings: wanted,
      planFor,
      limitBytes,
      residentBytes: process.memoryUsage.rss(),
      choicePath: checkpoints && join(checkpoints.folder, 'arrangement.json'),
      report: context.report,
    });
    return settings;
  }

  async settings(request: MethodTrainRequest): Promise<DistillSettings> {
    return this.#settings(request, await this.#taught(request.settings));
  }

  /** The step's result is kept: its checkpoints are of no use any more. */
  async finished(): Promise<void> {
    for (const checkpoints of this.#used.values()) await checkpoints.clear();
    await this.#parts.activations?.clear();
  }

  /** What is trained on, and how the rest is measured. @throws AppError `invalid_argument` | `not_enough_samples` | `unsupported` and as opening batches */
  #heldOut(
    { model, stopping, corpus = this.corpus, place }: MethodTrainRequest,
    settings: DistillSettings,
    taught: Taught,
  ): { readonly corpus: TrainingData; readonly stopping: EarlyStoppingOptions | undefined } {
    const { validation } = this.#parts;
    if (stopping === undefined || stopping.patience === 0 || (stopping.from ?? 0) >= settings.steps) return { corpus, stopping: undefined };
    const isElsewhere = taught.kind === 'elsewhere';
    if (validation === undefined && isElsewhere && taught.teacher.kind === 'recorded')
      throw new AppError(
        'invalid_argument',
        `${place}.recording: is of all of the data, and a part would be held out to end the training early. Give the job validation data, or set patience to 0.`,
        { details: { field: `${place}.recording` } },
      );
    const { trains, heldOut } =
      validation === undefined ? splitHeldOut(corpus, stopping.heldOut, settings) : { trains: corpus, heldOut: validation };
    const objective = isElsewhere ? objectiveOf(heldOut, settings) : undefined;
    return { corpus: trains, stopping: { ...stopping, objective, batches: measuredBatches(model, heldOut, settings) } };
  }

  async #taught(settings: MethodTraining): Promise<Taught> {
    const { teacher, teachers: named } = settings;
    if (teacher === noTeacher) return { kind: 'alone' };
    const elsewhere = this.#parts.elsewhere?.of(settings);
    if (elsewhere !== undefined) return { kind: 'elsewhere', teacher: elsewhere, positions: await elsewhere.positions() };
    const teachers: WeightedTeacher[] = [];
    for (const { model: name, weight } of named ?? [{ model: teacher, weight: 1 }]) {
      const model = await this.teacher(name);
      teachers.push({ model, weight, weights: await this.#parts.weightsOf?.(model) });
    }
    return { kind: 'resident', teachers };
  }

  #checkpoints(part: string): FolderCheckpoints | undefined {
    const known = this.#used.get(part) ?? this.#parts.checkpoints?.(part);
    if (known !== undefined) this.#used.set(part, known);
    return known;
  }

  /** @throws AppError `invalid_argument` | `context_too_long` naming the setting */
  #settings({ model, settings, place }: MethodTrainRequest, taught: Taught): DistillSettings {
    const others = taught.kind === 'resident' ? taught.teachers.map((teacher) => teacher.model) : [];
    const ofTeacher = taught.kind === 'elsewhere' ? taught.positions : Number.POSITIVE_INFINITY;
    const positions = Math.min(ofTeacher, ...[model, ...others].map(({ config }) => textPositions(config)));
    const classifies = taskOf(model.config).kind === 'classify';
    const wanted = { ...settings, seed: settings.seed ?? this.#parts.seed ?? 0 };
    const full = fullTrainingSettings(wanted, { positions, hasTeacher: taught.kind !== 'alone', classifies });
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

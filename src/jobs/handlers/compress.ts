// Compress: a recipe applied to a stored model, with text where a step wants it; finished layers and trainings survive the process.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { AppError } from '#base';
import {
  type CompressionEnvironment,
  type CompressionReport,
  compressModel,
  parseRecipe,
  type Recipe,
  type RecipeEnvironment,
  type RecipeStep,
  type TrainingMaterial,
  type TrainingSettings,
  WindowCalibration,
} from '#compress';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, taskOf } from '#models';
import type { JsonObject, JsonValue } from '#store';
import { type CalibrationData, calibrationData, calibrationWindow, windowsPerRun } from '../calibration-data.ts';
import { checkInput, parseYaml } from '../check-input.ts';
import { FolderCheckpoints } from '../checkpoints.ts';
import { recipeMethods } from '../distill-step.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { checkData, checkDataKind, type DataLengths, type JobData, kindOfData, readJobData } from '../job-data.ts';
import { LayerFolder } from '../layer-folder.ts';
import { type MemoryPlan, memoryLimitBytes, PeakMemory, planMemory } from '../memory-plan.ts';
import type { ModelHub, ModelLease, SavedModel } from '../model-hub.ts';
import { namedRecipe } from '../named-recipes.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import { RecipeTraining } from '../recipe-training.ts';
import type { CompressResult, ParameterChange, StepReport } from '../results.ts';
import { type CompressSpec, compressSpecSchema, type TextData } from '../specs.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { checkSameTokens } from './evaluate.ts';
import { checkReads, checkWrites } from './names.ts';
import { labelledCalibration, pairCalibration, sentenceCalibration } from './row-calibration.ts';

export interface CompressOptions {
  /** Bytes that the process may hold; that of the machine or its control group when absent or larger. */
  readonly memoryLimitBytes?: number;
}

export function compressHandler(hub: ModelHub, engine: Engine, options: CompressOptions = {}): JobHandler<CompressSpec, CompressResult> {
  return {
    kind: 'compress',
    usesDevice: true,
    canResume: true,
    parse(input) {
      const spec = checkInput(compressSpecSchema, withRecipe(input), 'compress');
      const { steps } = parseRecipe(spec.recipe, recipeMethods);
      const wanting = steps.find(needsData);
      if (wanting !== undefined && spec.data === undefined)
        throw new AppError('invalid_argument', `compress.data: the step ${wanting.method} needs text and got none. Give a text file.`, {
          details: { field: 'compress.data' },
        });
      return spec;
    },
    names: ({ model, name }) => ({ source: model, target: name }),
    async prepare({ model, name, replace, data, recipe }) {
      await checkReads(hub, [model, ...teachersOf(parseRecipe(recipe, recipeMethods))]);
      await checkWrites(hub, name, replace);
      if (data !== undefined) await checkData(data);
    },
    run(spec, context) {
      const recipe = parseRecipe(spec.recipe, recipeMethods);
      return withPinnedInputs(hub, [spec.model, ...teachersOf(recipe)], context.workFolder, (pinnedTo) =>
        hub.using(pinnedTo(spec.model), (lease) => new CompressRun(hub, engine, spec, recipe, pinnedTo, context, options).run(lease)),
      );
    },
  };
}

function teachersOf({ steps }: Recipe): string[] {
  return steps.flatMap(({ models }) => models);
}

/** A recipe may come as text or as the name of one that is shipped; it is stored as what it says. */
function withRecipe(input: unknown): unknown {
  if (typeof input !== 'object' || input === null) return input;
  const { recipeYaml, recipeName, ...rest } = input as Record<string, unknown>;
  if (recipeYaml === undefined && recipeName === undefined) return input;
  if ('recipe' in rest || (recipeYaml !== undefined && recipeName !== undefined))
    throw new AppError('invalid_argument', 'compress.recipe: give one of a recipe, its YAML and a name.');
  const text = recipeName === undefined ? String(recipeYaml) : namedRecipe(String(recipeName));
  return { ...rest, recipe: parseYaml(text, recipeName === undefined ? 'recipe' : `recipe "${String(recipeName)}"`) };
}

/** One attempt. */
class CompressRun {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #spec: CompressSpec;
  readonly #recipe: Recipe;
  /** The version of a reference with which the first attempt began. */
  readonly #pinnedTo: (reference: string) => string;
  readonly #context: JobContext;
  readonly #options: CompressOptions;

  constructor(
    hub: ModelHub,
    engine: Engine,
    spec: CompressSpec,
    recipe: Recipe,
    pinnedTo: (reference: string) => string,
    context: JobContext,
    options: CompressOptions,
  ) {
    this.#hub = hub;
    this.#engine = engine;
    this.#spec = spec;
    this.#recipe = recipe;
    this.#pinnedTo = pinnedTo;
    this.#context = context;
    this.#options = options;
  }

  async run(lease: ModelLease): Promise<CompressResult> {
    const plan = this.#plan(lease);
    const peak = new PeakMemory();
    const teachers = new Map<string, ModelLease>();
    try {
      if (this.#spec.data !== undefined) this.#checkData(lease, this.#spec.data);
      const corpus = await this.#corpus(lease);
      const calibration = await this.#calibration(lease, corpus);
      const environment = this.#environment(lease, corpus, calibration, teachers, plan);
      const { model, report } = await compressModel(lease.model, this.#recipe, environment, this.#context);
      const saved = await this.#save(lease, model, corpus, calibration);
      const { estimatedPeakBytes, limitBytes, phase } = plan;
      return {
        ...saved,
        changes: changesOf(report),
        steps: stepsOf(report),
        memory: { estimatedPeakBytes, peakBytes: peak.peakBytes, limitBytes, phase },
        ...(calibration === undefined ? {} : { calibration: calibration.manifest }),
      };
    } finally {
      peak.end();
      for (const teacher of teachers.values()) teacher.release();
    }
  }

  /** The first report of the job. @throws AppError `insufficient_memory` */
  #plan({ model }: ModelLease): MemoryPlan {
    const plan = planMemory({
      model,
      recipe: this.#recipe,
      window: calibrationWindow(this.#spec.calibration, model.config.maxPositions),
      windowsPerRun: Math.min(windowsPerRun, this.#spec.calibration.sequences),
      limitBytes: memoryLimitBytes(this.#options.memoryLimitBytes),
      residentBytes: process.memoryUsage.rss(),
    });
    const { estimatedPeakBytes, limitBytes, calibrationBytes, phase } = plan;
    this.#context.report({ phase: 'plan', item: phase, metrics: { estimatedPeakBytes, limitBytes, calibrationBytes } });
    return plan;
  }

  /** Any encoder is calibrated on lines of text; training, and what looks at the loss, needs data of the model's kind. */
  #checkData({ model: { config } }: ModelLease, data: TextData): void {
    const isEncoder = taskOf(config).kind !== 'causal';
    const trains = this.#recipe.steps.some(({ training }) => training !== undefined);
    if (!(isEncoder && kindOfData(data) === 'text') || trains) checkDataKind(config, data, 'compress.data');
  }

  /** What is trained on, and the running text that windows are drawn from. */
  async #corpus(lease: ModelLease): Promise<JobData | undefined> {
    const { data } = this.#spec;
    const trains = this.#recipe.steps.flatMap(({ training }) => training ?? []);
    const isText = taskOf(lease.model.config).kind === 'causal' && !isEncoderDecoder(lease.model.config);
    if (data === undefined || !this.#recipe.steps.some(needsData) || !(isText || trains.length > 0)) return undefined;
    // Steps may train on different lengths: what the shortest takes, the others take too.
    const lengths = trains.map((training) => stepLengths(training, lease.model));
    const smallest = (of: (each: Required<DataLengths>) => number): number => Math.min(lease.model.config.maxPositions, ...lengths.map(of));
    const wanted = { sequenceLength: smallest((each) => each.sequenceLength), sourceLength: smallest((each) => each.sourceLength) };
    return await readJobData(data, lease, wanted, this.#context);
  }

  /** What the layers see: windows of running text, or rows as an encoder or an encoder-decoder reads them. */
  async #calibration(lease: ModelLease, corpus: JobData | undefined): Promise<CalibrationData | undefined> {
    const { calibration, data } = this.#spec;
    if (data === undefined || !this.#recipe.steps.some(({ needsCalibration }) => needsCalibration)) return undefined;
    const paths = [...data.paths, ...(data.inlineText === '' ? [] : ['inlineText'])];
    const window = calibrationWindow(calibration, lease.model.config.maxPositions);
    if (corpus !== undefined && 'tokens' in corpus) return calibrationData(corpus, calibration, window, lease.tokenizer, paths);
    const draw = { text: sentenceCalibration, labelled: labelledCalibration, pairs: pairCalibration }[kindOfData(data)];
    return await draw(data, lease, { ...calibration, window, paths }, this.#context);
  }

  #environment(
    lease: ModelLease,
    corpus: JobData | undefined,
    calibration: CalibrationData | undefined,
    teachers: Map<string, ModelLease>,
    { calibrationBytes: memoryBytes }: MemoryPlan,
  ): RecipeEnvironment {
    const { workFolder } = this.#context;
    const fingerprint = this.#fingerprint(lease, corpus, calibration);
    const layers = new LayerFolder(join(workFolder, 'layers'), fingerprint);
    const teacher: TrainingMaterial['teacher'] = async (name) => {
      if (name === undefined) return lease.model;
      const known = teachers.get(name) ?? (await this.#hub.acquire(this.#pinnedTo(name)));
      teachers.set(name, known);
      checkSameTokens(lease, known);
      return known.model;
    };
    const training = (step: number): Pick<CompressionEnvironment, 'training'> => {
      if (corpus === undefined) return {};
      const checkpoints = (part: string): FolderCheckpoints =>
        new FolderCheckpoints(join(workFolder, `training-${step}${part === '' ? '' : `-${part}`}`), `${fingerprint} ${step} ${part}`);
      return { training: new RecipeTraining({ engine: this.#engine, corpus, seed: this.#recipe.seed, teacher, checkpoints }) };
    };
    return {
      engine: this.#engine,
      ...(calibration === undefined
        ? {}
        : { calibration: new WindowCalibration(this.#engine, calibration.windows, { windows: calibration.runs, memoryBytes }) }),
      ofStep: (step) => ({ memory: layers.step(step), ...training(step) }),
    };
  }

  async #save(
    lease: ModelLease,
    model: ModelLease['model'],
    corpus: JobData | undefined,
    calibration: CalibrationData | undefined,
  ): Promise<SavedModel> {
    const settings: JsonObject = {
      operation: 'compress',
      ...(calibration === undefined ? {} : { calibration: calibrationJson(calibration) }),
    };
    const { tokenizerFiles, generation } = lease.artefact;
    const teachers = [];
    for (const name of new Set(teachersOf(this.#recipe)))
      teachers.push({ hash: (await this.#hub.get(this.#pinnedTo(name))).hash, role: 'teacher' });
    const meta = {
      parents: [{ hash: lease.version.hash, role: 'source' }, ...teachers],
      recipe: this.#spec.recipe as JsonValue,
      settings,
      ...(corpus === undefined ? {} : { data: corpus.fingerprint }),
    };
    return await this.#hub.save(this.#spec.name, { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides what a layer becomes. */
  #fingerprint({ version, tokenizer }: ModelLease, corpus: JobData | undefined, calibration: CalibrationData | undefined): string {
    const parts = [
      version.hash,
      teachersOf(this.#recipe).map(this.#pinnedTo),
      this.#spec.recipe,
      corpus?.fingerprint ?? '',
      corpus === undefined ? '' : tokenizer.hash,
      calibration?.manifest.rowsHash ?? '',
    ];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }
}

/** What decides the rows; the paths of a server's files are no part of a model. */
function calibrationJson({ manifest }: CalibrationData): JsonObject {
  const { rows, rowTokens, rowKind, seed, padding, specialTokens, rowsHash } = manifest;
  return { rows, rowTokens, rowKind, seed, padding, specialTokens, rowsHash };
}

function needsData({ needsCalibration, training }: RecipeStep): boolean {
  return needsCalibration || training !== undefined;
}

/** What a training of these settings takes of a text. */
function stepLengths(settings: TrainingSettings, { config }: Model): Required<DataLengths> {
  const { maxPositions: positions } = config;
  const { sequenceLength, sourceLength = sequenceLength } = fullTrainingSettings(settings, {
    positions,
    hasTeacher: true,
  });
  return { sequenceLength, sourceLength };
}

function changesOf({ steps }: CompressionReport): ParameterChange[] {
  const errors = new Map<string, number>();
  return steps.flatMap(({ layers }, step) =>
    layers.map((layer) => {
      const { path, weightError, outputError, rank, note = '' } = layer;
      const errorBefore = errors.get(path) ?? 0;
      if (weightError > 0) errors.set(path, weightError);
      return {
        path,
        step,
        parametrization: layer.kindAfter,
        storedBytesBefore: layer.bytesBefore,
        storedBytesAfter: layer.bytesAfter,
        relativeError: outputError ?? weightError,
        weightError,
        errorBefore,
        note,
        ...(outputError === undefined ? {} : { outputError }),
        ...(rank === undefined ? {} : { rank }),
      };
    }),
  );
}

function stepsOf({ steps }: CompressionReport): StepReport[] {
  return steps.map(({ method, note = '', bytesBefore, bytesAfter }) => ({
    method,
    note,
    storedBytesBefore: bytesBefore,
    storedBytesAfter: bytesAfter,
  }));
}

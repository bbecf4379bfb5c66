// Compress: a recipe applied to a stored model, with text where a step wants it; finished layers and trainings survive the process.
import { createHash } from 'node:crypto';
import { AppError, invariant } from '#base';
import {
  type CompressionReport,
  compressModel,
  everyStep,
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
import { recipeMethods } from '../distill-step.ts';
import { heldOutOf, splitData } from '../held-out.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { checkData, checkDataKind, type DataLengths, type JobData, kindOfData, readJobData } from '../job-data.ts';
import { type MemoryPlan, memoryLimitBytes, PeakMemory, planMemory } from '../memory-plan.ts';
import type { ModelHub, ModelLease, SavedModel } from '../model-hub.ts';
import { namedRecipe } from '../named-recipes.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import { RecipePlaces } from '../recipe-places.ts';
import { RecipeTraining } from '../recipe-training.ts';
import type { CompressResult } from '../results.ts';
import { type CompressSpec, compressSpecSchema, type TextData } from '../specs.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { changesOf, decisionsOf, stepsOf } from './compress-result.ts';
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
      const recipe = parseRecipe(spec.recipe, recipeMethods);
      const wanting = everyStep(recipe).find(needsData);
      if (wanting !== undefined && spec.data === undefined)
        throw new AppError('invalid_argument', `compress.data: the step ${wanting.method} needs text and got none. Give a text file.`, {
          details: { field: 'compress.data' },
        });
      if (measures(spec, recipe) && spec.validation === undefined && spec.data === undefined)
        throw new AppError(
          'invalid_argument',
          'compress.validation: the recipe measures its stages and got nothing to measure them on. Give validation or data.',
          {
            details: { field: 'compress.validation' },
          },
        );
      return spec;
    },
    names: ({ model, name }) => ({ source: model, target: name }),
    async prepare({ model, name, replace, data, validation, recipe }) {
      await checkReads(hub, [model, ...teachersOf(parseRecipe(recipe, recipeMethods))]);
      await checkWrites(hub, name, replace);
      for (const each of [data, validation]) if (each !== undefined) await checkData(each);
    },
    run(spec, context) {
      const recipe = parseRecipe(spec.recipe, recipeMethods);
      return withPinnedInputs(hub, [spec.model, ...teachersOf(recipe)], context.workFolder, (pinnedTo) =>
        hub.using(pinnedTo(spec.model), (lease) => new CompressRun(hub, engine, spec, recipe, pinnedTo, context, options).run(lease)),
      );
    },
  };
}

function teachersOf(recipe: Recipe): string[] {
  return [...new Set(everyStep(recipe).flatMap(({ models }) => models))];
}

/** Whether the job needs data that nothing learns from. */
function measures({ evaluateStages, validation }: CompressSpec, { steps }: Recipe): boolean {
  return measuresStages({ evaluateStages, validation }) || steps.some(({ needsHeldOut }) => needsHeldOut);
}

function measuresStages({ evaluateStages, validation }: Pick<CompressSpec, 'evaluateStages' | 'validation'>): boolean {
  return evaluateStages ?? validation !== undefined;
}

/** What steps learn from, and what the job is measured on. */
interface RecipeData {
  readonly corpus: JobData | undefined;
  readonly heldOut: JobData | undefined;
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
      const data = await this.#data(lease);
      const calibration = await this.#calibration(lease, data.corpus);
      const environment = this.#environment(lease, data, calibration, teachers, plan);
      const { model, report } = await compressModel(lease.model, this.#recipe, environment, this.#context);
      const saved = await this.#save(lease, { model, report }, data, calibration);
      const { estimatedPeakBytes, limitBytes, phase } = plan;
      return {
        ...saved,
        changes: changesOf(report),
        steps: stepsOf(report),
        startMetrics: report.measuresBefore ?? {},
        ...(report.stop === undefined ? {} : { stop: report.stop }),
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
    const trains = everyStep(this.#recipe).some(({ training }) => training !== undefined) || this.#sharesData;
    if (!(isEncoder && kindOfData(data) === 'text') || trains) checkDataKind(config, data, 'compress.data');
  }

  /** A part of the job's data is held out. */
  get #sharesData(): boolean {
    return measures(this.#spec, this.#recipe) && this.#spec.validation === undefined;
  }

  /** @throws AppError `unsupported` | `empty_data`, and as reading */
  async #data(lease: ModelLease): Promise<RecipeData> {
    const { validation } = this.#spec;
    const steps = everyStep(this.#recipe);
    // Steps may train on different lengths: what the shortest takes, the others take too.
    const lengths = steps.flatMap(({ training }) => (training === undefined ? [] : [stepLengths(training, lease.model)]));
    const smallest = (of: (each: Required<DataLengths>) => number): number => Math.min(lease.model.config.maxPositions, ...lengths.map(of));
    const wanted = { sequenceLength: smallest((each) => each.sequenceLength), sourceLength: smallest((each) => each.sourceLength) };
    const all = await this.#corpus(lease, wanted);
    if (!measures(this.#spec, this.#recipe)) return { corpus: all, heldOut: undefined };
    if (validation !== undefined) {
      checkDataKind(lease.model.config, validation, 'compress.validation');
      return { corpus: all, heldOut: await readJobData(validation, lease, wanted, this.#context) };
    }
    invariant(all !== undefined, 'data that is shared was read');
    const { rest, heldOut } = splitData(all, lease.tokenizer);
    return { corpus: rest, heldOut };
  }

  /** What is trained on, held out, and the running text that windows are drawn from. */
  async #corpus(lease: ModelLease, lengths: Required<DataLengths>): Promise<JobData | undefined> {
    const { data } = this.#spec;
    const steps = everyStep(this.#recipe);
    const isText = taskOf(lease.model.config).kind === 'causal' && !isEncoderDecoder(lease.model.config);
    const trains = steps.some(({ training }) => training !== undefined);
    const isUsed = this.#sharesData || (steps.some(needsData) && (isText || trains));
    return data === undefined || !isUsed ? undefined : await readJobData(data, lease, lengths, this.#context);
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
    data: RecipeData,
    calibration: CalibrationData | undefined,
    teachers: Map<string, ModelLease>,
    { calibrationBytes: memoryBytes }: MemoryPlan,
  ): RecipeEnvironment {
    const { corpus, heldOut } = data;
    const engine = this.#engine;
    const teacher: TrainingMaterial['teacher'] = async (name) => {
      if (name === undefined) return lease.model;
      const known = teachers.get(name) ?? (await this.#hub.acquire(this.#pinnedTo(name)));
      teachers.set(name, known);
      checkSameTokens(lease, known);
      return known.model;
    };
    const places = new RecipePlaces({
      workFolder: this.#context.workFolder,
      fingerprint: this.#fingerprint(lease, data, calibration),
      ...(corpus === undefined
        ? {}
        : { training: (checkpoints) => new RecipeTraining({ engine, corpus, seed: this.#recipe.seed, teacher, checkpoints }) }),
    });
    return {
      engine,
      records: places.records,
      ...(calibration === undefined
        ? {}
        : { calibration: new WindowCalibration(engine, calibration.windows, { windows: calibration.runs, memoryBytes }) }),
      ...(heldOut === undefined ? {} : { heldOut: heldOutOf(heldOut, engine), measuresStages: measuresStages(this.#spec) }),
      ofStep: (step) => places.ofStep(step),
    };
  }

  async #save(
    lease: ModelLease,
    { model, report }: { readonly model: Model; readonly report: CompressionReport },
    { corpus, heldOut }: RecipeData,
    calibration: CalibrationData | undefined,
  ): Promise<SavedModel> {
    const settings: JsonObject = {
      operation: 'compress',
      ...(calibration === undefined ? {} : { calibration: calibrationJson(calibration) }),
      // What is measured to look at decides nothing.
      ...(heldOut === undefined || !(this.#sharesData || this.#recipe.steps.some(({ needsHeldOut }) => needsHeldOut))
        ? {}
        : { heldOut: { fingerprint: heldOut.fingerprint, share: this.#sharesData } }),
      ...decisionsOf(report),
    };
    const { tokenizerFiles, generation } = lease.artefact;
    const teachers = [];
    for (const name of teachersOf(this.#recipe)) teachers.push({ hash: (await this.#hub.get(this.#pinnedTo(name))).hash, role: 'teacher' });
    const meta = {
      parents: [{ hash: lease.version.hash, role: 'source' }, ...teachers],
      recipe: this.#spec.recipe as JsonValue,
      settings,
      ...(corpus === undefined ? {} : { data: corpus.fingerprint }),
    };
    return await this.#hub.save(this.#spec.name, { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides what a layer becomes. */
  #fingerprint({ version, tokenizer }: ModelLease, { corpus, heldOut }: RecipeData, calibration: CalibrationData | undefined): string {
    const parts = [
      version.hash,
      teachersOf(this.#recipe).map(this.#pinnedTo),
      this.#spec.recipe,
      corpus?.fingerprint ?? '',
      corpus === undefined ? '' : tokenizer.hash,
      calibration?.manifest.rowsHash ?? '',
      ...(heldOut === undefined ? [] : [heldOut.fingerprint]),
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

// Compress: a recipe applied to a stored model, with text where a step wants it; finished layers and trainings survive the process.
import { AppError, invariant } from '#base';
import {
  type CompressionEnvironment,
  type CompressionReport,
  checkFirstStep,
  compressModel,
  everyStep,
  parseRecipe,
  type Recipe,
  type RecipeEnvironment,
  type RecipeStep,
  type TrainingMaterial,
  WindowCalibration,
} from '#compress';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, taskOf, textPositions } from '#models';
import type { JsonObject, JsonValue } from '#store';
import type { TrainingSettings } from '#teaching';
import type { Tokenizer } from '#text';
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
import { checkProductsOf, trainingsOf } from '../recipe-trainings.ts';
import type { CompressResult } from '../results.ts';
import { type CompressSpec, compressSpecSchema, type TextData } from '../specs.ts';
import { type DataReader, dataReader, taughtTask } from '../taught-task.ts';
import { checkTeachersElsewhere, RecipeTeachers, recordingsOf } from '../teachers/recipe-teachers.ts';
import type { ConnectTeacher } from '../teachers/remote-teacher.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { workFingerprint } from '../work-fingerprint.ts';
import { changesOf, decisionsOf, stepsOf } from './compress-result.ts';
import { checkSameTokens } from './evaluate.ts';
import { checkReads, checkSameTokenizers, checkWrites } from './names.ts';
import { labelledCalibration, pairCalibration, sentenceCalibration } from './row-calibration.ts';

export interface CompressOptions {
  /** Bytes that the process may hold; that of the machine or its control group when absent or larger. */
  readonly memoryLimitBytes?: number;
  /** Opens connections to teachers on other servers; absent: there are none. */
  readonly connectTeacher?: ConnectTeacher;
}

export function compressHandler(hub: ModelHub, engine: Engine, options: CompressOptions = {}): JobHandler<CompressSpec, CompressResult> {
  return {
    kind: 'compress',
    usesDevice: true,
    canResume: true,
    parse(input) {
      const spec = checkInput(compressSpecSchema, withRecipe(input), 'compress');
      const recipe = parseRecipe(spec.recipe, recipeMethods);
      taughtTask(recipe);
      checkWarmStart(recipe.steps);
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
      checkRecordedWhole(spec, recipe);
      return spec;
    },
    names: ({ model, name }) => ({ source: model, target: name }),
    paths: ({ data, validation, recipe }) => [
      ...(data?.paths ?? []),
      ...(validation?.paths ?? []),
      ...recordingsOf(parseRecipe(recipe, recipeMethods)),
    ],
    async prepare({ model, name, replace, data, validation, recipe }) {
      const parsed = parseRecipe(recipe, recipeMethods);
      for (const { place, training } of trainingsOf(parsed)) checkProductsOf(engine, training, place);
      const others = teachersOf(parsed);
      await checkReads(hub, [model, ...others]);
      await checkSameTokenizers(hub, model, others);
      await checkWrites(hub, name, replace);
      await checkTeachersElsewhere(parsed, (await hub.get(model)).tokenizerHash, options.connectTeacher);
      for (const each of [data, validation]) if (each !== undefined) await checkData(each);
    },
    run(spec, context) {
      const recipe = parseRecipe(spec.recipe, recipeMethods);
      return withPinnedInputs(hub, [spec.model, ...teachersOf(recipe)], context.workFolder, (pinnedTo) =>
        hub.usingFor(context.jobId, pinnedTo(spec.model), (lease) =>
          new CompressRun(hub, engine, spec, recipe, pinnedTo, context, options).run(lease),
        ),
      );
    },
  };
}

/** A recording is of all of the data. @throws AppError `invalid_argument` where a part of it would be held out */
function checkRecordedWhole(spec: CompressSpec, recipe: Recipe): void {
  if (spec.validation !== undefined || !measures(spec, recipe) || recordingsOf(recipe).length === 0) return;
  throw new AppError(
    'invalid_argument',
    'compress.validation: a step learns from a recording, which is of all of the data, and a tenth of it would be held out to measure stages on. Give validation.',
    { details: { field: 'compress.validation' } },
  );
}

const warmStartName = 'warmStart';

/** What is read behind a warm start is read for the encoder-decoder, which must then be what the recipe begins with. */
function checkWarmStart(steps: Recipe['steps']): void {
  const start = steps.findIndex(({ method }) => method === warmStartName);
  const index = steps.findIndex((step, place) => place > start && needsData(step));
  const reading = steps[index];
  if (start <= 0 || reading === undefined) return;
  const field = `steps[${index}].${reading.method}`;
  throw new AppError(
    'bad_recipe',
    `${field}: reads data behind ${warmStartName}, which is not the first step. Store the warm-started model, then give it a job of its own.`,
    { details: { field } },
  );
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
  readonly reader: DataReader;
  readonly corpus: JobData | undefined;
  /** Of the job's own validation data, or the share of its data that nothing learns from. */
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
    checkFirstStep(lease.model, this.#recipe);
    const plan = this.#plan(lease);
    const peak = new PeakMemory();
    const teachers = new Map<string, ModelLease>();
    const { connectTeacher: connect } = this.#options;
    const { workFolder } = this.#context;
    const elsewhere = await RecipeTeachers.open(this.#recipe, { connect, workFolder, tokenizerHash: lease.tokenizer.hash });
    try {
      const reader = await this.#reader(lease, teachers);
      if (this.#spec.data !== undefined) this.#checkData(reader, this.#spec.data);
      const data = await this.#data(reader);
      const calibration = await this.#calibration(data);
      const environment = this.#environment(lease, data, calibration, { teachers, elsewhere }, plan);
      const { model, report } = await compressModel(lease.model, this.#recipe, environment, this.#context);
      const saved = await this.#save(lease, { model, report }, data, { calibration, elsewhere });
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
      await elsewhere.close();
    }
  }

  /** The first report of the job. @throws AppError `insufficient_memory` */
  #plan({ model }: ModelLease): MemoryPlan {
    const plan = planMemory({
      model,
      recipe: this.#recipe,
      window: calibrationWindow(this.#spec.calibration, textPositions(model.config)),
      windowsPerRun: Math.min(windowsPerRun, this.#spec.calibration.sequences),
      limitBytes: memoryLimitBytes(this.#options.memoryLimitBytes),
      residentBytes: process.memoryUsage.rss(),
    });
    const { estimatedPeakBytes, limitBytes, calibrationBytes, phase } = plan;
    this.#context.report({ phase: 'plan', item: phase, metrics: { estimatedPeakBytes, limitBytes, calibrationBytes } });
    return plan;
  }

  /**
   * For whom the data are read: the model with the task that the recipe teaches, or the encoder-decoder where the recipe begins by making one, which it
   * then makes again.
   */
  async #reader(lease: ModelLease, teachers: Map<string, ModelLease>): Promise<DataReader> {
    const [first] = this.#recipe.steps;
    const { data } = this.#spec;
    if (first?.method !== warmStartName) return await dataReader(lease, taughtTask(this.#recipe), data, this.#context);
    if (data === undefined) return lease;
    const environment = { engine: this.#engine, ...this.#otherModels(lease, teachers) };
    const quiet = { signal: this.#context.signal, report: () => {} };
    const { model } = await compressModel(lease.model, { ...this.#recipe, steps: [first] }, environment, quiet);
    return { model, tokenizer: lease.tokenizer };
  }

  /** What a step may know beside the model. */
  #otherModels(lease: ModelLease, teachers: Map<string, ModelLease>) {
    const storedModel = async (name: string): Promise<Model> => {
      const known = teachers.get(name) ?? (await this.#hub.acquire(this.#pinnedTo(name), this.#context.jobId));
      teachers.set(name, known);
      checkSameTokens(lease, known);
      return known.model;
    };
    return { storedModel, boundaryTokens: boundaryTokens(lease.tokenizer) };
  }

  /** Any encoder is calibrated on lines of text; training, and what looks at the loss, needs data of the model's kind. */
  #checkData({ model: { config } }: DataReader, data: TextData): void {
    const isEncoder = taskOf(config).kind !== 'causal';
    const trains = everyStep(this.#recipe).some(({ training }) => training !== undefined) || this.#sharesData;
    if (!(isEncoder && kindOfData(data) === 'text') || trains) checkDataKind(config, data, 'compress.data');
  }

  /** A part of the job's data is held out. */
  get #sharesData(): boolean {
    return measures(this.#spec, this.#recipe) && this.#spec.validation === undefined;
  }

  /** @throws AppError `unsupported` | `empty_data`, and as reading */
  async #data(reader: DataReader): Promise<RecipeData> {
    const { validation } = this.#spec;
    const { model, tokenizer } = reader;
    const steps = everyStep(this.#recipe);
    // Steps may train on different lengths: what the shortest takes, the others take too.
    const lengths = steps.flatMap(({ training }) => (training === undefined ? [] : [stepLengths(training, model)]));
    const smallest = (of: (each: Required<DataLengths>) => number): number => Math.min(textPositions(model.config), ...lengths.map(of));
    const wanted = { sequenceLength: smallest((each) => each.sequenceLength), sourceLength: smallest((each) => each.sourceLength) };
    const all = await this.#corpus(reader, wanted);
    const isMeasured = measures(this.#spec, this.#recipe);
    // Trainings that end early measure too.
    if (validation !== undefined && (isMeasured || lengths.length > 0)) {
      checkDataKind(model.config, validation, 'compress.validation');
      return { reader, corpus: all, heldOut: await readJobData(validation, reader, wanted, this.#context) };
    }
    if (!isMeasured) return { reader, corpus: all, heldOut: undefined };
    invariant(all !== undefined, 'data that is shared was read');
    const { rest, heldOut } = splitData(all, tokenizer);
    return { reader, corpus: rest, heldOut };
  }

  /** What is trained on, held out, and the running text that windows are drawn from. */
  async #corpus(reader: DataReader, lengths: Required<DataLengths>): Promise<JobData | undefined> {
    const { data } = this.#spec;
    const { config } = reader.model;
    const steps = everyStep(this.#recipe);
    const isText = taskOf(config).kind === 'causal' && !isEncoderDecoder(config);
    const trains = steps.some(({ training }) => training !== undefined);
    const isUsed = this.#sharesData || (steps.some(needsData) && (isText || trains));
    return data === undefined || !isUsed ? undefined : await readJobData(data, reader, lengths, this.#context);
  }

  /** What the layers see: windows of running text, or rows as an encoder or an encoder-decoder reads them. */
  async #calibration({ reader, corpus }: RecipeData): Promise<CalibrationData | undefined> {
    const { calibration, data } = this.#spec;
    if (data === undefined || !this.#recipe.steps.some(({ needsCalibration }) => needsCalibration)) return undefined;
    const paths = [...data.paths, ...(data.inlineText === '' ? [] : ['inlineText'])];
    const window = calibrationWindow(calibration, textPositions(reader.model.config));
    if (corpus !== undefined && 'tokens' in corpus) return calibrationData(corpus, calibration, window, reader.tokenizer, paths);
    const draw = { text: sentenceCalibration, labelled: labelledCalibration, pairs: pairCalibration }[kindOfData(data)];
    return await draw(data, reader, { ...calibration, window, paths }, this.#context);
  }

  #environment(
    lease: ModelLease,
    data: RecipeData,
    calibration: CalibrationData | undefined,
    { teachers, elsewhere }: { readonly teachers: Map<string, ModelLease>; readonly elsewhere: RecipeTeachers },
    { calibrationBytes: memoryBytes, limitBytes }: MemoryPlan,
  ): RecipeEnvironment {
    const { reader, corpus, heldOut } = data;
    const engine = this.#engine;
    const { seed } = this.#recipe;
    const others = this.#otherModels(lease, teachers);
    const teacher: TrainingMaterial['teacher'] = async (name) => {
      if (name !== undefined) return await others.storedModel(name);
      if (this.#recipe.steps[0]?.method !== warmStartName) return lease.model;
      throw new AppError(
        'bad_recipe',
        `teacher: the model that the recipe started from reads no pairs and cannot teach one that ${warmStartName} made. Set teacher to "none" or to a stored encoder-decoder.`,
      );
    };
    const weightsOf = async (model: Model): Promise<Awaited<ReturnType<ModelLease['weights']>> | undefined> =>
      [lease, ...teachers.values()].find((held) => held.model === model)?.weights();
    const task = taskOf(reader.model.config);
    const labels = task.kind === 'classify' ? task.labels : undefined;
    const validation = this.#spec.validation === undefined ? undefined : heldOut;
    const places = new RecipePlaces({
      workFolder: this.#context.workFolder,
      fingerprint: this.#fingerprint(lease, data, calibration, elsewhere),
      ...(corpus === undefined
        ? {}
        : {
            training: (kept) =>
              new RecipeTraining({ engine, corpus, validation, labels, seed, teacher, elsewhere, weightsOf, limitBytes, ...kept }),
          }),
    });
    return {
      engine,
      records: places.records,
      ...(calibration === undefined
        ? {}
        : { calibration: new WindowCalibration(engine, calibration.windows, { windows: calibration.runs, memoryBytes }) }),
      ...(heldOut === undefined ? {} : { heldOut: heldOutOf(heldOut, engine), measuresStages: measuresStages(this.#spec) }),
      ...others,
      ofStep: (step) => places.ofStep(step),
    };
  }

  async #save(
    lease: ModelLease,
    { model, report }: { readonly model: Model; readonly report: CompressionReport },
    { corpus, heldOut }: RecipeData,
    { calibration, elsewhere }: { readonly calibration: CalibrationData | undefined; readonly elsewhere: RecipeTeachers },
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
    const others = [];
    for (const { method, models } of everyStep(this.#recipe))
      for (const name of models)
        others.push({ hash: (await this.#hub.get(this.#pinnedTo(name))).hash, role: method === warmStartName ? 'source' : 'teacher' });
    for (const hash of elsewhere.hashes) others.push({ hash, role: 'teacher' });
    const meta = {
      parents: distinctParents([{ hash: lease.version.hash, role: 'source' }, ...others]),
      recipe: this.#spec.recipe as JsonValue,
      settings,
      ...(corpus === undefined ? {} : { data: corpus.fingerprint }),
    };
    return await this.#hub.save(this.#spec.name, { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides what a layer becomes. */
  #fingerprint(
    { version, tokenizer }: ModelLease,
    { corpus, heldOut }: RecipeData,
    calibration: CalibrationData | undefined,
    { identities }: RecipeTeachers,
  ): string {
    return workFingerprint(this.#engine, [
      version.hash,
      teachersOf(this.#recipe).map(this.#pinnedTo),
      this.#spec.recipe,
      corpus?.fingerprint ?? '',
      corpus === undefined ? '' : tokenizer.hash,
      calibration?.manifest.rowsHash ?? '',
      ...(heldOut === undefined ? [] : [heldOut.fingerprint]),
      ...(identities.length === 0 ? [] : [identities]),
    ]);
  }
}

/** What the tokenizer puts around a text, or says that it would. */
function boundaryTokens({ beginToken, endTokens, specialLayout }: Tokenizer): NonNullable<CompressionEnvironment['boundaryTokens']> {
  const layout = specialLayout(false);
  const [first, last] = [layout[0], layout.at(-1)];
  const startToken = first !== undefined && 'id' in first ? first.id : beginToken;
  const endToken = last !== undefined && 'id' in last ? last.id : endTokens[0];
  return { ...(startToken === undefined ? {} : { startToken }), ...(endToken === undefined ? {} : { endToken }) };
}

function distinctParents<Parent extends { readonly hash: string; readonly role: string }>(parents: readonly Parent[]): Parent[] {
  return [...new Map(parents.map((parent) => [`${parent.role} ${parent.hash}`, parent])).values()];
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
  const positions = textPositions(config);
  const { sequenceLength, sourceLength = sequenceLength } = fullTrainingSettings(settings, {
    positions,
    hasTeacher: true,
  });
  return { sequenceLength, sourceLength };
}

// Distill: a stored student trained against a teacher, or alone, with checkpoints in the job's folder.
import { join } from 'node:path';
import { AppError, type OperationContext, Random, throwIfCancelled } from '#base';
import {
  type AnswerForm,
  answerObjective,
  asTaught,
  type DistillSettings,
  type Divergence,
  defaultOnPolicy,
  distillFromAnswers,
  distillFromContinuations,
  distillModel,
  distillOnPolicy,
  onPolicySettings,
  type TeacherObjective,
  type TeacherSource,
  teachingObjective,
  type WeightedTeacher,
} from '#distill';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, type ModelConfig, randomLike, requireGenerating, taskOf, textPositions, withTask } from '#models';
import type { JsonObject } from '#store';
import { isRemote } from '#teaching';
import { distinctLabels } from '#text';
import {
  hiddenTokensOf,
  type Objective,
  objectiveOf,
  planTrainerMemory,
  type TrainingMemory,
  type TrainRequest,
  type TrainResult,
  trainingExamples,
  trainModel,
} from '#train';
import { checkInput } from '../check-input.ts';
import { FolderCheckpoints } from '../checkpoints.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { checkData, checkDataKind, type JobData, kindOfData, labelledRows, readJobData } from '../job-data.ts';
import { measureModel } from '../measure-model.ts';
import { answerBytes, memoryLimitBytes, PeakMemory } from '../memory-plan.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import { checkProductsOf } from '../recipe-trainings.ts';
import type { DistillResult } from '../results.ts';
import { type DistillSpec, distillSpecSchema, type TextData } from '../specs.ts';
import { checkTeacher, hasTeacher, type JobTeacher, residentTeacher, withJobTeacher } from '../teachers/job-teacher.ts';
import { checkExamples, recordedTeacher } from '../teachers/recorded-teacher.ts';
import { type ConnectTeacher, remoteTeacher } from '../teachers/remote-teacher.ts';
import { type WrittenByTeacher, writtenByTeacher } from '../teachers/sequence-level.ts';
import { promptsPerPart } from '../teachers/teacher-continuations.ts';
import { drawnBytes, type ModelSize, modelSize, planTraining, teacherSavings } from '../training-memory.ts';
import { settleTraining } from '../training-plan.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { workFingerprint } from '../work-fingerprint.ts';
import { checkModes } from './distill-modes.ts';
import { checkSameTokens } from './evaluate.ts';
import { checkReads, checkWrites, nameOf } from './names.ts';

export interface DistillOptions {
  /** Bytes that the process may hold; that of the machine or its control group when absent or larger. */
  readonly memoryLimitBytes?: number;
  /** Opens connections to teachers on other servers; absent: there are none. */
  readonly connectTeacher?: ConnectTeacher;
}

export function distillHandler(hub: ModelHub, engine: Engine, options: DistillOptions = {}): JobHandler<DistillSpec, DistillResult> {
  const { connectTeacher: connect } = options;
  return {
    kind: 'distill',
    usesDevice: true,
    canResume: true,
    parse(input) {
      const spec = checkInput(distillSpecSchema, input, 'distill');
      const { teacher, teachers } = spec;
      const [first] = teachers;
      if (first !== undefined && teacher !== '' && teacher !== first.model)
        throw new AppError('invalid_argument', 'distill.teachers: cannot stand beside distill.teacher. Name all teachers in "teachers".', {
          details: { field: 'distill.teachers' },
        });
      const whole = first === undefined ? spec : { ...spec, teacher: first.model };
      settingsOf(whole, Number.POSITIVE_INFINITY);
      checkModes(whole);
      return whole;
    },
    names: ({ student, name }) => ({ source: student, target: targetOf({ student, name }) }),
    paths: ({ data, validation, recording }) => [...data.paths, ...(validation?.paths ?? []), ...(recording === '' ? [] : [recording])],
    async prepare(spec) {
      const { student, name, replace, data, validation, onPolicy, sequenceLevel, settings } = spec;
      checkProductsOf(engine, settings, 'distill.settings');
      await checkReads(hub, [student, residentTeacher(spec), ...furtherTeachers(spec)]);
      await checkWrites(hub, targetOf({ student, name }), replace || name === '');
      const { temperature, losses } = settingsOf(spec, Number.POSITIVE_INFINITY);
      // States and relations may be those of a model that answers something else.
      const comparesAnswers = losses === undefined || losses.some(({ kind }) => kind === 'logits');
      const keepsTask = comparesAnswers && kindOfData(data) !== 'labelled';
      const record = await hub.get(student);
      if (kindOfData(data) === 'text' && (onPolicy ?? sequenceLevel) !== undefined)
        requireGenerating({ config: JSON.parse(record.configJson) as ModelConfig });
      await checkTeacher(hub, { ...spec, student: record, keepsTask, temperature }, connect, 'distill');
      await checkData(data);
      if (validation !== undefined) await checkData(validation);
    },
    run: (spec, context) =>
      withPinnedInputs(hub, [spec.student, residentTeacher(spec), ...furtherTeachers(spec)], context.workFolder, async (pinnedTo) => {
        const memory = await roomFor(hub, spec, pinnedTo, options);
        const { jobId } = context;
        return hub.usingFor(jobId, pinnedTo(spec.student), (student) =>
          withJobTeacher(hub, spec, { connect, pinnedTo, jobId, workFolder: context.workFolder }, (teacher) =>
            withTeachers(hub, jobId, furtherTeachers(spec).map(pinnedTo), (further) =>
              new DistillRun(hub, engine, { spec, student, teacher, further, memory }, context).run(),
            ),
          ),
        );
      }),
  };
}

/** Those behind the first of several. */
function furtherTeachers({ teachers }: DistillSpec): readonly string[] {
  return teachers.slice(1).map(({ model }) => model);
}

/** Lends all of them for the time of `work`. */
function withTeachers<Result>(
  hub: ModelHub,
  jobId: string,
  [next, ...rest]: readonly string[],
  work: (teachers: readonly ModelLease[]) => Promise<Result>,
  lent: readonly ModelLease[] = [],
): Promise<Result> {
  return next === undefined ? work(lent) : hub.usingFor(jobId, next, (lease) => withTeachers(hub, jobId, rest, work, [...lent, lease]));
}

/** What is known of the models' memory before they are loaded. */
interface RoomForModels {
  readonly limitBytes: number;
  readonly teacher: ModelSize | undefined;
  /** What drawing and writing texts takes beside the training. */
  readonly drawnBytes: (settings: DistillSettings) => number;
}

/** Refuses what could not train with the smallest of batches, before the models are loaded. @throws AppError `insufficient_memory` */
async function roomFor(
  hub: ModelHub,
  spec: DistillSpec,
  pinnedTo: (reference: string) => string,
  { memoryLimitBytes: configured }: DistillOptions,
): Promise<RoomForModels> {
  const student = modelSize(await hub.get(pinnedTo(spec.student)));
  const resident = residentTeacher(spec);
  const teacher = resident === '' ? undefined : modelSize(await hub.get(pinnedTo(resident)));
  const { sequenceLength, losses = [] } = settingsOf(spec, student.config.maxPositions);
  const limitBytes = memoryLimitBytes(configured);
  const further = await Promise.all(furtherTeachers(spec).map(async (name) => modelSize(await hub.get(pinnedTo(name)))));
  const isShared = teacher?.reference === student.reference;
  const drawn = {
    sampleTokens: sampleTokens(spec),
    teacherDraws: (spec.onPolicy?.policyGradient?.teacherShare ?? 0) > 0,
    writtenRows:
      spec.sequenceLevel === undefined || kindOfData(spec.data) === 'pairs' ? 0 : promptsPerPart * (spec.sequenceLevel.beams ?? 1),
  };
  planTraining({
    ...drawn,
    student,
    teacher: isShared && teacher !== undefined ? { ...teacher, hostBytes: 0 } : teacher,
    further,
    comparesAttention: losses.some(({ kind }) => kind === 'attention' || kind === 'relation'),
    batchSize: 1,
    sequenceLength,
    answerBytesPerRow: isRemote(spec.teacher) ? answerBytes(spec.teacherTopK, student.config.vocabularySize) : 0,
    limitBytes,
    residentBytes: process.memoryUsage.rss(),
  });
  return { limitBytes, teacher, drawnBytes: (settings) => drawnBytes({ ...drawn, ...settings, student, teacher }) };
}

/** Tokens of the student's own samples, prompts included; 0 where it draws none. */
function sampleTokens({ onPolicy }: DistillSpec): number {
  if (onPolicy === undefined) return 0;
  const { promptTokens, maxNewTokens } = { ...defaultOnPolicy, ...defined(onPolicy) };
  return promptTokens + maxNewTokens;
}

/** On the student's samples; undefined where the losses say it. */
function divergenceOf(beta: number | undefined): Divergence | undefined {
  return beta === undefined ? undefined : { divergence: 'jsd', beta, scaled: false };
}

function targetOf({ student, name }: Pick<DistillSpec, 'student' | 'name'>): string {
  return name === '' ? nameOf(student) : name;
}

/** @throws AppError `invalid_argument` naming the setting */
function settingsOf(spec: DistillSpec, positions: number): DistillSettings {
  const { settings, fromScratch, data, sequenceLevel } = spec;
  const classifies = kindOfData(data) === 'labelled';
  // What a teacher wrote is learnt like any other data.
  return fullTrainingSettings(settings, {
    positions,
    hasTeacher: hasTeacher(spec) && sequenceLevel === undefined,
    fromScratch,
    classifies,
  });
}

interface DistillParts {
  readonly spec: DistillSpec;
  readonly student: ModelLease;
  readonly teacher: JobTeacher;
  /** Those behind the first of several teachers. */
  readonly further: readonly ModelLease[];
  readonly memory: RoomForModels;
}

/** One attempt. */
class DistillRun {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #spec: DistillSpec;
  readonly #student: ModelLease;
  /** The first of several. */
  readonly #teacher: JobTeacher;
  readonly #further: readonly ModelLease[];
  readonly #memory: RoomForModels;
  /** Of the whole process, once that is known. */
  #estimatedPeakBytes = 0;
  readonly #context: JobContext;

  constructor(hub: ModelHub, engine: Engine, { spec, student, teacher, further, memory }: DistillParts, context: JobContext) {
    this.#hub = hub;
    this.#engine = engine;
    this.#spec = spec;
    this.#student = student;
    this.#teacher = teacher;
    this.#further = further;
    this.#memory = memory;
    this.#context = context;
  }

  /** All that are on this server, with what each counts. */
  get #residents(): readonly { readonly lease: ModelLease; readonly weight: number }[] {
    const first = this.#resident;
    if (first === undefined) return [];
    const { teachers } = this.#spec;
    return [first, ...this.#further].map((lease, index) => ({ lease, weight: teachers[index]?.weight ?? 1 }));
  }

  /** With the weights that the resident models have on the device, in place of copies. */
  #weighted(): Promise<readonly WeightedTeacher[]> {
    return Promise.all(this.#residents.map(async ({ lease, weight }) => ({ model: lease.model, weight, weights: await lease.weights() })));
  }

  async run(): Promise<DistillResult> {
    const peak = new PeakMemory();
    try {
      const result = await this.#run();
      const [estimatedPeakBytes, { limitBytes }] = [this.#estimatedPeakBytes, this.#memory];
      return { ...result, memory: { estimatedPeakBytes, limitBytes, peakBytes: peak.peakBytes, phase: 'distill' } };
    } finally {
      peak.end();
    }
  }

  /** On this server. */
  get #resident(): ModelLease | undefined {
    return this.#teacher.kind === 'resident' ? this.#teacher.lease : undefined;
  }

  get #teacherConfig(): Model['config'] | undefined {
    return this.#teacher.kind === 'remote' ? this.#teacher.model.config : this.#resident?.model.config;
  }

  async #run(): Promise<Omit<DistillResult, 'memory'>> {
    const student = this.#student;
    for (const { lease } of this.#residents) checkSameTokens(student, lease);
    const taught = this.#teacherConfig;
    const configs = [student.model.config, ...(taught === undefined ? [] : [taught]), ...this.#further.map(({ model }) => model.config)];
    const positions = Math.min(...configs.map(textPositions));
    const wanted = settingsOf(this.#spec, positions);
    checkLength('sequenceLength', wanted.sequenceLength, positions);
    checkLength('sourceLength', wanted.sourceLength ?? 0, positions);
    const start = await this.#start(wanted.seed);
    const { data, validation } = this.#spec;
    const corpus = await this.#read('distill.data', data, start, wanted);
    const heldOut = validation === undefined ? undefined : await this.#read('distill.validation', validation, start, wanted);
    const fingerprint = this.#fingerprint(corpus, wanted, start);
    const settings = await this.#settled(start, corpus, wanted);
    const trained = await this.#train(start, corpus, settings, new FolderCheckpoints(this.#context.workFolder, fingerprint), heldOut);
    const measures = heldOut === undefined ? {} : await this.#measure(trained.model, heldOut, this.#context);
    throwIfCancelled(this.#context.signal);
    const saved = await this.#save(trained, settings, corpus);
    return { ...saved, steps: trained.steps, finalLoss: trained.finalLoss, validation: measures };
  }

  /** The first report of the job. @throws AppError `insufficient_memory` */
  async #settled(model: Model, corpus: JobData, wanted: DistillSettings): Promise<DistillSettings> {
    const [engine, { limitBytes, teacher, drawnBytes: drawn }] = [this.#engine, this.#memory];
    // A resident model's weights are there before what the training takes is counted; in another form they are there for the plan alone.
    const lent = this.#spec.sequenceLevel === undefined ? await this.#weighted() : [];
    const { teacher: teachers } = await asTaught(engine, { teacher: lent, settings: wanted });
    const form = this.#answerForm();
    const objectiveFor = (settings: DistillSettings): Objective & Partial<Pick<TeacherObjective, 'release'>> => {
      if (lent.length > 0) return teachingObjective(engine, { student: model, teacher: teachers, corpus, settings });
      if (form !== undefined) return answerObjective(settings, form, hiddenTokensOf(corpus, settings));
      return objectiveOf(corpus, settings);
    };
    const planFor = async (settings: DistillSettings): Promise<TrainingMemory> => {
      const objective = objectiveFor(settings);
      try {
        return await planTrainerMemory(engine, model, objective, settings);
      } finally {
        objective.release?.();
      }
    };
    const rounded = wanted.teacherProducts === undefined ? 0 : (teacher?.deviceBytes ?? 0) / 4;
    const { settings, estimatedPeakBytes } = await settleTraining({
      place: 'distill',
      settings: wanted,
      planFor,
      besideBytes: drawn(wanted) + rounded,
      limitBytes,
      residentBytes: process.memoryUsage.rss(),
      choicePath: join(this.#context.workFolder, 'arrangement.json'),
      savings: teacher === undefined ? [] : teacherSavings(teacher),
      report: this.#context.report,
    });
    this.#estimatedPeakBytes = estimatedPeakBytes;
    return settings;
  }

  /** How the answers of a teacher that is not on this server come. */
  #answerForm(): AnswerForm | undefined {
    const teacher = this.#teacher;
    if (teacher.kind === 'recorded') return { kind: 'top', topK: teacher.recording.facts.topK };
    if (teacher.kind !== 'remote') return undefined;
    const { teacherTopK: topK } = this.#spec;
    return topK === undefined ? { kind: 'full' } : { kind: 'top', topK };
  }

  /** What the teacher writes in place of the data's targets, where that is asked for. */
  async #written(corpus: JobData, settings: DistillSettings): Promise<WrittenByTeacher | undefined> {
    const { sequenceLevel: wanted } = this.#spec;
    const teacher = this.#resident;
    if (wanted === undefined || teacher === undefined) return undefined;
    return await writtenByTeacher({ wanted, corpus, teacher, settings, folder: this.#context.workFolder }, this.#engine, this.#context);
  }

  #read(place: string, data: TextData, model: Model, settings: DistillSettings): Promise<JobData> {
    checkDataKind(model.config, data, place);
    return readJobData(data, { model, tokenizer: this.#student.tokenizer }, settings, this.#context);
  }

  /** The student with the labels that it is to have, at random weights where the job says so. */
  async #start(seed: number): Promise<Model> {
    const { fromScratch } = this.#spec;
    const { model } = this.#student;
    const labels = await this.#newLabels();
    const start = labels === undefined ? model : withTask(model, { kind: 'classify', labels }, new Random(seed));
    return fromScratch ? randomLike(start, seed) : start;
  }

  /** Undefined where the student keeps its task. */
  async #newLabels(): Promise<readonly string[] | undefined> {
    const { labels, data } = this.#spec;
    if (labels.length > 0) return labels;
    const { config } = this.#student.model;
    if (kindOfData(data) !== 'labelled' || isEncoderDecoder(config) || ['causal', 'classify'].includes(taskOf(config).kind))
      return undefined;
    const taught = this.#teacherConfig === undefined ? undefined : taskOf(this.#teacherConfig);
    if (taught?.kind === 'classify') return taught.labels;
    return distinctLabels(await labelledRows(data, this.#context));
  }

  async #train(
    model: Model,
    corpus: JobData,
    settings: DistillSettings,
    checkpoints: FolderCheckpoints,
    validation: JobData | undefined,
  ): Promise<TrainResult> {
    const { evaluateEvery = 0 } = this.#spec.settings;
    const phase = 'distill';
    const afterStep: NonNullable<TrainRequest['afterStep']> = async (step, current) => {
      if (validation === undefined || evaluateEvery === 0 || step % evaluateEvery !== 0 || step === settings.steps) return;
      // Only the figures are reported: the steps of the measuring are not steps of the training.
      const metrics = await this.#measure(current(), validation, { signal: this.#context.signal, report: () => {} });
      this.#context.report({ phase, step, total: settings.steps, item: 'validation', metrics });
    };
    const [engine, context] = [this.#engine, this.#context];
    const { onPolicy } = this.#spec;
    const teacher = this.#resident;
    const written = await this.#written(corpus, settings);
    const trained = { settings, checkpoints, afterStep };
    if (written?.kind === 'continuations')
      return distillFromContinuations({ ...trained, model, continuations: written.continuations, phase }, engine, context);
    const request = { ...trained, corpus: written?.corpus ?? corpus };
    if (teacher !== undefined && onPolicy !== undefined) {
      const { beta, policyGradient, ...given } = onPolicy;
      const own = {
        onPolicy: onPolicySettings(defined(given), model, settings.sequenceLength),
        divergence: divergenceOf(beta),
        policyGradient,
      };
      return distillOnPolicy({ ...request, ...own, student: model, teacher: await this.#weighted() }, engine, context);
    }
    if (teacher !== undefined && written === undefined)
      return distillModel({ ...request, student: model, teacher: await this.#weighted() }, engine, context);
    const source = await this.#source(model, corpus, settings);
    if (source !== undefined) return distillFromAnswers({ ...request, model, teacher: source, phase }, engine, context);
    return trainModel({ ...request, model, objective: objectiveOf(request.corpus, settings), phase: 'train' }, engine, context);
  }

  /** A teacher that is asked batch by batch. @throws AppError `recording_mismatch` | `bad_recording` */
  async #source(model: Model, corpus: JobData, settings: DistillSettings): Promise<TeacherSource | undefined> {
    const teacher = this.#teacher;
    if (teacher.kind === 'remote') {
      const form = this.#answerForm() ?? { kind: 'full' };
      return remoteTeacher(teacher.connection, teacher.model, form, settings.temperature);
    }
    if (teacher.kind !== 'recorded') return undefined;
    const examples = trainingExamples(model, corpus, settings);
    checkExamples(teacher.recording.facts, examples, settings.sequenceLength, 'distill.recording');
    this.#context.report({ phase: 'verify', item: 'recording' });
    await teacher.recording.verify(this.#context.signal);
    return recordedTeacher(teacher.recording, examples);
  }

  #measure(model: Model, data: JobData, context: OperationContext): Promise<Record<string, number>> {
    return measureModel({ model, teacher: this.#resident?.model }, data, this.#engine, context);
  }

  #save({ model }: TrainResult, settings: DistillSettings, corpus: JobData): ReturnType<ModelHub['save']> {
    const { tokenizerFiles, generation } = this.#student.artefact;
    const parents = [{ hash: this.#student.version.hash, role: 'source' }];
    for (const { hash } of this.#teacherHashes) parents.push({ hash, role: 'teacher' });
    const plain: JsonObject = { operation: 'distill', fromScratch: this.#spec.fromScratch, ...jsonOf(settings), ...this.#modes() };
    const meta = { parents, settings: plain, data: corpus.fingerprint };
    return this.#hub.save(targetOf(this.#spec), { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides the result. */
  #fingerprint(corpus: JobData, settings: DistillSettings, { config }: Model): string {
    return workFingerprint(this.#engine, [
      this.#student.version.hash,
      this.#teacherHashes,
      corpus.fingerprint,
      this.#spec.fromScratch,
      settings,
      config.task,
      this.#modes(),
    ]);
  }

  /** Of all teachers, with what each counts. */
  get #teacherHashes(): readonly { readonly hash: string; readonly weight: number }[] {
    const teacher = this.#teacher;
    if (teacher.kind === 'remote') return [{ hash: teacher.model.hash, weight: 1 }];
    if (teacher.kind === 'recorded') return [{ hash: teacher.recording.facts.teacher.hash, weight: 1 }];
    return this.#residents.map(({ lease, weight }) => ({ hash: lease.version.hash, weight }));
  }

  /** How the teacher taught, where that is not the usual way. */
  #modes(): JsonObject {
    const { onPolicy, sequenceLevel, teacherTopK } = this.#spec;
    const { kind } = this.#teacher;
    const recordedTopK = this.#teacher.kind === 'recorded' ? this.#teacher.recording.facts.topK : undefined;
    const topK = recordedTopK ?? teacherTopK;
    return {
      ...(kind === 'remote' || kind === 'recorded' ? { teacherMode: kind } : {}),
      ...(topK === undefined ? {} : { teacherTopK: topK }),
      ...(onPolicy === undefined ? {} : { onPolicy: defined(onPolicy) }),
      ...(sequenceLevel === undefined ? {} : { sequenceLevel: defined(sequenceLevel) }),
    };
  }
}

/** Without the fields that were not given. */
function defined<Fields extends object>(given: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof Fields]?: Exclude<Fields[Key], undefined>;
  };
}

function checkLength(setting: 'sequenceLength' | 'sourceLength', length: number, positions: number): void {
  if (length <= positions) return;
  const field = `distill.settings.${setting}`;
  throw new AppError(
    'context_too_long',
    `${field}: ${length} tokens are more than the ${positions} positions of the models. Ask for fewer.`,
    {
      details: { field, positions },
    },
  );
}

function jsonOf(settings: DistillSettings): JsonObject {
  return JSON.parse(JSON.stringify(settings)) as JsonObject;
}

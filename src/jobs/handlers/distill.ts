// Distill: a stored student trained against a teacher, or alone, with checkpoints in the job's folder.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext, Random, throwIfCancelled } from '#base';
import { type DistillSettings, distillModel } from '#distill';
import type { Engine } from '#engine';
import { isEncoderDecoder, type Model, randomLike, taskOf, textPositions, withTask } from '#models';
import type { JsonObject } from '#store';
import { distinctLabels } from '#text';
import { objectiveOf, type TrainRequest, type TrainResult, trainModel } from '#train';
import { checkInput } from '../check-input.ts';
import { FolderCheckpoints } from '../checkpoints.ts';
import type { JobContext, JobHandler } from '../job.ts';
import { checkData, checkDataKind, type JobData, kindOfData, labelledRows, readJobData } from '../job-data.ts';
import { measureModel } from '../measure-model.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import type { DistillResult } from '../results.ts';
import { type DistillSpec, distillSpecSchema, type TextData } from '../specs.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { checkSameTokens, withTeacher } from './evaluate.ts';
import { checkReads, checkWrites, nameOf } from './names.ts';

export function distillHandler(hub: ModelHub, engine: Engine): JobHandler<DistillSpec, DistillResult> {
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
      return whole;
    },
    names: ({ student, name }) => ({ source: student, target: targetOf({ student, name }) }),
    async prepare(spec) {
      const { student, teacher, name, replace, data, validation } = spec;
      await checkReads(hub, [student, teacher, ...furtherTeachers(spec)]);
      await checkWrites(hub, targetOf({ student, name }), replace || name === '');
      await checkData(data);
      if (validation !== undefined) await checkData(validation);
    },
    run: (spec, context) =>
      withPinnedInputs(hub, [spec.student, spec.teacher, ...furtherTeachers(spec)], context.workFolder, (pinnedTo) =>
        hub.using(pinnedTo(spec.student), (student) =>
          withTeacher(hub, pinnedTo(spec.teacher), (teacher) =>
            withTeachers(hub, furtherTeachers(spec).map(pinnedTo), (further) =>
              new DistillRun(hub, engine, spec, student, teacher, further, context).run(),
            ),
          ),
        ),
      ),
  };
}

/** Those behind the first of several. */
function furtherTeachers({ teachers }: DistillSpec): readonly string[] {
  return teachers.slice(1).map(({ model }) => model);
}

/** Lends all of them for the time of `work`. */
function withTeachers<Result>(
  hub: ModelHub,
  [next, ...rest]: readonly string[],
  work: (teachers: readonly ModelLease[]) => Promise<Result>,
  lent: readonly ModelLease[] = [],
): Promise<Result> {
  return next === undefined ? work(lent) : hub.using(next, (lease) => withTeachers(hub, rest, work, [...lent, lease]));
}

function targetOf({ student, name }: Pick<DistillSpec, 'student' | 'name'>): string {
  return name === '' ? nameOf(student) : name;
}

/** @throws AppError `invalid_argument` naming the setting */
function settingsOf({ settings, teacher, fromScratch, data }: DistillSpec, positions: number): DistillSettings {
  const classifies = kindOfData(data) === 'labelled';
  return fullTrainingSettings(settings, { positions, hasTeacher: teacher !== '', fromScratch, classifies });
}

/** One attempt. */
class DistillRun {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #spec: DistillSpec;
  readonly #student: ModelLease;
  /** The first of several. */
  readonly #teacher: ModelLease | undefined;
  readonly #further: readonly ModelLease[];
  readonly #context: JobContext;

  constructor(
    hub: ModelHub,
    engine: Engine,
    spec: DistillSpec,
    student: ModelLease,
    teacher: ModelLease | undefined,
    further: readonly ModelLease[],
    context: JobContext,
  ) {
    this.#hub = hub;
    this.#engine = engine;
    this.#spec = spec;
    this.#student = student;
    this.#teacher = teacher;
    this.#further = further;
    this.#context = context;
  }

  /** All that there are, with what each counts. */
  get #teachers(): readonly { readonly lease: ModelLease; readonly weight: number }[] {
    if (this.#teacher === undefined) return [];
    const { teachers } = this.#spec;
    return [this.#teacher, ...this.#further].map((lease, index) => ({ lease, weight: teachers[index]?.weight ?? 1 }));
  }

  async run(): Promise<DistillResult> {
    const [student, teachers] = [this.#student, this.#teachers];
    for (const { lease } of teachers) checkSameTokens(student, lease);
    const positions = Math.min(...[student, ...teachers.map(({ lease }) => lease)].map(({ model }) => textPositions(model.config)));
    const settings = settingsOf(this.#spec, positions);
    checkLength('sequenceLength', settings.sequenceLength, positions);
    checkLength('sourceLength', settings.sourceLength ?? 0, positions);
    const start = await this.#start(settings.seed);
    const { data, validation } = this.#spec;
    const corpus = await this.#read('distill.data', data, start, settings);
    const heldOut = validation === undefined ? undefined : await this.#read('distill.validation', validation, start, settings);
    const fingerprint = this.#fingerprint(corpus, settings, start);
    const trained = await this.#train(start, corpus, settings, new FolderCheckpoints(this.#context.workFolder, fingerprint), heldOut);
    const measures = heldOut === undefined ? {} : await this.#measure(trained.model, heldOut, this.#context);
    throwIfCancelled(this.#context.signal);
    const saved = await this.#save(trained, settings, corpus);
    return { ...saved, steps: trained.steps, finalLoss: trained.finalLoss, validation: measures };
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
    const taught = this.#teacher === undefined ? undefined : taskOf(this.#teacher.model.config);
    if (taught?.kind === 'classify') return taught.labels;
    return distinctLabels(await labelledRows(data, this.#context));
  }

  #train(
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
    const request = { corpus, settings, checkpoints, afterStep };
    if (this.#teacher === undefined)
      return trainModel({ ...request, model, objective: objectiveOf(corpus, settings), phase: 'train' }, this.#engine, this.#context);
    const teacher = this.#teachers.map(({ lease, weight }) => ({ model: lease.model, weight }));
    return distillModel({ ...request, student: model, teacher }, this.#engine, this.#context);
  }

  #measure(model: Model, data: JobData, context: OperationContext): Promise<Record<string, number>> {
    return measureModel({ model, teacher: this.#teacher?.model }, data, this.#engine, context);
  }

  #save({ model }: TrainResult, settings: DistillSettings, corpus: JobData): ReturnType<ModelHub['save']> {
    const { tokenizerFiles, generation } = this.#student.artefact;
    const parents = [{ hash: this.#student.version.hash, role: 'source' }];
    for (const { lease } of this.#teachers) parents.push({ hash: lease.version.hash, role: 'teacher' });
    const plain: JsonObject = { operation: 'distill', fromScratch: this.#spec.fromScratch, ...jsonOf(settings) };
    const meta = { parents, settings: plain, data: corpus.fingerprint };
    return this.#hub.save(targetOf(this.#spec), { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides the result. */
  #fingerprint(corpus: JobData, settings: DistillSettings, { config }: Model): string {
    const teachers = this.#teachers.map(({ lease, weight }) => [lease.version.hash, weight]);
    const parts = [this.#student.version.hash, teachers, corpus.fingerprint, this.#spec.fromScratch, settings, config.task];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }
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

// Distill: a stored student trained against a teacher, or alone, with checkpoints in the job's folder.
import { createHash } from 'node:crypto';
import { AppError, type OperationContext, throwIfCancelled } from '#base';
import { type DistillSettings, distillModel } from '#distill';
import type { Engine } from '#engine';
import { evaluateModel } from '#evaluate';
import { type Model, requireGenerating } from '#models';
import type { JsonObject } from '#store';
import type { TokenCorpus } from '#text';
import { crossEntropyObjective, type TrainRequest, type TrainResult, trainModel } from '#train';
import { checkInput } from '../check-input.ts';
import { FolderCheckpoints } from '../checkpoints.ts';
import type { JobContext, JobHandler } from '../job.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import { withPinnedInputs } from '../pinned-inputs.ts';
import type { DistillResult } from '../results.ts';
import { type DistillSpec, distillSpecSchema } from '../specs.ts';
import { textSource, tokenizeText } from '../text-data.ts';
import { fullTrainingSettings } from '../training-settings.ts';
import { checkSameTokens, withTeacher } from './evaluate.ts';
import { randomLike } from './from-scratch.ts';
import { checkReads, checkWrites, nameOf } from './names.ts';

export function distillHandler(hub: ModelHub, engine: Engine): JobHandler<DistillSpec, DistillResult> {
  return {
    kind: 'distill',
    usesDevice: true,
    canResume: true,
    parse(input) {
      const spec = checkInput(distillSpecSchema, input, 'distill');
      settingsOf(spec, Number.POSITIVE_INFINITY);
      return spec;
    },
    names: ({ student, name }) => ({ source: student, target: targetOf({ student, name }) }),
    async prepare({ student, teacher, name, replace, data, validation }) {
      await checkReads(hub, [student, teacher]);
      await checkWrites(hub, targetOf({ student, name }), replace || name === '');
      await textSource(data);
      if (validation !== undefined) await textSource(validation);
    },
    run: (spec, context) =>
      withPinnedInputs(hub, [spec.student, spec.teacher], context.workFolder, (pinnedTo) =>
        hub.using(pinnedTo(spec.student), (student) =>
          withTeacher(hub, pinnedTo(spec.teacher), (teacher) => new DistillRun(hub, engine, spec, student, teacher, context).run()),
        ),
      ),
  };
}

function targetOf({ student, name }: Pick<DistillSpec, 'student' | 'name'>): string {
  return name === '' ? nameOf(student) : name;
}

/** @throws AppError `invalid_argument` naming the setting */
function settingsOf({ settings, teacher, fromScratch }: DistillSpec, positions: number): DistillSettings {
  return fullTrainingSettings(settings, { positions, hasTeacher: teacher !== '', fromScratch });
}

/** One attempt. */
class DistillRun {
  readonly #hub: ModelHub;
  readonly #engine: Engine;
  readonly #spec: DistillSpec;
  readonly #student: ModelLease;
  readonly #teacher: ModelLease | undefined;
  readonly #context: JobContext;

  constructor(hub: ModelHub, engine: Engine, spec: DistillSpec, student: ModelLease, teacher: ModelLease | undefined, context: JobContext) {
    this.#hub = hub;
    this.#engine = engine;
    this.#spec = spec;
    this.#student = student;
    this.#teacher = teacher;
    this.#context = context;
  }

  async run(): Promise<DistillResult> {
    const [student, teacher] = [this.#student, this.#teacher];
    if (teacher !== undefined) checkSameTokens(student, teacher);
    const positions = Math.min(student.model.config.maxPositions, teacher?.model.config.maxPositions ?? Number.POSITIVE_INFINITY);
    const settings = settingsOf(this.#spec, positions);
    checkLength(settings.sequenceLength, positions);
    requireGenerating(student.model);
    const corpus = await tokenizeText(this.#spec.data, student.tokenizer, this.#context);
    const validation =
      this.#spec.validation === undefined ? undefined : await tokenizeText(this.#spec.validation, student.tokenizer, this.#context);
    const start = this.#spec.fromScratch ? randomLike(student.model, settings.seed) : student.model;
    const fingerprint = this.#fingerprint(corpus, settings);
    const trained = await this.#train(start, corpus, settings, new FolderCheckpoints(this.#context.workFolder, fingerprint), validation);
    const measures = validation === undefined ? {} : await this.#measure(trained.model, validation, this.#context);
    throwIfCancelled(this.#context.signal);
    const saved = await this.#save(trained, settings, corpus);
    return { ...saved, steps: trained.steps, finalLoss: trained.finalLoss, validation: measures };
  }

  #train(
    model: Model,
    corpus: TokenCorpus,
    settings: DistillSettings,
    checkpoints: FolderCheckpoints,
    validation: TokenCorpus | undefined,
  ): Promise<TrainResult> {
    const { evaluateEvery = 0 } = this.#spec.settings;
    const phase = 'distill';
    const afterStep: NonNullable<TrainRequest['afterStep']> = async (step, current) => {
      if (validation === undefined || evaluateEvery === 0 || step % evaluateEvery !== 0 || step === settings.steps) return;
      // Only the figures are reported: the steps of the measuring are not steps of the training.
      const metrics = await this.#measure(current(), validation, { signal: this.#context.signal, report: () => {} });
      this.#context.report({ phase, step, total: settings.steps, item: 'validation', metrics });
    };
    if (this.#teacher === undefined)
      return trainModel(
        { model, objective: crossEntropyObjective(), corpus, settings, checkpoints, phase: 'train', afterStep },
        this.#engine,
        this.#context,
      );
    const request = { student: model, teacher: this.#teacher.model, corpus, settings, checkpoints, afterStep };
    return distillModel(request, this.#engine, this.#context);
  }

  async #measure(model: Model, corpus: TokenCorpus, context: OperationContext): Promise<Record<string, number>> {
    const teacher = this.#teacher?.model;
    const result = await evaluateModel(model, { corpus, ...(teacher === undefined ? {} : { teacher }) }, this.#engine, context);
    return {
      bitsPerByte: result.bitsPerByte,
      tokenPerplexity: result.tokenPerplexity,
      ...(result.teacher === undefined
        ? {}
        : {
            teacherBitsPerByte: result.teacher.bitsPerByte,
            top1Agreement: result.teacher.topTokenAgreement,
            teacherKl: result.teacher.divergenceNats,
          }),
    };
  }

  #save({ model }: TrainResult, settings: DistillSettings, corpus: TokenCorpus): ReturnType<ModelHub['save']> {
    const { tokenizerFiles, generation } = this.#student.artefact;
    const parents = [{ hash: this.#student.version.hash, role: 'source' }];
    if (this.#teacher !== undefined) parents.push({ hash: this.#teacher.version.hash, role: 'teacher' });
    const plain: JsonObject = { operation: 'distill', fromScratch: this.#spec.fromScratch, ...jsonOf(settings) };
    const meta = { parents, settings: plain, data: corpus.fingerprint };
    return this.#hub.save(targetOf(this.#spec), { model, tokenizerFiles, generation, meta }, this.#context.jobId, this.#context);
  }

  /** Of everything that decides the result. */
  #fingerprint(corpus: TokenCorpus, settings: DistillSettings): string {
    const parts = [this.#student.version.hash, this.#teacher?.version.hash ?? '', corpus.fingerprint, this.#spec.fromScratch, settings];
    return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  }
}

function checkLength(sequenceLength: number, positions: number): void {
  if (sequenceLength <= positions) return;
  const field = 'distill.settings.sequenceLength';
  throw new AppError(
    'context_too_long',
    `${field}: ${sequenceLength} tokens are more than the ${positions} positions of the models. Ask for fewer.`,
    {
      details: { field, positions },
    },
  );
}

function jsonOf(settings: DistillSettings): JsonObject {
  return JSON.parse(JSON.stringify(settings)) as JsonObject;
}

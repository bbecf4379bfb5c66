// Evaluate: a stored model measured on its kind of data, against a teacher where one is named.
import { AppError, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { type EvaluationResult, evaluateModel } from '#evaluate';
import { taskOf } from '#models';
import { checkInput } from '../check-input.ts';
import type { JobHandler } from '../job.ts';
import { checkData, checkDataKind, kindOfData } from '../job-data.ts';
import type { ModelHub, ModelLease } from '../model-hub.ts';
import type { EvaluateResult, EvaluationReport, LatencyRecord } from '../results.ts';
import { type EvaluateSpec, evaluateSpecSchema, type TextData } from '../specs.ts';
import { tokenizeText } from '../text-data.ts';
import { type EvaluationSubject, reportOnHidden, reportOnLabels, reportOnPairs } from './evaluate-tasks.ts';
import { checkReads, checkSameTokenizers } from './names.ts';

export function evaluateHandler(
  hub: ModelHub,
  engine: Engine,
  saveReport: (hash: string, report: EvaluationReport) => void | Promise<void>,
): JobHandler<EvaluateSpec, EvaluateResult> {
  return {
    kind: 'evaluate',
    usesDevice: true,
    // It writes nothing before its end, so doing it again is going on.
    canResume: true,
    parse: (input) => checkInput(evaluateSpecSchema, input, 'evaluate'),
    names: ({ model }) => ({ source: model, target: '' }),
    paths: ({ data }) => data.paths,
    async prepare({ model, teacher, data }) {
      await checkReads(hub, [model, teacher]);
      await checkSameTokenizers(hub, model, [teacher]);
      await checkData(data);
    },
    run: (spec, context) =>
      hub.usingFor(context.jobId, spec.model, async (student) => {
        checkDataKind(student.model.config, spec.data, 'evaluate.data');
        const report = await withTeacher(hub, spec.teacher, context.jobId, (teacher) => {
          if (teacher !== undefined) checkSameTokens(student, teacher);
          return evaluateOn(spec.data, { student, teacher, settings: spec.settings }, engine, context);
        });
        await saveReport(student.version.hash, report);
        return { report };
      }),
  };
}

function evaluateOn(data: TextData, subject: EvaluationSubject, engine: Engine, context: OperationContext): Promise<EvaluationReport> {
  const kind = kindOfData(data);
  if (kind === 'labelled') return reportOnLabels(data, subject, engine, context);
  if (kind === 'pairs') return reportOnPairs(data, subject, engine, context);
  if (taskOf(subject.student.model.config).kind === 'masked') return reportOnHidden(data, subject, engine, context);
  return reportOnText(data, subject, engine, context);
}

/** @throws AppError as `evaluateModel` */
async function reportOnText(
  data: TextData,
  { student, teacher, settings }: EvaluationSubject,
  engine: Engine,
  context: OperationContext,
): Promise<EvaluationReport> {
  const { window, stride, batchSize, latency, latencyBatchSizes } = settings;
  const corpus = await tokenizeText(data, student.tokenizer, context);
  const result = await evaluateModel(
    student.model,
    {
      corpus,
      ...(teacher === undefined ? {} : { teacher: teacher.model }),
      ...(window === undefined ? {} : { window }),
      ...(stride === undefined ? {} : { stride }),
      ...(batchSize === undefined ? {} : { batch: batchSize }),
      latency: latency ? { batches: latencyBatchSizes.length === 0 ? [1, 8] : latencyBatchSizes } : false,
    },
    engine,
    context,
  );
  return reportOf(result, student.reference, teacher?.reference ?? '');
}

/** Equal sizes of vocabularies are not enough: every id must mean the same text. */
export function checkSameTokens(student: ModelLease, teacher: ModelLease): void {
  if (student.tokenizer.hash === teacher.tokenizer.hash) return;
  throw new AppError(
    'tokenizer_mismatch',
    `"${student.reference}" and "${teacher.reference}" have different tokenizers: one id means two texts. Use a model with the tokenizer of the first.`,
    { details: { student: student.reference, teacher: teacher.reference } },
  );
}

/** Lends the teacher for the time of `work`; an empty name is none. */
async function withTeacher<Result>(
  hub: ModelHub,
  name: string,
  jobId: string,
  work: (teacher: ModelLease | undefined) => Promise<Result>,
): Promise<Result> {
  return name === '' ? work(undefined) : hub.usingFor(jobId, name, work);
}

function reportOf(result: EvaluationResult, model: string, teacherName: string): EvaluationReport {
  const { teacher } = result;
  return {
    model,
    teacher: teacherName,
    protocol: result.protocol,
    dataFingerprint: result.dataFingerprint,
    scoredTokens: result.scoredTokens,
    scoredBytes: result.textBytes,
    loss: result.lossNats,
    bitsPerByte: result.bitsPerByte,
    tokenPerplexity: result.tokenPerplexity,
    accuracy: result.accuracy,
    logicalParameters: result.logicalParameters,
    storedParameters: result.storedParameters,
    storedBytes: result.storedBytes,
    residentBytes: result.residentBytes,
    latencies: result.latency.flatMap(latencyRecords),
    engine: result.engine,
    ...(teacher === undefined
      ? {}
      : {
          teacherBitsPerByte: teacher.bitsPerByte,
          teacherTokenPerplexity: teacher.tokenPerplexity,
          top1Agreement: teacher.topTokenAgreement,
          teacherKl: teacher.divergenceNats,
          teacherStoredBytes: teacher.storedBytes,
        }),
  };
}

function latencyRecords({
  batch,
  promptTokens,
  prefillMs,
  decodeStepMs,
  decodeTokensPerSecond,
}: EvaluationResult['latency'][number]): LatencyRecord[] {
  return [
    {
      phase: 'prefill',
      batchSize: batch,
      contextTokens: promptTokens,
      medianMs: prefillMs,
      tokensPerSecond: (batch * promptTokens * 1000) / prefillMs,
    },
    { phase: 'decode', batchSize: batch, contextTokens: promptTokens, medianMs: decodeStepMs, tokensPerSecond: decodeTokensPerSecond },
  ];
}

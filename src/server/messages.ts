// Between the messages of the wire and our plain objects. Field names are equal; what differs is absence, enums and oneofs.
import { AppError } from '#base';
import { type JobEvent, type JobKind, type JobRecord, type JobState, jobStates, type TimedProgress } from '#jobs';
import type { CompressSpec__Output } from './gen/athanor/v1/CompressSpec.ts';
import type { EvaluationReport as ReportMessage } from './gen/athanor/v1/EvaluationReport.ts';
import type { ExportFormat__Output } from './gen/athanor/v1/ExportFormat.ts';
import type { JobError } from './gen/athanor/v1/JobError.ts';
import type { JobEvent as JobEventMessage } from './gen/athanor/v1/JobEvent.ts';
import type { JobInfo } from './gen/athanor/v1/JobInfo.ts';
import type { JobProgress } from './gen/athanor/v1/JobProgress.ts';
import type { JobResult } from './gen/athanor/v1/JobResult.ts';
import type { JobSpec__Output } from './gen/athanor/v1/JobSpec.ts';
import type { Recipe__Output } from './gen/athanor/v1/Recipe.ts';
import type { TextData__Output } from './gen/athanor/v1/TextData.ts';

/** What a call asks a job to do: a kind and its spec in plain JSON. */
export interface JobRequest {
  readonly kind: JobKind;
  readonly spec: Readonly<Record<string, unknown>>;
}

/** The field of a `JobSpec` and a `JobResult` that a kind has. */
const wireFields: { readonly [Kind in JobKind]: 'importModel' | 'compress' | 'distill' | 'evaluate' | 'export' } = {
  import: 'importModel',
  compress: 'compress',
  distill: 'distill',
  evaluate: 'evaluate',
  export: 'export',
};

/** @throws AppError `invalid_argument` when no member is set */
export function requestOfSpec(message: JobSpec__Output | null): JobRequest {
  const kinds = Object.keys(wireFields) as JobKind[];
  const kind = kinds.find((candidate) => wireFields[candidate] === message?.spec);
  if (message === null || kind === undefined)
    throw new AppError('invalid_argument', `spec: must hold one of ${Object.values(wireFields).join(', ')}.`, {
      details: { field: 'spec' },
    });
  if (kind === 'compress') return compressRequest(message.compress ?? null);
  if (kind === 'export') return { kind, spec: { ...plain(message.export), format: exportFormat(message.export?.format) } };
  return { kind, spec: specWithText(message[wireFields[kind]]) };
}

/** @throws AppError `invalid_argument` */
export function compressRequest(message: CompressSpec__Output | null): JobRequest {
  if (message === null) throw missing('spec');
  const { recipe, recipeYaml, recipeName, recipeForm, ...rest } = message;
  if (recipeForm === undefined) throw missing('compress.recipe');
  const text = recipeForm === 'recipeName' ? { recipeName: recipeName ?? '' } : { recipeYaml: recipeYaml ?? '' };
  const form = recipeForm === 'recipe' && recipe ? { recipe: plainRecipe(recipe) } : text;
  return { kind: 'compress', spec: { ...specWithText(rest), ...form } };
}

/** @throws AppError `invalid_argument` */
export function specRequest(kind: 'distill' | 'evaluate', message: object | null): JobRequest {
  if (message === null) throw missing('spec');
  return { kind, spec: specWithText(message) };
}

/** @throws AppError `invalid_argument` */
export function exportFormat(format: ExportFormat__Output | undefined): 'hf' | 'onnx' {
  if (format === 'EXPORT_FORMAT_HF') return 'hf';
  if (format === 'EXPORT_FORMAT_ONNX') return 'onnx';
  throw new AppError('invalid_argument', 'format: must be EXPORT_FORMAT_HF or EXPORT_FORMAT_ONNX.', { details: { field: 'format' } });
}

function missing(field: string): AppError {
  return new AppError('invalid_argument', `${field}: is missing.`, { details: { field } });
}

function plainRecipe({ steps, seed }: Recipe__Output): Readonly<Record<string, unknown>> {
  const plainSteps = steps.map((step) => (step.method === undefined ? {} : { [step.method]: plain(step[step.method]) }));
  return { steps: plainSteps, ...(seed === undefined ? {} : { seed }) };
}

const textFields = ['data', 'validation'] as const;

/** Texts travel as bytes and become strings. */
function specWithText(message: object | null | undefined): Record<string, unknown> {
  const spec = plain(message);
  for (const name of textFields) {
    const data = (message as Partial<Record<string, TextData__Output | null>> | null | undefined)?.[name];
    if (data) spec[name] = { ...plain({ ...data, inlineText: undefined }), inlineText: decodeText(data.inlineText, `${name}.inlineText`) };
  }
  return spec;
}

function decodeText(bytes: Uint8Array, field: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('bad_encoding', `${field}: is not UTF-8. Send the text as UTF-8.`, { cause, details: { field } });
  }
}

/** A message without what was not set: virtual oneof fields, absent messages and empty lists. */
function plain(message: object | null | undefined): Record<string, unknown> {
  const kept = Object.entries(message ?? {}).filter(
    ([key, value]) => !key.startsWith('_') && value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(
    kept.map(([key, value]: [string, unknown]) => {
      const isMessage = typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
      return [key, isMessage ? plain(value) : value];
    }),
  );
}

const stateMessages: { readonly [State in JobState]: `JOB_STATE_${State}` } = {
  QUEUED: 'JOB_STATE_QUEUED',
  RUNNING: 'JOB_STATE_RUNNING',
  PAUSED: 'JOB_STATE_PAUSED',
  CANCELLING: 'JOB_STATE_CANCELLING',
  SUCCEEDED: 'JOB_STATE_SUCCEEDED',
  FAILED: 'JOB_STATE_FAILED',
  CANCELLED: 'JOB_STATE_CANCELLED',
};

/** Undefined for a state that no job of this server can have. */
export function jobStateOf(message: string): JobState | undefined {
  return jobStates.find((state) => stateMessages[state] === message);
}

export function eventMessage(event: JobEvent, kind: string): JobEventMessage {
  const common = { jobId: event.jobId, sequence: event.sequence, timeMs: event.timeMs };
  switch (event.kind) {
    case 'state':
      return { ...common, state: { state: stateMessages[event.state] } };
    case 'progress':
      return { ...common, progress: progressMessage(event.progress) };
    case 'result':
      return { ...common, result: resultMessage(kind, event.result) };
    case 'error':
      return { ...common, error: errorMessage(event.error) };
  }
}

export function jobMessage(job: JobRecord, newest: JobEvent | undefined): JobInfo {
  const { id, kind, source, target, createdMs, startedMs, finishedMs, lastSequence, attempts, priority, owner, retryOf, isPausing } = job;
  return {
    id,
    kind,
    source,
    target,
    createdMs,
    startedMs,
    finishedMs,
    lastSequence,
    attempts,
    priority,
    owner,
    retryOf,
    isPausing,
    state: stateMessages[job.state],
    ...(newest?.kind === 'progress' ? { progress: progressMessage(newest.progress) } : {}),
    ...(job.result === undefined ? {} : { result: resultMessage(kind, job.result) }),
    ...(job.error === undefined ? {} : { error: errorMessage(job.error) }),
  };
}

function progressMessage({ phase, step = 0, total = 0, item = '', metrics = {}, elapsedMs, etaMs }: TimedProgress): JobProgress {
  return { phase, step, total, item, metrics, elapsedMs, ...(etaMs === undefined ? {} : { etaMs }) };
}

/** Results are stored in the wire's own form. */
function resultMessage(kind: string, result: unknown): JobResult {
  return Object.hasOwn(wireFields, kind) ? ({ [wireFields[kind as JobKind]]: result } as JobResult) : {};
}

function errorMessage({ code, message, details }: NonNullable<JobRecord['error']>): JobError {
  return { code, message, details: Object.fromEntries(Object.entries(details).map(([key, value]) => [key, String(value)])) };
}

/** Fails to compile when a report has a field that the wire lacks or types otherwise. */
export function reportMessage(report: ReportMessage): ReportMessage {
  return report;
}

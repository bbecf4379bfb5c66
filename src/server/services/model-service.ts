// ModelService: the store and the memory, as callers see them.
import { join } from 'node:path';
import { AppError } from '#base';
import {
  type EvaluationReport,
  type ExportResult,
  type ImportResult,
  type JobRunner,
  keptExportFolder,
  type ModelRecord,
  type Promotion,
  type Thresholds,
  thresholdsSchema,
} from '#jobs';
import type { CallContext, CallGate } from '../calls.ts';
import type { FileChunk__Output } from '../gen/athanor/v1/FileChunk.ts';
import type { ModelInfo } from '../gen/athanor/v1/ModelInfo.ts';
import type { ModelServiceHandlers } from '../gen/athanor/v1/ModelService.ts';
import type { ModelServiceExportRequest__Output } from '../gen/athanor/v1/ModelServiceExportRequest.ts';
import type { ModelServiceExportResponse } from '../gen/athanor/v1/ModelServiceExportResponse.ts';
import type { ModelServiceImportUploadRequest__Output } from '../gen/athanor/v1/ModelServiceImportUploadRequest.ts';
import type { Promotion as PromotionMessage } from '../gen/athanor/v1/Promotion.ts';
import type { Thresholds__Output as ThresholdsMessage } from '../gen/athanor/v1/Thresholds.ts';
import { exportFormat, reportMessage } from '../messages.ts';
import { fileChunks, withUploadedFolder } from './uploads.ts';

/** What the service needs of the models. */
export interface ModelCatalogue {
  list(): Promise<readonly ModelRecord[]>;
  get(reference: string): Promise<ModelRecord>;
  load(reference: string): Promise<ModelRecord>;
  unload(reference: string): Promise<number>;
  delete(reference: string): Promise<void>;
  promote(alias: string, reference: string, thresholds: Thresholds | undefined, principal: string): Promise<Promotion>;
  rollBack(alias: string, to: number, principal: string): Promise<Promotion>;
  promotions(alias: string): readonly Promotion[];
}

export function modelService(gate: CallGate, models: ModelCatalogue, jobs: JobRunner, uploadFolder: string): ModelServiceHandlers {
  const runImport = async (
    spec: { name: string; path: string; replace: boolean },
    { signal }: CallContext,
  ): Promise<{ model: ModelInfo }> => {
    const { id } = await jobs.submit('import', spec);
    const { model } = (await jobs.result(id, signal)) as ImportResult;
    return { model: modelMessage(model) };
  };
  return {
    Import: gate.unary(({ name, path, replace }, context) => runImport({ name, path, replace }, context)),
    ImportUpload: gate.clientStream(async (messages, context) => {
      const parts = messages[Symbol.asyncIterator]();
      const first = await parts.next();
      const header = first.done === true ? undefined : first.value.header;
      if (!header)
        throw new AppError('invalid_argument', 'header: must be the first message of an upload.', { details: { field: 'header' } });
      return withUploadedFolder(uploadFolder, chunksOf(parts), (folder) =>
        // The folder goes when this call ends, so the job must have ended too: it does not outlive a client that leaves.
        importAndWait(jobs, { ...header, path: folder }, context.signal),
      );
    }),
    List: gate.unary(async () => ({ models: (await models.list()).map(modelMessage) })),
    Get: gate.unary(async ({ name }) => ({ model: modelMessage(await models.get(name)) })),
    Load: gate.unary(async ({ name }) => ({ model: modelMessage(await models.load(name)) })),
    Unload: gate.unary(async ({ name }) => ({ freedBytes: await models.unload(name) })),
    Delete: gate.unary(async ({ name }) => {
      await models.delete(name);
      return {};
    }),
    Promote: gate.unary(async ({ alias, model, thresholds }, { caller }) => ({
      promotion: promotionMessage(await models.promote(alias, model, thresholdsOf(thresholds), caller?.name ?? '')),
    })),
    RollBack: gate.unary(async ({ alias, to }, { caller }) => ({
      promotion: promotionMessage(await models.rollBack(alias, to, caller?.name ?? '')),
    })),
    Promotions: gate.unary(async ({ alias }) => ({ promotions: models.promotions(alias).map(promotionMessage) })),
    Export: gate.serverStream((request, context) => exportModel(jobs, request, context)),
  };
}

async function* chunksOf(parts: AsyncIterator<ModelServiceImportUploadRequest__Output>): AsyncGenerator<FileChunk__Output> {
  for (let part = await parts.next(); part.done !== true; part = await parts.next()) {
    if (!part.value.chunk)
      throw new AppError('invalid_argument', 'chunk: every message after the first must hold one.', { details: { field: 'chunk' } });
    yield part.value.chunk;
  }
}

async function importAndWait(
  jobs: JobRunner,
  { name, path, replace }: { name: string; path: string; replace: boolean },
  signal: AbortSignal,
): Promise<{ model: ModelInfo }> {
  const { id } = await jobs.submit('import', { name, path, replace });
  const cancel = (): void => {
    jobs.cancel(id);
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    if (signal.aborted) cancel();
    const { model } = (await jobs.result(id)) as ImportResult;
    return { model: modelMessage(model) };
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** Writes the files as a job and sends them; they are gone when the call ends. */
async function* exportModel(
  jobs: JobRunner,
  { name, format }: ModelServiceExportRequest__Output,
  { signal }: CallContext,
): AsyncGenerator<ModelServiceExportResponse> {
  const { id } = await jobs.submit('export', { model: name, format: exportFormat(format) });
  const cancel = (): void => {
    jobs.cancel(id);
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    if (signal.aborted) cancel();
    const { files } = (await jobs.result(id)) as ExportResult;
    for await (const chunk of fileChunks(join(jobs.workFolderOf(id), keptExportFolder), files)) yield { chunk };
  } finally {
    signal.removeEventListener('abort', cancel);
    await jobs.discardWork(id);
  }
}

/** The generated types want arrays of their own. */
function writable({ latencies, classification, ...rest }: EvaluationReport): Parameters<typeof reportMessage>[0] {
  if (classification === undefined) return { ...rest, latencies: [...latencies] };
  const { labels, confusion } = classification;
  return { ...rest, latencies: [...latencies], classification: { ...classification, labels: [...labels], confusion: [...confusion] } };
}

function modelMessage(record: ModelRecord): ModelInfo {
  const { lineage, evaluation, parameters, ...rest } = record;
  return {
    ...rest,
    lineage: { ...lineage, parents: [...lineage.parents] },
    ...(evaluation === undefined ? {} : { evaluation: reportMessage(writable(evaluation)) }),
    parameters: parameters.map((parameter) => ({
      ...parameter,
      shape: [...parameter.shape],
      tensors: parameter.tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    })),
  };
}

/** The generated types want arrays and records of their own. */
function promotionMessage({ figures, thresholds, ...promotion }: Promotion): PromotionMessage {
  const given = Object.fromEntries(Object.entries(thresholds).filter(([, limit]) => limit !== undefined));
  return { ...promotion, thresholds: given, figures: { ...figures } };
}

/** @throws AppError `invalid_argument` naming the threshold */
function thresholdsOf(message: ThresholdsMessage | null): Thresholds | undefined {
  if (message === null) return undefined;
  const given = Object.fromEntries(Object.entries(message).filter(([name, value]) => !name.startsWith('_') && typeof value === 'number'));
  const parsed = thresholdsSchema.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = `thresholds.${issue?.path.join('.') ?? ''}`;
  throw new AppError('invalid_argument', `${field}: ${issue?.message ?? 'is not valid'}.`, { details: { field } });
}

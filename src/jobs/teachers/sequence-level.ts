// Sequence-level distillation in a job: what the teacher writes for the job's data, by the kind of the data.
import type { OperationContext } from '#base';
import type { Continuation, DistillSettings } from '#distill';
import type { Engine } from '#engine';
import type { JobData } from '../job-data.ts';
import type { ModelLease } from '../model-hub.ts';
import type { DistillSpec } from '../specs.ts';
import { workFingerprint } from '../work-fingerprint.ts';
import { teacherTargets } from './sequence-targets.ts';
import { continuationSettings, teacherContinuations } from './teacher-continuations.ts';

export interface SequenceLevelRequest {
  readonly wanted: NonNullable<DistillSpec['sequenceLevel']>;
  readonly corpus: JobData;
  readonly teacher: ModelLease;
  readonly settings: DistillSettings;
  /** Of the job. */
  readonly folder: string;
}

/** Pairs with the teacher's targets in place of the data's, or beginnings of running text with what the teacher writes behind them. */
export type WrittenByTeacher =
  | { readonly kind: 'pairs'; readonly corpus: JobData }
  | { readonly kind: 'continuations'; readonly continuations: readonly Continuation[] };

/** @throws AppError as `teacherTargets` and `teacherContinuations` */
export async function writtenByTeacher(
  { wanted, corpus, teacher, settings, folder }: SequenceLevelRequest,
  engine: Engine,
  context: OperationContext,
): Promise<WrittenByTeacher> {
  const { sequenceLength, sourceLength, steps, batchSize, gradientAccumulation, seed } = settings;
  const place = (fields: unknown): { readonly folder: string; readonly fingerprint: string; readonly engine: Engine } => {
    const parts = [
      teacher.version.hash,
      corpus.fingerprint,
      'tokenizerHash' in corpus ? corpus.tokenizerHash : '',
      sequenceLength,
      sourceLength,
      fields,
    ];
    return { folder, fingerprint: workFingerprint(engine, parts), engine };
  };
  if ('pairs' in corpus) {
    const { beams = 5, maxNewTokens = sequenceLength } = wanted;
    const search = { beams, maxTokens: Math.min(maxNewTokens, sequenceLength) };
    const written = await teacherTargets(corpus, teacher.model, search, place(search), context);
    return { kind: 'pairs', corpus: { ...written, fingerprint: corpus.fingerprint } };
  }
  if (!('tokens' in corpus)) return { kind: 'pairs', corpus };
  const writing = continuationSettings(wanted, { sequenceLength, seed, examples: steps * batchSize * gradientAccumulation });
  return { kind: 'continuations', continuations: await teacherContinuations(corpus, teacher.model, writing, place(writing), context) };
}

// Sequence-level distillation of models that continue text: the student learns what its teacher wrote behind beginnings of the data.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import { requireGenerating } from '#models';
import { type BatchTrainRequest, type TrainResult, trainOnBatches } from '#train';
import type { Continuation } from '../written-tokens.ts';
import { ContinuationBatches, continuationObjective } from './continuations.ts';

export interface ContinuationRequest extends Omit<BatchTrainRequest, 'objective' | 'batches'> {
  /** At least one. */
  readonly continuations: readonly Continuation[];
}

/**
 * Cross-entropy with what the teacher wrote; the beginnings, which it did not write, are read and not learnt.
 *
 * @throws AppError `unsupported` for a student that does not continue text, and as `trainOnBatches`
 * @see Kim and Rush, "Sequence-Level Knowledge Distillation", EMNLP 2016, §3.2. A decoder-only model has no source: beginnings of the data stand for
 * it, as instructions do in Gu et al., "MiniLLM", ICLR 2024, §3.1 (SeqKD)
 */
export function distillFromContinuations(request: ContinuationRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { continuations, ...rest } = request;
  requireGenerating(rest.model);
  const { batchSize: batch, seed } = rest.settings;
  return trainOnBatches(
    {
      ...rest,
      objective: continuationObjective(),
      batches: (cursor) => new ContinuationBatches(continuations, { batch, seed }, cursor),
    },
    engine,
    context,
  );
}

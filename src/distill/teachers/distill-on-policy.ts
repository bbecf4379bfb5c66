// On-policy distillation against a resident teacher: steps on the data, and steps on what the student draws itself.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import type { Model } from '#models';
import { checkTrainingData, openBatches, type TrainResult, trainOnBatches } from '#train';
import { checkSameAnswers, type DistillRequest } from '../distill-model.ts';
import { logitObjective } from '../logit-objective.ts';
import type { Divergence } from '../losses/divergence.ts';
import { OnPolicyBatches, type OnPolicySettings, onPolicyObjective } from './on-policy.ts';
import { ownSamplesObjective } from './own-samples-objective.ts';
import { StudentSampler } from './student-sampler.ts';

export interface OnPolicyRequest extends Omit<DistillRequest, 'teacher'> {
  readonly teacher: Model;
  readonly onPolicy: OnPolicySettings;
  /** On the student's samples. */
  readonly divergence: Divergence;
}

/**
 * Generalized knowledge distillation: with probability λ a step learns on continuations of the data's beginnings that the student draws with its
 * present weights, by a divergence from the teacher over the drawn tokens; the other steps are those of `distillModel`.
 *
 * What is drawn follows from the seed, the step and the weights, so that a run that goes on from a checkpoint draws the same.
 *
 * @throws AppError as `distillModel`
 * @see Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, algorithm 1. We choose by step, not by sequence
 */
export async function distillOnPolicy(request: OnPolicyRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { student, teacher, corpus, settings, onPolicy, divergence, ...rest } = request;
  checkSameAnswers(student, teacher);
  checkTrainingData(student, corpus);
  const { promptTokens, maxNewTokens: newTokens } = onPolicy;
  const sampler = new StudentSampler(engine, student, { batch: settings.batchSize, promptTokens, newTokens });
  const onData = logitObjective(engine, teacher, settings);
  try {
    const own = ownSamplesObjective(teacher, settings.temperature, divergence);
    return await trainOnBatches(
      {
        ...rest,
        model: student,
        objective: onPolicyObjective(onData, own, onPolicy, settings.seed),
        settings,
        batches: (cursor) =>
          new OnPolicyBatches(openBatches(student, corpus, settings, cursor), sampler, onPolicy, settings.seed, student.config.endTokens),
      },
      engine,
      context,
    );
  } finally {
    onData.release();
    await sampler.release();
  }
}

// On-policy distillation against resident teachers: steps on the data, and steps on what the student draws itself.
import type { OperationContext } from '#base';
import type { Engine } from '#engine';
import { openBatches, type TrainResult, trainOnBatches } from '#train';
import { type DistillRequest, type DistillSettings, teachingObjective } from '../distill-model.ts';
import type { Divergence } from '../losses/divergence.ts';
import { lossesOnSamples, type OwnSamples } from '../losses/own-samples.ts';
import { shortForm } from '../losses/short-form.ts';
import { isOwnStep, OnPolicyBatches, type OnPolicySettings } from './on-policy.ts';
import { StudentSampler } from './student-sampler.ts';

export interface OnPolicyRequest extends DistillRequest {
  readonly onPolicy: OnPolicySettings;
  /** On the student's samples. Absent: that of each loss `logits`; of the short form the even mixture. */
  readonly divergence?: Divergence | undefined;
}

/** β = ½, as in the paper's main results. */
const evenMixture: Divergence = { divergence: 'jsd', beta: 0.5, scaled: false };

/**
 * Generalized knowledge distillation: with probability λ a step learns on continuations of the data's beginnings that the student draws with its
 * present weights; the other steps are those of `distillModel`. On samples the teachers are compared over the drawn tokens, by the same losses without
 * `labels`; the short form has there the divergence alone, without α.
 *
 * What is drawn follows from the seed, the step and the weights, so that a run that goes on from a checkpoint draws the same.
 *
 * @throws AppError as `distillModel` and `lossesOnSamples`
 * @see Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, algorithm 1. We choose by step, not by sequence
 */
export async function distillOnPolicy(request: OnPolicyRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const { student, teacher, corpus, settings, onPolicy, divergence, ...rest } = request;
  const { promptTokens, maxNewTokens: newTokens } = onPolicy;
  const sampler = new StudentSampler(engine, student, { batch: settings.batchSize, promptTokens, newTokens });
  const objective = teachingObjective(engine, request, samplesOf(request));
  try {
    return await trainOnBatches(
      {
        ...rest,
        model: student,
        objective,
        settings,
        batches: (cursor) =>
          new OnPolicyBatches(openBatches(student, corpus, settings, cursor), sampler, onPolicy, settings.seed, student.config.endTokens),
      },
      engine,
      context,
    );
  } finally {
    objective.release();
    await sampler.release();
  }
}

function samplesOf({ settings, onPolicy, divergence }: Pick<OnPolicyRequest, 'settings' | 'onPolicy' | 'divergence'>): OwnSamples {
  return {
    losses: onSamples(settings, divergence),
    isOwn: (step) => isOwnStep(settings.seed, step, onPolicy.share),
  };
}

function onSamples({ losses, temperature }: DistillSettings, divergence: Divergence | undefined): OwnSamples['losses'] {
  if (losses !== undefined) return lossesOnSamples(losses, divergence);
  return lossesOnSamples(shortForm({ temperature, alpha: 1 }), divergence ?? evenMixture);
}

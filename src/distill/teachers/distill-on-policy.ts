// On-policy distillation against resident teachers: steps on the data, and steps on what the student draws itself.
import { AppError, at, type OperationContext } from '#base';
import type { Engine } from '#engine';
import { requireGenerating } from '#models';
import { openBatches, type TrainResult, trainOnBatches } from '#train';
import { asTaught, type DistillRequest, type DistillSettings, teachingObjective } from '../distill-model.ts';
import type { Divergence } from '../losses/divergence.ts';
import { type TeacherObjective, teacherPrefix } from '../losses/objective.ts';
import { lossesOnSamples, type OwnSamples } from '../losses/own-samples.ts';
import type { PolicyGradient } from '../losses/policy-gradient.ts';
import { shortForm } from '../losses/short-form.ts';
import { MixedSampler } from './mixed-sampler.ts';
import { isOwnStep, OnPolicyBatches, type OnPolicySettings } from './on-policy.ts';
import { StudentSampler } from './student-sampler.ts';

export interface OnPolicyRequest extends DistillRequest {
  readonly onPolicy: OnPolicySettings;
  /** On the student's samples. Absent: that of each loss `logits`; of the short form the even mixture. */
  readonly divergence?: Divergence | undefined;
  /** Learns the reverse KL of whole samples in place of a divergence; from one teacher, at temperature 1. */
  readonly policyGradient?: Pick<PolicyGradient, 'teacherShare'> | undefined;
}

/** β = ½, as in the paper's main results. */
const evenMixture: Divergence = { divergence: 'jsd', beta: 0.5, scaled: false };

/**
 * Generalized knowledge distillation: with probability λ a step learns on continuations of the data's beginnings that the student draws with its
 * present weights; the other steps are those of `distillModel`. On samples the teachers are compared over the drawn tokens, by the same losses without
 * `labels`; the short form has there the divergence alone, without α.
 *
 * With `policyGradient` the logits are learnt there by the reverse KL of whole samples (`policyGradientLoss`), which the teacher helps to draw.
 *
 * What is drawn follows from the seed, the step and the weights, so that a run that goes on from a checkpoint draws the same.
 *
 * @throws AppError as `distillModel` and `lossesOnSamples`
 * @see Agarwal et al., "On-Policy Distillation of Language Models", ICLR 2024, algorithm 1. We choose by step, not by sequence
 */
export async function distillOnPolicy(given: OnPolicyRequest, engine: Engine, context: OperationContext): Promise<TrainResult> {
  const request = await asTaught(engine, given);
  const { student, teacher: _, corpus, settings, onPolicy, divergence: __, policyGradient: ___, ...rest } = request;
  requireGenerating(student);
  const objective = teachingObjective(engine, request, samplesOf(request));
  const sampler = samplerOf(request, engine, objective);
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

/** Draws as the samples are learnt. */
function samplerOf(
  { student, teacher, settings, onPolicy, policyGradient }: OnPolicyRequest,
  engine: Engine,
  { inputs }: TeacherObjective,
): StudentSampler | MixedSampler {
  const { promptTokens, maxNewTokens: newTokens } = onPolicy;
  const sizes = { batch: settings.batchSize, promptTokens, newTokens };
  const share = policyGradient?.teacherShare ?? 0;
  if (share === 0) return new StudentSampler(engine, student, sizes);
  const model = 'config' in teacher ? teacher : at(teacher, 0).model;
  const prefix = teacherPrefix();
  const own = Object.entries(inputs).filter(([name]) => name.startsWith(prefix));
  const weights = Object.fromEntries(own.map(([name, buffer]) => [name.slice(prefix.length), buffer]));
  return new MixedSampler(engine, student, { model, weights, share }, sizes);
}

/** @throws AppError `invalid_argument` as `lossesOnSamples` and `checkPolicyGradient` */
function samplesOf(request: OnPolicyRequest): OwnSamples {
  const { teacher, settings, onPolicy, divergence, policyGradient } = request;
  const losses = onSamples(settings, divergence);
  if (policyGradient !== undefined) checkPolicyGradient(losses, 'config' in teacher ? 1 : teacher.length, onPolicy, divergence);
  return {
    losses,
    policy: policyGradient && { ...policyGradient, temperature: onPolicy.temperature },
    isOwn: (step) => isOwnStep(settings.seed, step, onPolicy.share),
  };
}

/**
 * @param divergence - that samples are given, in whatever form
 * @throws AppError `invalid_argument` naming the field that a policy gradient cannot stand beside
 */
export function checkPolicyGradient(
  losses: OwnSamples['losses'],
  teachers: number,
  { temperature }: Pick<OnPolicySettings, 'temperature'>,
  divergence: Divergence | number | undefined,
): void {
  const require = (holds: boolean, field: string, rule: string): void => {
    if (!holds) throw new AppError('invalid_argument', `${field}: ${rule}.`, { details: { field } });
  };
  require(teachers ===
    1, 'teachers', 'a policy gradient looks at the rewards of one teacher. Give one, or leave onPolicy.policyGradient out');
  require(divergence === undefined, 'onPolicy.beta', 'a policy gradient minimizes KL(student ‖ teacher). Leave one of them out');
  require(temperature > 0, 'onPolicy.temperature', 'a policy gradient needs draws. Choose a temperature above 0');
  const isPlain = losses.every((loss) => loss.kind !== 'logits' || loss.temperature === 1);
  require(isPlain, 'temperature', 'a policy gradient is of the distributions as they are. Set it to 1');
}

function onSamples({ losses, temperature }: DistillSettings, divergence: Divergence | undefined): OwnSamples['losses'] {
  if (losses !== undefined) return lossesOnSamples(losses, divergence);
  return lossesOnSamples(shortForm({ temperature, alpha: 1 }), divergence ?? evenMixture);
}

// What losses add to a training beside their terms: projections that train, and weights that move from step to step.
import { invariant, Random } from '#base';
import { float32 } from '#tensor';
import type { SchemeInGraph, SchemeStep, SchemeTensor, TrainingScheme } from '#train';
import type { Value } from '#graph';
import type { LossPlan } from './plan.ts';
import type { LossWeights } from './weights.ts';

/** Behind the variant of a step in which the gradients' norms are measured. */
const measuredMark = '+norms';

const weightsInput = 'losses/weights';
const normsInput = 'losses/norms';

/** Name of the projection of the term at this place of the list. */
export const projectionName = (index: number): string => `losses/${index}/projection`;

/** Whether a graph measures the norms of the terms' gradients. */
export function measures({ variant }: Pick<SchemeInGraph, 'variant'>): boolean {
  return variant.endsWith(measuredMark);
}

/** The weight of each term in this step, float32 [number of terms]. */
export function weightsIn(scheme: SchemeInGraph, terms: number): Value {
  return scheme.input(weightsInput, 'float32', [terms]);
}

/** The norms that the weights go by, float32 [number of terms]. */
export function normsIn(scheme: SchemeInGraph, terms: number): Value {
  return scheme.input(normsInput, 'float32', [terms]);
}

/** Reported in the steps that measure: the norm of a term's gradient. */
export const gradientMetric = (name: string): string => `${name}Gradient`;
export const weightMetric = (name: string): string => `${name}Weight`;

/** Random matrices [D of the student, D of the teacher] that keep the length of a random vector on average. */
function projections(plans: readonly LossPlan[], seed: number): readonly SchemeTensor[] {
  return plans.flatMap((plan, index): SchemeTensor[] => {
    if (!('projection' in plan) || plan.projection === undefined) return [];
    const [from, to] = plan.projection;
    const random = new Random(seed * 1009 + index);
    const scale = 1 / Math.sqrt(from);
    const values = Float32Array.from({ length: from * to }, () => random.normal() * scale);
    return [{ name: projectionName(index), initial: float32([from, to], values), decays: true }];
  });
}

/** What an outer scheme and the losses remember. */
interface Saved {
  readonly weights: unknown;
  readonly outer: unknown;
}

/**
 * A scheme with the losses' own tensors and steps, around the one that a method brings. Undefined where neither is needed.
 *
 * @param seed - of the projections' start
 */
export function lossScheme(
  plans: readonly LossPlan[],
  weights: LossWeights,
  seed: number,
  outer: TrainingScheme | undefined,
): TrainingScheme | undefined {
  const own = projections(plans, seed);
  const moves = plans.some((_, index) => weights.moves(index));
  if (own.length === 0 && !moves) return outer;
  /** An outer scheme knows nothing of the mark. */
  const toOuter = (scheme: SchemeInGraph): SchemeInGraph =>
    measures(scheme) ? { ...scheme, variant: scheme.variant.slice(0, -measuredMark.length) } : scheme;
  const stepOf = (step: number): SchemeStep => {
    const { inputs, variant = '' } = outer?.step?.(step) ?? { inputs: {} };
    if (!moves) return { inputs, variant };
    const terms = plans.length;
    return {
      inputs: { ...inputs, [weightsInput]: float32([terms], weights.at(step)), [normsInput]: float32([terms], weights.norms) },
      variant: weights.measuresAt(step) ? variant + measuredMark : variant,
    };
  };
  return {
    name: outer?.name ?? 'losses',
    tensors: [...(outer?.tensors ?? []), ...own],
    buffers: outer?.buffers ?? {},
    widestVariants: outer?.widestVariants ?? [''],
    network: (scheme) => outer?.network?.(toOuter(scheme)) ?? {},
    loss: (context, objective, scheme) => outer?.loss?.(context, objective, toOuter(scheme)) ?? objective,
    step: stepOf,
    observe: (step, metrics, tensors) => {
      outer?.observe?.(step, metrics, tensors);
      if (!weights.measuresAt(step)) return;
      weights.observe(
        plans.map(({ name }) => {
          const norm = metrics[gradientMetric(name)];
          invariant(norm !== undefined, `the norm of ${name} is measured`);
          return norm;
        }),
      );
    },
    save: (): Saved => ({ weights: weights.save(), outer: outer?.save?.() ?? null }),
    restore: (saved) => {
      const { weights: ofWeights, outer: ofOuter } = saved as Saved;
      weights.restore(ofWeights);
      if (ofOuter !== null) outer?.restore?.(ofOuter);
    },
  };
}

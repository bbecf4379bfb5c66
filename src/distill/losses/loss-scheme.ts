// What losses add to a training beside their terms: projections that train, and weights that move from step to step.
import { invariant, Random } from '#base';
import type { Value } from '#graph';
import { float32 } from '#tensor';
import type { SchemeInGraph, SchemeTensor, TrainingScheme } from '#train';
import type { LossPlan } from './plan.ts';
import type { LossWeights } from './weights.ts';

/** Of the steps in which the gradients' norms are measured. */
const measuringVariant = 'gradientNorms';

/** Name of the projection of the term at this place of the list. */
export const projectionName = (index: number): string => `projection.${index}`;

/** Whether a graph measures the norms of the terms' gradients; the variant may be joined with those of other schemes. */
export function measures({ variant }: Pick<SchemeInGraph, 'variant'>): boolean {
  return variant.includes(measuringVariant);
}

/** The weight of each term in this step, float32 [number of terms]. */
export function weightsIn(scheme: SchemeInGraph, terms: number): Value {
  return scheme.input('lossWeights', 'float32', [terms]);
}

/** The norms that the weights go by, float32 [number of terms]. */
export function normsIn(scheme: SchemeInGraph, terms: number): Value {
  return scheme.input('lossNorms', 'float32', [terms]);
}

/** Under which the norm of a term's gradient is reported. */
export const gradientMetric = (name: string): string => `${name}Gradient`;
export const weightMetric = (name: string): string => `${name}Weight`;

/** Random matrices [D of the student, D of the teacher] that keep the length of a random vector on average. */
function projections(plans: readonly LossPlan[], seed: number): readonly SchemeTensor[] {
  return plans.flatMap((plan, index): SchemeTensor[] => {
    if (!('projection' in plan) || plan.projection === undefined) return [];
    const [from, to] = plan.projection;
    const random = new Random(seed * 1009 + index);
    const values = Float32Array.from({ length: from * to }, () => random.normal() / Math.sqrt(to));
    return [{ name: projectionName(index), initial: float32([from, to], values), decays: true }];
  });
}

/**
 * Undefined where nothing trains beside the student and no weight moves.
 *
 * @param seed - of the projections' start
 */
export function lossScheme(plans: readonly LossPlan[], weights: LossWeights, seed: number): TrainingScheme | undefined {
  const tensors = projections(plans, seed);
  const moves = plans.some((_, index) => weights.moves(index));
  if (!moves) return tensors.length === 0 ? undefined : { name: 'losses', tensors };
  const terms = [plans.length];
  return {
    name: 'losses',
    tensors,
    step: (step) => ({
      inputs: { lossWeights: float32(terms, weights.at(step)), lossNorms: float32(terms, weights.norms) },
      variant: weights.measuresAt(step) ? measuringVariant : '',
    }),
    observe: (step, metrics) => {
      if (!weights.measuresAt(step)) return;
      weights.observe(
        plans.map(({ name }) => {
          const norm = metrics[gradientMetric(name)];
          invariant(norm !== undefined, `the norm of the gradient of ${name} is measured`);
          return norm;
        }),
      );
    },
    save: () => weights.save(),
    restore: (saved) => weights.restore(saved),
  };
}

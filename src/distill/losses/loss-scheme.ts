// What losses add to a training beside their terms: projections that train, and weights that move from step to step.
import { invariant, Random } from '#base';
import type { Value } from '#graph';
import { float32 } from '#tensor';
import type { SchemeInGraph, SchemeTensor, TrainingScheme } from '#train';
import { ownSamplesVariant } from './own-samples.ts';
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

/** The weights of the steps on the student's own samples, which have norms of their own. */
interface SampleWeights {
  readonly weights: LossWeights;
  isOwn(this: void, step: number): boolean;
}

/**
 * Undefined where nothing trains beside the student, no weight moves, and all steps learn on the data.
 *
 * @param seed - of the projections' start
 * @param samples - weights that move there move on the data too
 */
export function lossScheme(
  plans: readonly LossPlan[],
  weights: LossWeights,
  seed: number,
  samples?: SampleWeights,
): TrainingScheme | undefined {
  const tensors = projections(plans, seed);
  const moves = plans.some((_, index) => weights.moves(index));
  if (!moves && samples === undefined) return tensors.length === 0 ? undefined : { name: 'losses', tensors };
  const terms = [plans.length];
  const isOwn = (step: number): boolean => samples?.isOwn(step) === true;
  const weightsOf = (step: number): LossWeights => (isOwn(step) ? (samples?.weights ?? weights) : weights);
  return {
    name: 'losses',
    tensors,
    step: (step) => {
      const ofStep = weightsOf(step);
      const variant = [...(isOwn(step) ? [ownSamplesVariant] : []), ...(ofStep.measuresAt(step) ? [measuringVariant] : [])].join('+');
      const inputs = moves ? { lossWeights: float32(terms, ofStep.at(step)), lossNorms: float32(terms, ofStep.norms) } : {};
      return { inputs, variant };
    },
    observe: (step, metrics) => {
      const ofStep = weightsOf(step);
      if (!ofStep.measuresAt(step)) return;
      ofStep.observe(
        step,
        plans.map(({ name }) => {
          const norm = metrics[gradientMetric(name)];
          invariant(norm !== undefined, `the norm of the gradient of ${name} is measured`);
          return norm;
        }),
      );
    },
    save: () => (samples === undefined ? weights.save() : { onData: weights.save(), onSamples: samples.weights.save() }),
    restore: (saved) => {
      if (samples === undefined) {
        weights.restore(saved);
        return;
      }
      const parts = isObject(saved) ? saved : {};
      weights.restore(parts['onData']);
      samples.weights.restore(parts['onSamples']);
    },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

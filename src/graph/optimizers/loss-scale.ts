// The factor that keeps gradients inside the range of float16, and its rule as a graph, so that it lives on the device.
import { GraphBuilder } from '../builder.ts';
import type { Graph } from '../types.ts';
import { scalarInputName } from './update-graph.ts';

/** The scalars that the rule keeps, float32 [] each. */
export const lossScaleNames = {
  /** The loss is multiplied by it before it is differentiated. */
  scale: 'scaling:scale',
  /** Steps with finite gradients since it changed. */
  goodSteps: 'scaling:goodSteps',
  /** Steps that changed no weight, from the beginning. */
  skipped: 'scaling:skipped',
} as const;

export interface LossScaleRule {
  /** Good steps after which the scale doubles. */
  readonly growthInterval: number;
  /** A power of two, as every scale is: multiplying by one loses no bit. */
  readonly largest: number;
}

/** The largest finite float32: what is not below or at it is infinite or no number. */
const largestFinite = 3.4028234663852886e38;

/**
 * Inputs: `scalar:gradientNorm`, of all gradients, and the state. Outputs: the state under the same names (bind them to the same buffers).
 *
 * A norm that is not finite halves the scale, down to 1, and counts the step as skipped: whoever runs the update leaves it out. After
 * `growthInterval` finite ones in a row the scale doubles.
 *
 * @see Micikevicius et al., "Mixed Precision Training", ICLR 2018, §3.2; the rule is that of PyTorch's GradScaler with factors 2 and 1/2
 */
export function buildLossScaleGraph({ growthInterval, largest }: LossScaleRule): Graph {
  const b = new GraphBuilder('loss scale');
  const gradientNorm = b.input(scalarInputName('gradientNorm'), 'float32', []);
  const scale = b.input(lossScaleNames.scale, 'float32', []);
  const goodSteps = b.input(lossScaleNames.goodSteps, 'float32', []);
  const skipped = b.input(lossScaleNames.skipped, 'float32', []);
  const zero = b.scalar(0, 'float32');
  // No number is below anything: it counts as not finite too.
  const isGood = b.less(b.abs(gradientNorm), largestFinite);
  const good = b.add(goodSteps, 1);
  const grows = b.not(b.less(good, growthInterval));
  const kept = b.where(grows, b.minimum(b.mul(scale, 2), largest), scale);
  return b.graph({
    [lossScaleNames.scale]: b.where(isGood, kept, b.maximum(b.mul(scale, 0.5), 1)),
    [lossScaleNames.goodSteps]: b.where(isGood, b.where(grows, zero, good), zero),
    [lossScaleNames.skipped]: b.add(skipped, b.where(isGood, zero, b.scalar(1, 'float32'))),
  });
}

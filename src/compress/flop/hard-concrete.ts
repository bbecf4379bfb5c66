// Hard-concrete gates: random factors between 0 and 1 that are often exactly 0 or 1, and that gradients pass through.
import type { Emitter, Value } from '#graph';

/**
 * A gate is a concrete (relaxed Bernoulli) variable, stretched beyond 0 and 1 and cut off there.
 *
 * @see C. Louizos, M. Welling, D. P. Kingma, "Learning sparse neural networks through L0 regularization", ICLR 2018, §2.2
 */
const stretch = { low: -0.1, high: 1.1 } as const;

/** log(−low/high): a gate is 0 below this, in units of its temperature. */
const logOdds = Math.log(-stretch.low / stretch.high);

/** How much the value of a gate at evaluation is softened: that of the authors' code, and of CoFi's. */
const evaluationSlope = 0.8;

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** α of a gate with the drop tendency c, in (0, 1): log((1 − c)/c). */
export function initialGate(dropTendency: number): number {
  return Math.log((1 - dropTendency) / dropTendency);
}

/** P(z > 0) = σ(α − β·log(0.1/1.1)). */
export function keepProbability(alpha: number, beta: number): number {
  return sigmoid(alpha - beta * logOdds);
}

/** log u − log(1 − u) for u uniform in (0, 1): what a gate is drawn with. */
export function logisticNoise(uniform: number): number {
  const inside = Math.min(Math.max(uniform, 1e-6), 1 - 1e-6);
  return Math.log(inside) - Math.log(1 - inside);
}

/** One draw of a gate. */
export function drawnGate(alpha: number, noise: number, beta: number): number {
  const s = sigmoid((noise + alpha) / beta);
  return Math.min(1, Math.max(0, s * (stretch.high - stretch.low) + stretch.low));
}

/** What multiplies a term that stays: σ(0.8·α/β), where α is no random variable any more. */
export function evaluatedGate(alpha: number, beta: number): number {
  return sigmoid((evaluationSlope * alpha) / beta);
}

/** The same draws in a graph: α and noise [G] -> z [G]. */
export function drawnGates(b: Emitter, alphas: Value, noise: Value, beta: number): Value {
  const s = b.sigmoid(b.div(b.add(noise, alphas), beta));
  return b.minimum(b.maximum(b.add(b.mul(s, stretch.high - stretch.low), stretch.low), 0), 1);
}

/** P(z > 0) in a graph: α [G] -> [G]. */
export function keepProbabilities(b: Emitter, alphas: Value, beta: number): Value {
  return b.sigmoid(b.sub(alphas, beta * logOdds));
}

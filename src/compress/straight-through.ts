// Values with a gradient of their own: what a graph computes forward, and what it is taken to be on the way back.
import type { Emitter, Value } from '#graph';

/** One variable of a straight-through estimate. */
export interface Slope {
  readonly variable: Value;
  /** dy/d(variable), of a shape that broadcasts with it; 1 when absent. No gradient flows into it. */
  readonly slope?: Value;
}

/**
 * y = exact, to the bit, with dy/dx = slope for each variable x.
 *
 * Written as stopGradient(exact) + Σ (t − stopGradient(t)) with t = x·stopGradient(slope): the differences are zeros.
 * Shapes: all of t broadcast to that of `exact`.
 *
 * @see Bengio, Léonard and Courville, "Estimating or propagating gradients through stochastic neurons", 2013
 */
export function straightThrough(b: Emitter, exact: Value, slopes: readonly Slope[]): Value {
  return slopes.reduce((sum, { variable, slope }) => {
    const term = slope === undefined ? variable : b.mul(variable, b.stopGradient(slope));
    return b.add(sum, b.sub(term, b.stopGradient(term)));
  }, b.stopGradient(exact));
}

/** (1 − share)·from + share·to: `from` at 0 and `to` at 1, to the bit. */
export function blend(b: Emitter, from: Value, to: Value, share: Value): Value {
  return b.add(b.mul(from, b.sub(1, share)), b.mul(to, share));
}

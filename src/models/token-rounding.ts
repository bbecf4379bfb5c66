// Activations rounded to 8 bits row by row, where a model's codes were trained with it.
import type { Emitter, Value } from '#graph';

const largestCode = 127;
/** Rows of smaller numbers count as this large. */
const smallestReach = 1e-5;

/**
 * Each row of x [..., K] in steps of its largest magnitude/127: round(x·s)/s with s = 127/max|x|. Rows do not depend on one another.
 *
 * @see S. Ma et al., "The era of 1-bit LLMs: all large language models are in 1.58 bits", 2024, and the code of its authors
 */
export function roundTokens(b: Emitter, x: Value): Value {
  const reach = b.maximum(b.reduceMax(b.abs(x), [x.shape.length - 1], true), smallestReach); // [..., 1]
  const steps = b.div(largestCode, reach);
  return b.div(b.round(b.mul(x, steps)), steps);
}

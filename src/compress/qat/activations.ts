// Fake quantization of what linear layers read, with straight-through gradients.
import type { Emitter, Value } from '#graph';
import { roundTokens } from '#models';
import { elementCount } from '#tensor';
import { straightThrough } from '../straight-through.ts';

/** Codes of activations are 0 … 255. */
const mostCode = 255;
const smallestStep = 1e-8;

/**
 * Each row of x [..., K] in 127 steps up to its largest magnitude; dx' = dx.
 *
 * @see `roundTokens`
 */
export function tokenInput(b: Emitter, x: Value): Value {
  return straightThrough(b, roundTokens(b, b.stopGradient(x)), [{ variable: x }]);
}

/** All of x on one grid of 256 numbers from its smallest to its largest, zero among them, as `matmulInt8` rounds; dx' = dx. */
export function dynamicInput(b: Emitter, x: Value): Value {
  const still = b.reshape(b.stopGradient(x), [elementCount(x.shape)]);
  const high = b.maximum(b.reduceMax(still, [0]), 0);
  const low = b.minimum(b.neg(b.reduceMax(b.neg(still), [0])), 0);
  const scale = b.maximum(b.div(b.sub(high, low), mostCode), smallestStep);
  const zero = b.round(b.neg(b.div(low, scale)));
  const codes = b.minimum(b.maximum(b.add(b.round(b.div(b.stopGradient(x), scale)), zero), 0), mostCode);
  return straightThrough(b, b.mul(b.sub(codes, zero), scale), [{ variable: x }]);
}

/**
 * x [..., K] on the grid of a step that trains and a zero point that does not: LSQ with g = 1/√(K·Qp).
 *
 * @param step - float32 [1]
 * @see S. K. Esser et al., "Learned step size quantization", ICLR 2020, eq. 1–5
 */
export function learnedInput(b: Emitter, x: Value, step: Value, zero: number): Value {
  const [least, most] = [-zero, mostCode - zero];
  const still = b.stopGradient(x);
  const scale = b.maximum(b.stopGradient(step), smallestStep); // [1]
  const v = b.div(still, scale);
  const rounded = b.minimum(b.maximum(b.round(v), least), most);
  const isInside = b.cast(b.and(b.not(b.less(v, least)), b.not(b.less(most, v))), 'float32');
  const width = Number(x.shape.at(-1));
  const dStep = b.mul(b.sub(rounded, b.mul(isInside, v)), 1 / Math.sqrt(width * most));
  const ofInput = straightThrough(b, b.mul(rounded, scale), [{ variable: x, slope: isInside }]);
  return b.add(ofInput, straightThrough(b, b.mul(dStep, 0), [{ variable: step, slope: dStep }]));
}

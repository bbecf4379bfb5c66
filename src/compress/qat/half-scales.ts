// Scales rounded to the 16-bit floats that they are stored in, inside a graph.
import type { Emitter, Value } from '#graph';

export type HalfRounding = 'nearest' | 'up' | 'down';

/** Scales that differ by less come from the rounding of float32. */
const negligible = 1e-6;
const smallestNormal = 2 ** -14;
/** The next 16-bit float is one step away: between half a step and one and a half, whatever the leading digits. */
const upwards = 2 ** -10.5;
const downwards = 1.2 * 2 ** -11;
/** Of the numbers below the normal ones, which lie evenly. */
const upwardsBelowNormal = 0.75 * 2 ** -24;

/**
 * Scales ≥ 0 as 16-bit floats, in float32. `up` and `down` are as `makeGrid` rounds: never the other way by more than float32's own rounding, and
 * up below the normal numbers. No gradient flows through it.
 */
export function halfScale(b: Emitter, scale: Value, rounding: HalfRounding): Value {
  const half = (x: Value): Value => b.cast(b.cast(b.stopGradient(x), 'float16'), 'float32');
  const nearest = half(scale);
  if (rounding === 'nearest') return nearest;
  const next = half(b.add(nearest, b.maximum(b.mul(nearest, upwards), upwardsBelowNormal)));
  const up = b.where(b.less(nearest, b.mul(scale, 1 - negligible)), next, nearest);
  if (rounding === 'up') return up;
  const previous = half(b.sub(nearest, b.mul(nearest, downwards)));
  const down = b.where(b.less(b.mul(scale, 1 + negligible), nearest), previous, nearest);
  return b.where(b.less(scale, smallestNormal), up, down);
}

// Comparison of arrays of numbers with a tolerance, and a message that shows where they part.
import { AssertionError } from 'node:assert';

/** An element passes when |actual - expected| ≤ absolute + relative · |expected|. */
export interface Closeness {
  /** Allowed error as a share of the expected value; default 0. */
  readonly relative?: number;
  /** Allowed error as such; default 0. */
  readonly absolute?: number;
  /** Named first in the message, for example a parameter's path. */
  readonly what?: string;
}

/**
 * Asserts that two arrays have the same length and close elements; NaN equals NaN and an infinity only itself.
 *
 * The message gives the number of elements that differ, the first and the worst of them, and the largest difference.
 */
export function expectAllClose(actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>, closeness: Closeness = {}): void {
  const { relative = 0, absolute = 0, what = 'array' } = closeness;
  if (actual.length !== expected.length) fail(`${what}: has ${actual.length} elements, expected ${expected.length}`, actual, expected);
  let numDifferent = 0;
  let firstIndex = -1;
  let worstIndex = -1;
  let worstExcess = 0;
  let maxDifference = 0;
  for (let index = 0; index < expected.length; index++) {
    const a = Number(actual[index]);
    const e = Number(expected[index]);
    if (Object.is(a, e) || a === e) continue;
    // A NaN or an infinity on one side only is infinitely far off.
    const difference = Number.isFinite(a) && Number.isFinite(e) ? Math.abs(a - e) : Number.POSITIVE_INFINITY;
    maxDifference = Math.max(maxDifference, difference);
    const allowed = absolute + relative * Math.abs(e);
    if (Number.isFinite(difference) && difference <= allowed) continue;
    numDifferent++;
    if (firstIndex < 0) firstIndex = index;
    const excess = Number.isFinite(difference) ? difference / Math.max(allowed, Number.MIN_VALUE) : Number.POSITIVE_INFINITY;
    if (worstIndex < 0 || excess > worstExcess) {
      worstIndex = index;
      worstExcess = excess;
    }
  }
  if (numDifferent === 0) return;
  const at = (index: number): string => `[${index}] is ${actual[index]}, expected ${expected[index]}`;
  const places = firstIndex === worstIndex ? at(firstIndex) : `first ${at(firstIndex)}; worst ${at(worstIndex)}`;
  fail(
    `${what}: ${numDifferent} of ${expected.length} elements differ: ${places}; ` +
      `largest difference ${maxDifference} (allowed: relative ${relative}, absolute ${absolute})`,
    actual,
    expected,
  );
}

function fail(message: string, actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): never {
  const head = (values: ArrayLike<number | bigint>): string =>
    Array.from({ length: Math.min(8, values.length) }, (_, i) => values[i]).join(', ');
  throw new AssertionError({ message, actual: head(actual), expected: head(expected), stackStartFn: expectAllClose });
}

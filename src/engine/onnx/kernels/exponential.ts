// Machine code for e^x of sixteen numbers at once.
import { type Assembler, memory, type Vector } from './assembler.ts';
import { floatBits } from './calls.ts';

/** e^r on [-ln 2 / 2, ln 2 / 2] by its series up to the sixth power: the first term left out is below 2^-23 of the result. */
const series = [1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1];
/** ln 2 in two parts, the first of which is exact in products with small whole numbers. */
const [ln2Upper, ln2Lower] = [0.693359375, -2.1219444e-4];
/** Below this the result is 0 in float32, or so small that nothing sees it. */
const smallest = -87;

const constants = [smallest, Math.LOG2E, ln2Upper, ln2Lower, ...series];
/** Bytes that the constants take in memory, in whole vectors. */
export const exponentialBytes = Math.ceil(constants.length / 16) * 64;

/** Puts the constants at a place in memory that `emitExponential` reads. */
export function emitExponentialConstants(a: Assembler, at: number): void {
  for (const [index, value] of constants.entries()) {
    a.constant('rdx', floatBits(value) >>> 0);
    a.writeShort(memory('rsp', at + 4 * index), 'rdx');
  }
}

/** x = e^x for x of at most 0; `powers` and `sum` are overwritten. */
export function emitExponential(a: Assembler, x: Vector, powers: Vector, sum: Vector, at: number): void {
  const constant = (index: number) => memory('rsp', at + 4 * index);
  const spread = { broadcast: true };
  a.vector('maxFloats', x, x, constant(0), spread);
  a.vector('multiplyFloats', powers, x, constant(1), spread);
  a.roundFloats(powers, powers);
  a.vector('multiplySubtractFloats', x, powers, constant(2), spread);
  a.vector('multiplySubtractFloats', x, powers, constant(3), spread);
  a.fill('broadcast', sum, constant(4));
  for (let term = 1; term < series.length; term++) a.vector('scaleAddFloats', sum, x, constant(4 + term), spread);
  a.vector('scaleByPower', x, sum, powers);
}

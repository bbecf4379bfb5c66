// The grid of numbers that codes stand for: scales and zero points by group, rounding to it, and the tensors that are stored.
import { AppError, at } from '#base';
import type { GroupEncoding } from '#models';
import { floatToHalf, type HostTensor, halfToFloat, hostTensor, packCodes } from '#tensor';

export interface GridShape {
  /** N */
  readonly rows: number;
  /** K */
  readonly columns: number;
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
  /** Default `integer`. */
  readonly scheme?: GroupEncoding['scheme'];
}

/** Number = (code − zero point)·scale, the same for all codes of a group. */
export interface Grid extends GridShape {
  /** Groups in a row: ⌈columns/groupSize⌉. */
  readonly groups: number;
  /** [rows, groups], exact in 16 bits; 0 where all of a group is zero. */
  readonly scales: Float32Array;
  /** [rows, groups]; halves for binary codes */
  readonly zeroPoints: Uint8Array | Float32Array;
}

/** Scales that differ by less come from the rounding of float32. */
const negligible = 1e-6;
const largestHalf = 65504;
const smallestNormalHalf = 2 ** -14;

/** Where the numbers of a group lie among [rows, columns]; the last group of a row may be shorter than the others. */
export function groupPlace({ columns, groupSize }: GridShape, group: number): { readonly start: number; readonly end: number } {
  const groups = Math.ceil(columns / groupSize);
  const row = Math.floor(group / groups);
  const start = row * columns + (group - row * groups) * groupSize;
  return { start, end: Math.min((row + 1) * columns, start + groupSize) };
}

/**
 * Lays a grid over each group of each row, from its smallest to its largest number.
 *
 * Zero is always on the grid. Symmetric: scale = max|w|/(2^(bits-1) − 1), so that plus and minus reach equally far and one code is unused.
 * Otherwise scale = (max − min)/(2^bits − 1) over the range with zero in it. Scales are rounded to 16 bits before any code is chosen: up if
 * symmetric, else down, so that the codes 0 and 2^bits − 1 are both taken. Either way what is rounded once stays as it is the second time.
 *
 * @param numbers - [rows, columns]
 * @throws AppError `bad_weights` where a scale does not fit 16 bits
 */
export function makeGrid(numbers: ArrayLike<number>, shape: GridShape): Grid {
  const { rows, columns, bits, groupSize, symmetric } = shape;
  const groups = Math.ceil(columns / groupSize);
  const lows = new Float64Array(rows * groups);
  const exact = new Float64Array(rows * groups);
  const numSteps = symmetric ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  for (let group = 0; group < rows * groups; group++) {
    let [low, high] = [0, 0];
    const { start, end } = groupPlace(shape, group);
    for (let place = start; place < end; place++) {
      const value = numbers[place] ?? 0;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    lows[group] = low;
    exact[group] = (symmetric ? Math.max(-low, high) : high - low) / numSteps;
  }
  const scales = roundToHalf(exact, symmetric);
  const zeroPoints = new Uint8Array(rows * groups).fill(2 ** (bits - 1));
  if (!symmetric)
    for (const [index, scale] of scales.entries())
      zeroPoints[index] = scale === 0 ? 0 : Math.min(numSteps, -Math.round(at(lows, index) / scale));
  return { ...shape, groups, scales, zeroPoints };
}

function roundToHalf(exact: Float64Array, isUp: boolean): Float32Array {
  const bits = floatToHalf(exact);
  const nearest = halfToFloat(bits);
  for (const [index, value] of exact.entries()) {
    if (value > largestHalf)
      throw new AppError('bad_weights', `a group of weights spans ${value} a step, more than a 16-bit scale holds. Exclude the matrix.`);
    const rounded = at(nearest, index);
    // Below the normal numbers, halves lie so far apart that rounding down would cut off weights. Bits of positive halves are in their order.
    if (isUp || value < smallestNormalHalf) {
      if (rounded < value * (1 - negligible)) bits[index] = at(bits, index) + 1;
    } else if (rounded > value * (1 + negligible)) bits[index] = at(bits, index) - 1;
  }
  return halfToFloat(bits);
}

/** The code of the grid's number that is nearest to `value`, among 0 to `last`. */
export function nearestCode(value: number, scale: number, zeroPoint: number, last: number): number {
  if (scale === 0) return zeroPoint;
  const code = Math.round(value / scale) + zeroPoint;
  return code < 0 ? 0 : Math.min(code, last);
}

/** Codes [rows, groups·groupSize] of the nearest numbers; those past the columns decode to zero. */
export function nearestCodes(numbers: ArrayLike<number>, grid: Grid): Uint8Array {
  const { bits, groupSize, scales, zeroPoints } = grid;
  const codes = zeroCodes(grid);
  const last = 2 ** bits - 1;
  for (const [group, scale] of scales.entries()) {
    const zeroPoint = zeroPoints[group] ?? 0;
    const { start, end } = groupPlace(grid, group);
    for (let place = start; place < end; place++)
      codes[group * groupSize + place - start] = nearestCode(numbers[place] ?? 0, scale, zeroPoint, last);
  }
  return codes;
}

/** Codes that all decode to zero. */
export function zeroCodes({ groupSize, zeroPoints }: Grid): Uint8Array {
  const codes = new Uint8Array(zeroPoints.length * groupSize);
  for (const [group, zeroPoint] of zeroPoints.entries()) codes.fill(zeroPoint, group * groupSize, (group + 1) * groupSize);
  return codes;
}

/** The numbers [rows, columns] that codes stand for; exact, since a step count and a 16-bit scale fit one float32. */
export function decodeCodes(codes: Uint8Array, grid: Grid): Float32Array {
  const { rows, columns, groupSize, scales, zeroPoints } = grid;
  const numbers = new Float32Array(rows * columns);
  for (const [group, scale] of scales.entries()) {
    const zeroPoint = zeroPoints[group] ?? 0;
    const { start, end } = groupPlace(grid, group);
    for (let place = start; place < end; place++) numbers[place] = ((codes[group * groupSize + place - start] ?? 0) - zeroPoint) * scale;
  }
  return numbers;
}

/** The stored tensors of a slot, by the ends of their names. */
export function packGrid(codes: Uint8Array, grid: Grid): Readonly<Record<string, HostTensor>> {
  const { rows, groups, groupSize, bits, symmetric, scales, zeroPoints } = grid;
  const packedZeros = packCodes(zeroPoints, groups, bits);
  return {
    codes: hostTensor('uint8', [rows, groups, (groupSize * bits) / 8], packCodes(codes, groupSize, bits)),
    scales: hostTensor('float16', [rows, groups], floatToHalf(scales)),
    ...(symmetric ? {} : { zeroPoints: hostTensor('uint8', [rows, packedZeros.length / rows], packedZeros) }),
  };
}

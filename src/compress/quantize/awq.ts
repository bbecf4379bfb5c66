// AWQ: scales of inputs that make rounding lose less of the outputs, and ranges cut shorter where that does too.
import { at } from '#base';
import { runCooperatively, type Steps } from '#linalg';
import { floatToHalf, halfToFloat } from '#tensor';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import type { LayerInputs } from '../decomposition/layer-inputs.ts';
import { decodeCodes, type GridShape, groupPlace, makeGrid, nearestCodes } from './grid.ts';
import { type Coded, lostEnergy, roundToNearest } from './slot-codes.ts';

/** One matrix [N, K] among those that read the same input. */
export interface Reader {
  readonly rows: Float32Array;
  readonly shape: GridShape;
}

/** Exponents that are tried for the input scales. */
const numExponents = 20;
/** Smallest share of the largest input norm that a scale sees: inputs that never were anything else would get a scale of zero. */
const smallestNorm = 1e-4;

/**
 * Scales of the inputs, [K], that all readers' weights are multiplied by before they are rounded and the inputs divided by: s_j = ‖x_j‖^a, so that
 * weights of large inputs lose less. a is the one of 20 in [0, 1) with the smallest output error of all readers together; undefined where that is 0.
 *
 * @see J. Lin et al., "AWQ: Activation-aware weight quantization for on-device LLM compression and acceleration", MLSys 2024. We differ: root mean
 * squares in place of mean magnitudes, and the error of the layers in place of the block's.
 */
export async function searchInputScales(
  matrices: EngineMatrices,
  readers: readonly Reader[],
  inputs: LayerInputs,
): Promise<Float32Array | undefined> {
  const norms = inputs.norms();
  const floor = smallestNorm * norms.reduce((largest, norm) => Math.max(largest, norm), 0);
  if (floor === 0) return undefined;
  let best: Float32Array | undefined;
  let least = await lostByScales(matrices, readers, inputs, undefined);
  for (let step = 1; step < numExponents; step++) {
    const powers = norms.map((norm) => Math.max(norm, floor) ** (step / numExponents));
    const [low, high] = powers.reduce(([l, h], power) => [Math.min(l, power), Math.max(h, power)], [Infinity, 0]);
    const inputScales = halfToFloat(floatToHalf(powers.map((power) => power / Math.sqrt(low * high))));
    const lost = await lostByScales(matrices, readers, inputs, inputScales);
    if (lost < least) [best, least] = [inputScales, lost];
  }
  return best;
}

async function lostByScales(
  matrices: EngineMatrices,
  readers: readonly Reader[],
  inputs: LayerInputs,
  inputScales: Float32Array | undefined,
): Promise<number> {
  let lost = 0;
  for (const { rows, shape } of readers) {
    const coded = await runCooperatively(roundToNearest(scaledRows(rows, inputScales), shape), matrices.signal);
    lost += await lostEnergy(inputs, rows, inputScales === undefined ? coded : { ...coded, inputScales });
  }
  return lost;
}

/** rows [N, K] times scales [K] */
function scaledRows(rows: Float32Array, inputScales: Float32Array | undefined): Float32Array {
  if (inputScales === undefined) return rows;
  return rows.map((value, index) => value * (inputScales[index % inputScales.length] ?? 1));
}

/**
 * Rounded codes with scales of the inputs that stay a stored vector, where they are wanted, and with ranges cut shorter.
 *
 * @param wantsScales - false where the scales are in what makes the inputs already
 */
export async function codeByAwq(
  matrices: EngineMatrices,
  rows: Float32Array,
  shape: GridShape,
  inputs: LayerInputs,
  wantsScales: boolean,
): Promise<Coded> {
  const inputScales = wantsScales ? await searchInputScales(matrices, [{ rows, shape }], inputs) : undefined;
  const scaled = scaledRows(rows, inputScales);
  const withScales = (coded: Coded): Coded => (inputScales === undefined ? coded : { ...coded, inputScales });
  const whole = withScales(await runCooperatively(roundToNearest(scaled, shape), matrices.signal));
  if (shape.bits >= clippedBelowBits) return whole;
  const cut = await runCooperatively(cutRanges(scaled, shape, inputs, inputScales), matrices.signal);
  const shorter = withScales(await runCooperatively(roundToNearest(cut, shape), matrices.signal));
  return (await lostEnergy(inputs, rows, shorter)) < (await lostEnergy(inputs, rows, whole)) ? shorter : whole;
}

/** From here on steps are so small that cutting only loses. */
const clippedBelowBits = 8;
/** Ranges are cut to between half and all of themselves in this many steps. */
const numCuts = 20;
const shortest = 0.5;
const numbersBetweenPauses = 1 << 15;

/**
 * Weights cut off at the share of the largest in their group, between ½ and 1, that loses least of the group's outputs on its own inputs.
 *
 * Shapes: rows [N, K] -> [N, K].
 */
function* cutRanges(rows: Float32Array, shape: GridShape, inputs: LayerInputs, inputScales: Float32Array | undefined): Steps<Float32Array> {
  const { rows: N, columns: K, groupSize } = shape;
  const groups = Math.ceil(K / groupSize);
  const blocks = Array.from({ length: groups }, (_, group) => {
    const start = group * groupSize;
    return inputs.block(start, Math.min(K, start + groupSize), inputScales);
  });
  const result = new Float32Array(N * K);
  const rowsPerPiece = Math.max(1, Math.floor(numbersBetweenPauses / K));
  for (let first = 0; first < N; first += rowsPerPiece) {
    const numRows = Math.min(rowsPerPiece, N - first);
    const piece = rows.subarray(first * K, (first + numRows) * K);
    result.set(cutPiece(piece, { ...shape, rows: numRows }, groups, blocks), first * K);
    yield;
  }
  return result;
}

function cutPiece(piece: Float32Array, shape: GridShape, groups: number, blocks: readonly Float64Array[]): Float32Array {
  const places = Array.from({ length: shape.rows * groups }, (_, group) => groupPlace(shape, group));
  const largest = new Float64Array(places.length);
  for (const [group, { start, end }] of places.entries())
    for (let place = start; place < end; place++) largest[group] = Math.max(largest[group] ?? 0, Math.abs(piece[place] ?? 0));
  const least = new Float64Array(places.length).fill(Number.POSITIVE_INFINITY);
  const best = piece.slice();
  const clipped = new Float32Array(piece.length);
  for (let cut = 0; cut <= numCuts; cut++) {
    const share = 1 - ((1 - shortest) * cut) / numCuts;
    for (const [group, { start, end }] of places.entries()) {
      const limit = share * (largest[group] ?? 0);
      for (let place = start; place < end; place++) clipped[place] = Math.max(-limit, Math.min(limit, piece[place] ?? 0));
    }
    const grid = makeGrid(clipped, shape);
    const lost = decodeCodes(nearestCodes(clipped, grid), grid);
    for (let place = 0; place < lost.length; place++) lost[place] = (piece[place] ?? 0) - (lost[place] ?? 0);
    for (const [group, { start, end }] of places.entries()) {
      const energy = energyOf(at(blocks, group % groups), lost, start, end);
      if (energy >= at(least, group)) continue;
      least[group] = energy;
      best.set(clipped.subarray(start, end), start);
    }
  }
  return best;
}

/** dᵀ·H·d for d = `lost` between two places; H symmetric. */
function energyOf(block: Float64Array, lost: Float32Array, start: number, end: number): number {
  const size = end - start;
  let sum = 0;
  for (let i = 0; i < size; i++) {
    const own = lost[start + i] ?? 0;
    let others = 0;
    for (let j = 0; j < i; j++) others += (block[i * size + j] ?? 0) * (lost[start + j] ?? 0);
    sum += own * ((block[i * size + i] ?? 0) * own + 2 * others);
  }
  return sum;
}

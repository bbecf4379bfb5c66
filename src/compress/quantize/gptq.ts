// GPTQ: codes are chosen one input after the other, and each choice is made good by the weights that are still free.
import { AppError, at, invariant } from '#base';
import { cholesky, runCooperatively, type Steps } from '#linalg';
import { hostTensor } from '#tensor';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type Grid, nearestCode, zeroCodes } from './grid.ts';

/** Share of the mean of H's diagonal that is added to it. */
const damping = 0.01;
const largestDamping = 1;
/** Inputs whose corrections to all others are applied together, by one product. */
const blockInputs = 128;

/** H as the rounding needs it: inputs in the order in which they are rounded, from the last to the first. */
export interface InputFactor {
  readonly width: number;
  /** The input at each place; the last has the largest second moment and is rounded first (act-order). */
  readonly order: Int32Array;
  /** L [K, K] with H + damping = L·Lᵀ, rows and columns in `order`. */
  readonly lower: Float64Array;
  /** Inputs that never were anything but zero: whatever their weights are, they may be zero. */
  readonly isDead: readonly boolean[];
}

/**
 * Orders and factorizes the moments H [K, K].
 *
 * @throws AppError `not_enough_samples` where H stays singular with damping: that is not a matrix of moments
 */
export async function factorInputs(gram: Float64Array, width: number, signal: AbortSignal): Promise<InputFactor> {
  const diagonal = Float64Array.from({ length: width }, (_, index) => at(gram, index * width + index));
  const isDead = [...diagonal].map((moment) => !(moment > 0));
  const order = Int32Array.from({ length: width }, (_, index) => index).sort(
    (first, second) => at(diagonal, first) - at(diagonal, second) || second - first,
  );
  const mean = diagonal.reduce((sum, moment) => sum + moment, 0) / width;
  for (let share = damping; share <= largestDamping; share *= 10) {
    const ordered = new Float64Array(width * width);
    for (let row = 0; row < width; row++)
      for (let column = 0; column <= row; column++) ordered[row * width + column] = at(gram, at(order, row) * width + at(order, column));
    for (let row = 0; row < width; row++) {
      const dead = isDead[at(order, row)] === true ? 1 : 0;
      ordered[row * width + row] = at(ordered, row * width + row) + share * mean + dead;
    }
    const lower = await runCooperatively(cholesky(ordered, width), signal);
    if (lower !== null) return { width, order, lower, isDead };
  }
  throw new AppError('not_enough_samples', `the moments of ${width} inputs are not those of any inputs. Give other calibration text.`);
}

/** Sets the weights of dead inputs to zero. weight [K, N] */
export function dropDeadInputs(weight: Float64Array, { width, isDead }: InputFactor): void {
  const columns = weight.length / width;
  for (const [input, dead] of isDead.entries()) if (dead) weight.fill(0, input * columns, (input + 1) * columns);
}

/**
 * Codes [N, groups·groupSize] on a fixed grid that make ‖X·(W − W')‖ small.
 *
 * With H = L·Lᵀ the error is Σ over inputs i of (L_ii·e_i + Σ over j > i of L_ji·e_j)², e = w − w'. Rounding from the last input to the first,
 * each term is made as small as the grid allows by rounding w_i + Σ L_ji·e_j / L_ii. These are the choices of GPTQ, whose inverse of H they
 * do without.
 *
 * Shapes: weight [K, N]; the grid's rows are the N outputs. Cost: O(K²·N), of which all but a K/128-th runs on the engine.
 *
 * @see E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, "GPTQ: accurate post-training quantization for generative pre-trained transformers",
 * ICLR 2023; J. Chen et al., "The geometry of LLM quantization: GPTQ as Babai's nearest plane algorithm", 2025. Grids are fixed before the
 * first choice (static groups), so that the order needs no gather when the model runs.
 */
export async function gptqCodes(matrices: EngineMatrices, weight: Float64Array, factor: InputFactor, grid: Grid): Promise<Uint8Array> {
  const { width: K, order, lower } = factor;
  const N = grid.rows;
  invariant(weight.length === K * N && grid.columns === K, `a weight of ${weight.length} numbers, ${K} inputs and ${N} outputs`);
  const codes = zeroCodes(grid);
  // Row i holds Σ over the rounded j of L_ji·e_j.
  const pending = new Float64Array(K * N);
  for (let end = K; end > 0; end -= blockInputs) {
    const start = Math.max(0, end - blockInputs);
    const errors = await runCooperatively(roundBlock(start, end, weight, factor, grid, pending, codes), matrices.signal);
    if (start === 0) break;
    const numRounded = end - start;
    const links = new Float64Array(numRounded * start); // L[start:end, 0:start]
    for (let row = 0; row < numRounded; row++) links.set(lower.subarray((start + row) * K, (start + row) * K + start), row * start);
    const correction = await matrices.runToHost('productOfTransposed', {
      x: hostTensor('float64', [numRounded, start], links),
      y: hostTensor('float64', [numRounded, N], errors),
    });
    for (let index = 0; index < correction.length; index++) pending[index] = (pending[index] ?? 0) + (correction[index] ?? 0);
  }
  invariant(order.length === K, 'every input was rounded');
  return codes;
}

/** Rounds the inputs of one block; returns their errors [end − start, N]. */
function* roundBlock(
  start: number,
  end: number,
  weight: Float64Array,
  { width: K, order, lower }: InputFactor,
  grid: Grid,
  pending: Float64Array,
  codes: Uint8Array,
): Steps<Float64Array> {
  const { rows: N, bits, groupSize, groups, scales, zeroPoints } = grid;
  const errors = new Float64Array((end - start) * N);
  for (let place = end - 1; place >= start; place--) {
    const input = at(order, place);
    const pivot = at(lower, place * K + place);
    const group = Math.floor(input / groupSize);
    const [own, errorRow] = [place * N, (place - start) * N];
    for (let output = 0; output < N; output++) {
      const value = weight[input * N + output] ?? 0;
      const [scale, zeroPoint] = [scales[output * groups + group] ?? 0, zeroPoints[output * groups + group] ?? 0];
      const code = nearestCode(value + (pending[own + output] ?? 0) / pivot, scale, zeroPoint, bits);
      codes[output * groups * groupSize + input] = code;
      errors[errorRow + output] = value - (code - zeroPoint) * scale;
    }
    for (let earlier = start; earlier < place; earlier++) {
      const link = lower[place * K + earlier] ?? 0;
      const target = earlier * N;
      for (let output = 0; output < N; output++)
        pending[target + output] = (pending[target + output] ?? 0) + link * (errors[errorRow + output] ?? 0);
    }
    yield;
  }
  return errors;
}

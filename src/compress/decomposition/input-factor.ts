// The Cholesky factor of a layer's input moments, in the order in which its inputs are rounded or removed, and the recursion over it.
import { AppError, at, invariant } from '#base';
import { runCooperatively, type Steps } from '#linalg';
import { hostTensor } from '#tensor';
import { engineCholesky } from './engine-cholesky.ts';
import type { EngineMatrices } from './engine-matrices.ts';

/** Share of the mean of H's diagonal that is added to it. */
const damping = 0.01;
const largestDamping = 1;
/** Inputs whose corrections to all others are applied together, by one product. */
const blockInputs = 128;

/**
 * Which input stands at which place; the last place comes first. `byMoment`: the input with the largest second moment comes first
 * (act-order). `given`: the inputs come in their own order.
 */
export type InputOrder = 'byMoment' | 'given';

/** H as the recursion needs it: inputs in the order in which they come, from the last to the first. */
export interface InputFactor {
  readonly width: number;
  /** The input at each place. */
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
export async function factorInputs(
  matrices: EngineMatrices,
  gram: Float64Array,
  width: number,
  inputOrder: InputOrder = 'byMoment',
): Promise<InputFactor> {
  const diagonal = Float64Array.from({ length: width }, (_, index) => at(gram, index * width + index));
  const isDead = [...diagonal].map((moment) => !(moment > 0));
  const order = Int32Array.from({ length: width }, (_, index) => (inputOrder === 'given' ? width - 1 - index : index));
  if (inputOrder === 'byMoment') order.sort((first, second) => at(diagonal, first) - at(diagonal, second) || second - first);
  const mean = diagonal.reduce((sum, moment) => sum + moment, 0) / width;
  for (let share = damping; share <= largestDamping; share *= 10) {
    const ordered = new Float64Array(width * width);
    for (let row = 0; row < width; row++)
      for (let column = 0; column <= row; column++) ordered[row * width + column] = at(gram, at(order, row) * width + at(order, column));
    for (let row = 0; row < width; row++) {
      const dead = isDead[at(order, row)] === true ? 1 : 0;
      ordered[row * width + row] = at(ordered, row * width + row) + share * mean + dead;
    }
    const lower = await engineCholesky(matrices, ordered, width);
    if (lower !== null) return { width, order, lower, isDead };
  }
  throw new AppError('not_enough_samples', `the moments of ${width} inputs are not those of any inputs. Give other calibration text.`);
}

/** Sets the weights of dead inputs to zero. weight [K, N] */
export function dropDeadInputs(weight: Float64Array, { width, isDead }: InputFactor): void {
  const columns = weight.length / width;
  for (const [input, dead] of isDead.entries()) if (dead) weight.fill(0, input * columns, (input + 1) * columns);
}

/** What a method does with the weights of each input in turn. */
export interface InputChoice {
  /** Comes before the places of a block, [start, end): for choices that look at all of it. `pending` as below. */
  enter?(start: number, end: number, pending: Float64Array): Steps<void>;
  /**
   * Chooses w' for the weights of the input at `place` and writes their errors w − w' to errors[errorRow …]. `pending` [K, N] holds at row
   * `place` what the weights should make up for: w + pending/L_pp is the best that they could be, were they free.
   */
  choose(place: number, pending: Float64Array, errors: Float64Array, errorRow: number): void;
}

/**
 * Goes over the inputs of a weight [K, N] from the last place to the first, so that each choice is made good by the weights that are still free.
 *
 * With H = L·Lᵀ the error is Σ over places i of (L_ii·e_i + Σ over j > i of L_ji·e_j)², e = w − w'. Going from the last to the first, each term
 * is as small as the choice allows where w' is near w_i + Σ L_ji·e_j / L_ii. These are the steps of Optimal Brain Surgeon with the inverse of H
 * updated from input to input, which they do without.
 *
 * Cost: O(K²·N), of which all but a K/128-th runs on the engine.
 *
 * @see E. Frantar, D. Alistarh, "Optimal brain compression", NeurIPS 2022; J. Chen et al., "The geometry of LLM quantization: GPTQ as Babai's
 * nearest plane algorithm", 2025
 */
export async function overInputs(matrices: EngineMatrices, factor: InputFactor, numOutputs: number, choice: InputChoice): Promise<void> {
  const { width: K, lower } = factor;
  const N = numOutputs;
  // Row i holds Σ over the chosen j of L_ji·e_j.
  const pending = new Float64Array(K * N);
  for (let end = K; end > 0; end -= blockInputs) {
    const start = Math.max(0, end - blockInputs);
    const errors = await runCooperatively(overBlock(start, end, factor, pending, N, choice), matrices.signal);
    if (start === 0) break;
    const numChosen = end - start;
    const links = new Float64Array(numChosen * start); // L[start:end, 0:start]
    for (let row = 0; row < numChosen; row++) links.set(lower.subarray((start + row) * K, (start + row) * K + start), row * start);
    const correction = await matrices.runToHost('productOfTransposed', {
      x: hostTensor('float64', [numChosen, start], links),
      y: hostTensor('float64', [numChosen, N], errors),
    });
    for (let index = 0; index < correction.length; index++) pending[index] = (pending[index] ?? 0) + (correction[index] ?? 0);
  }
}

/** The places of one block; returns their errors [end − start, N]. */
function* overBlock(
  start: number,
  end: number,
  { width: K, lower }: InputFactor,
  pending: Float64Array,
  N: number,
  choice: InputChoice,
): Steps<Float64Array> {
  invariant(end <= K && pending.length === K * N, 'blocks lie inside the inputs');
  if (choice.enter !== undefined) yield* choice.enter(start, end, pending);
  const errors = new Float64Array((end - start) * N);
  for (let place = end - 1; place >= start; place--) {
    const errorRow = (place - start) * N;
    choice.choose(place, pending, errors, errorRow);
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

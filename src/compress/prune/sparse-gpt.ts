// SparseGPT: weights go in blocks of inputs, and those that stay make up for them.
import { at, invariant } from '#base';
import type { Steps } from '#linalg';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type InputFactor, overInputs } from '../decomposition/input-factor.ts';
import { dropOfGroup, type Share } from './masks.ts';
import { dropSmallest } from './smallest.ts';

/** Outputs of which scores are made between two pauses. */
const outputsBetweenPauses = 64;

export interface SparseWeight {
  /** [K, N], zero where a flag is. */
  readonly weight: Float64Array;
  /** One flag a weight, [K, N]. */
  readonly keeps: Uint8Array;
}

/**
 * Prunes a weight [K, N] with the least error on the calibration inputs that a greedy choice finds.
 *
 * Inputs come in blocks of 128. At its start, a block's weights hold what they make up for so far; of them go those with the smallest
 * w²/[H⁻¹]_ii (H over the inputs that are still free), so many that all blocks so far have their share; in an N:M pattern the lowest of each
 * group when the group begins. `overInputs` then goes through the block.
 *
 * @param factor - inputs in their given order, which goes from the last place to the first
 * @param mayStay - flags [K, N] of weights that are zero already and stay so
 * @see E. Frantar, D. Alistarh, "SparseGPT: massive language models can be accurately pruned in one-shot", ICML 2023. With H = L·Lᵀ, 1/[H⁻¹]_ii of
 * the free inputs is L_ii², so no inverse is made.
 */
export async function sparseGpt(
  matrices: EngineMatrices,
  weight: Float64Array,
  factor: InputFactor,
  share: Share,
  mayStay?: Uint8Array,
): Promise<SparseWeight> {
  const { width: K, order, lower } = factor;
  const N = weight.length / K;
  invariant(Number.isInteger(N), `a weight of ${weight.length} numbers and ${K} inputs`);
  const result = new Float64Array(K * N);
  // By place, not by input.
  const keeps = new Uint8Array(K * N).fill(1);
  let numDropped = 0;

  function* dropOfBlock(start: number, end: number, dropped: number, pending: Float64Array): Steps<void> {
    const scores = new Float32Array((end - start) * N);
    yield* scoresOf(weight, factor, start, end, pending, scores, mayStay);
    yield* dropSmallest(scores, dropped, keeps.subarray(start * N, end * N));
  }

  await overInputs(matrices, factor, N, {
    *enter(start, end, pending) {
      if (share.kind === 'groups') {
        invariant((end - start) % share.pattern.group === 0, 'blocks hold whole groups');
        return;
      }
      // All blocks so far have their share, so that the last makes the count exact.
      const target = Math.floor((share.dropped * (K - start)) / K);
      yield* dropOfBlock(start, end, target - numDropped, pending);
      numDropped = target;
    },
    choose(place, pending, errors, errorRow) {
      if (share.kind === 'groups' && (place + 1) % share.pattern.group === 0) {
        const start = place + 1 - share.pattern.group;
        const scores = new Float32Array(share.pattern.group * N);
        const steps = scoresOf(weight, factor, start, place + 1, pending, scores, mayStay);
        while (steps.next().done !== true);
        const flags = keeps.subarray(start * N, (place + 1) * N);
        for (let output = 0; output < N; output++) dropOfGroup(scores, output, N, share.pattern, flags);
      }
      const input = at(order, place);
      const pivot = at(lower, place * K + place);
      const [own, column] = [place * N, input * N];
      for (let output = 0; output < N; output++) {
        const value = weight[column + output] ?? 0;
        const stays = keeps[own + output] === 1 && mayStay?.[column + output] !== 0;
        // Free weights take up all that is pending: they add nothing to the error.
        const made = stays ? value + (pending[own + output] ?? 0) / pivot : 0;
        result[column + output] = made;
        errors[errorRow + output] = value - made;
      }
    },
  });
  const byInput = new Uint8Array(K * N);
  for (let place = 0; place < K; place++) byInput.set(keeps.subarray(place * N, (place + 1) * N), at(order, place) * N);
  return { weight: result, keeps: byInput };
}

/**
 * Scores |w_i|·L_ii of the places [start, end), w as it is when all later places are chosen and these are free: [end − start, N].
 *
 * Free weights have the errors e with Lᵀ·e = −pending, so w grows by the solution of the block's triangle.
 */
function* scoresOf(
  weight: Float64Array,
  { width: K, order, lower }: InputFactor,
  start: number,
  end: number,
  pending: Float64Array,
  scores: Float32Array,
  mayStay: Uint8Array | undefined,
): Steps<void> {
  const N = weight.length / K;
  const size = end - start;
  const changes = new Float64Array(size * outputsBetweenPauses);
  for (let first = 0; first < N; first += outputsBetweenPauses) {
    const count = Math.min(outputsBetweenPauses, N - first);
    for (let row = size - 1; row >= 0; row--) {
      const place = start + row;
      const pivot = at(lower, place * K + place);
      const own = row * outputsBetweenPauses;
      for (let k = 0; k < count; k++) changes[own + k] = pending[place * N + first + k] ?? 0;
      for (let later = row + 1; later < size; later++) {
        const link = lower[(start + later) * K + place] ?? 0;
        const other = later * outputsBetweenPauses;
        for (let k = 0; k < count; k++) changes[own + k] = (changes[own + k] ?? 0) - link * (changes[other + k] ?? 0);
      }
      const column = at(order, place) * N + first;
      for (let k = 0; k < count; k++) {
        const change = (changes[own + k] ?? 0) / pivot;
        changes[own + k] = change;
        const isFree = mayStay?.[column + k] !== 0;
        scores[row * N + first + k] = isFree ? Math.abs((weight[column + k] ?? 0) + change) * pivot : 0;
      }
    }
    yield;
  }
}

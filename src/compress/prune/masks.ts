// Which weights of one matrix stay, by scores of the single weights: magnitude and Wanda.
import { at } from '#base';
import type { Steps } from '#linalg';
import type { CodeLayout } from '#models';
import { dropSmallest } from './smallest.ts';

/** N:M along the inputs. */
export interface GroupPattern {
  readonly kept: number;
  readonly group: number;
}

/** How many weights of one matrix go, and where they may be. */
export type Share =
  /** `dropped` of all; methods that look at rows take `droppedPerRow` of each. */
  | { readonly kind: 'unstructured'; readonly dropped: number; readonly droppedPerRow: number }
  | { readonly kind: 'groups'; readonly pattern: GroupPattern };

type Sides = Pick<CodeLayout, 'rows' | 'columns'>;

/** Scores that are looked at between two pauses. */
const numbersBetweenPauses = 1 << 18;

/** |W|, [N, K]. */
export function magnitudes(rows: Float32Array): Float32Array {
  return rows.map(Math.abs);
}

/**
 * |W_ij|·‖x_j‖, [N, K]: how far the outputs move, at most, when one weight goes.
 *
 * @param norms - ‖x_j‖ of each input over the calibration text, [K]
 * @see M. Sun, Z. Liu, A. Bair, J. Z. Kolter, "A simple and effective pruning approach for large language models", ICLR 2024
 */
export function wandaScores(rows: Float32Array, norms: Float64Array): Float32Array {
  const K = norms.length;
  // One common factor keeps the products within float32 and changes no order.
  const largest = norms.reduce((most, norm) => Math.max(most, norm), 0);
  const scaled = largest === 0 ? norms : norms.map((norm) => norm / largest);
  return rows.map((weight, index) => Math.abs(weight) * (scaled[index % K] ?? 0));
}

/**
 * One flag a weight, [N, K]: 0 for those that go.
 *
 * @param within - what the scores are compared within: the whole matrix, or each row (output). Groups are compared by themselves.
 */
export function* keptByScore(
  scores: Float32Array,
  { rows: N, columns: K }: Sides,
  share: Share,
  within: 'matrix' | 'row',
): Steps<Uint8Array> {
  const keeps = new Uint8Array(N * K).fill(1);
  if (share.kind === 'unstructured' && within === 'matrix') {
    yield* dropSmallest(scores, share.dropped, keeps);
    return keeps;
  }
  const rowsPerPiece = Math.max(1, Math.floor(numbersBetweenPauses / K));
  for (let row = 0; row < N; row++) {
    const [start, end] = [row * K, (row + 1) * K];
    if (share.kind === 'unstructured') yield* dropSmallest(scores.subarray(start, end), share.droppedPerRow, keeps.subarray(start, end));
    else for (let group = start; group < end; group += share.pattern.group) dropOfGroup(scores, group, 1, share.pattern, keeps);
    if (row % rowsPerPiece === rowsPerPiece - 1) yield;
  }
  return keeps;
}

/** Clears the flags of the lowest scores of one group: those at `start`, `start + stride`, … Ties go to the first. */
export function dropOfGroup(
  scores: ArrayLike<number>,
  start: number,
  stride: number,
  { kept, group }: GroupPattern,
  keeps: Uint8Array,
): void {
  const places = Array.from({ length: group }, (_, index) => start + index * stride);
  places.sort((first, second) => at(scores, first) - at(scores, second) || first - second);
  for (const place of places.slice(0, group - kept)) keeps[place] = 0;
}

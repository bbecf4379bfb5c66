// Which of many scores are the smallest: exact counts, ties by position.
import { at, invariant } from '#base';
import type { Steps } from '#linalg';

/** Up to here, sorting is faster than counting. */
const sortedLength = 1 << 14;
const numBins = 1 << 16;

/** Scores that need not be in memory together; every call gives the same ones. */
export type ScoreParts = Iterable<() => Float32Array>;

/** Everything below `value` is among the smallest, and `ties` of those that equal it. */
interface Threshold {
  readonly value: number;
  readonly ties: number;
}

/** Clears `keeps[k]` for the `count` smallest of the scores; none is NaN. */
export function* dropSmallest(scores: Float32Array, count: number, keeps: Uint8Array): Steps<void> {
  invariant(count >= 0 && count <= scores.length && keeps.length === scores.length, `${count} of ${scores.length} scores`);
  if (count === 0) return;
  const { value, ties } = scores.length <= sortedLength ? sortedThreshold(scores, count) : yield* countedThreshold([() => scores], count);
  let tiesLeft = ties;
  for (let index = 0; index < scores.length; index++) {
    const score = scores[index] ?? 0;
    if (score < value || (score === value && tiesLeft-- > 0)) keeps[index] = 0;
  }
}

/** How many of each part's scores are among the `count` smallest of all; ties go to the parts in their order. Pauses after each part. */
export function* countSmallest(parts: ScoreParts, count: number): Steps<number[]> {
  if (count === 0) return [...parts].map(() => 0);
  const { value, ties } = yield* countedThreshold(parts, count);
  let tiesLeft = ties;
  const counts: number[] = [];
  for (const make of parts) {
    let below = 0;
    let equal = 0;
    const scores = make();
    for (let index = 0; index < scores.length; index++) {
      const score = scores[index] ?? 0;
      if (score < value) below++;
      else if (score === value) equal++;
    }
    const taken = Math.min(equal, tiesLeft);
    tiesLeft -= taken;
    counts.push(below + taken);
    yield;
  }
  return counts;
}

function sortedThreshold(scores: Float32Array, count: number): Threshold {
  const sorted = scores.slice().sort();
  const value = at(sorted, count - 1);
  let ties = 0;
  while (ties < count && sorted[count - 1 - ties] === value) ties++;
  return { value, ties };
}

/** Counted by the upper half of keys in the order of the scores first, then by the lower within one bin. */
function* countedThreshold(parts: ScoreParts, count: number): Steps<Threshold> {
  const upper = yield* fill(parts, (key) => key >>> 16);
  const first = binOf(upper, count);
  const lower = yield* fill(parts, (key) => (key >>> 16 === first.bin ? key & 0xffff : -1));
  const second = binOf(lower, count - first.before);
  return { value: scoreOf(first.bin * numBins + second.bin), ties: count - first.before - second.before };
}

const signBit = 0x80000000;

/** Of a score's bits: floats that are not negative are in the order of their bits, negative ones in the opposite order. Both zeros are one. */
function keyOf(bits: number): number {
  if (bits === signBit) return signBit;
  return (bits < signBit ? bits | signBit : ~bits) >>> 0;
}

function scoreOf(key: number): number {
  const bits = key >= signBit ? key - signBit : ~key >>> 0;
  return at(new Float32Array(Uint32Array.of(bits).buffer), 0);
}

function* fill(parts: ScoreParts, binOfKey: (key: number) => number): Steps<Float64Array> {
  const bins = new Float64Array(numBins);
  for (const make of parts) {
    const scores = make();
    const bits = new Uint32Array(scores.buffer, scores.byteOffset, scores.length);
    for (let index = 0; index < bits.length; index++) {
      const bin = binOfKey(keyOf(bits[index] ?? 0));
      if (bin >= 0) bins[bin] = (bins[bin] ?? 0) + 1;
    }
    yield;
  }
  return bins;
}

/** The bin in which the `count`-th lies, and how many lie in the bins before it. */
function binOf(bins: Float64Array, count: number): { readonly bin: number; readonly before: number } {
  let before = 0;
  for (const [bin, size] of bins.entries()) {
    if (before + size >= count) return { bin, before };
    before += size;
  }
  invariant(false, `fewer than ${count} scores`);
}

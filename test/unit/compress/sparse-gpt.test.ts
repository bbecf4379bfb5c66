// SparseGPT and what it stands on: the published recursion, counts and groups, Wanda's scores, and exact choices of the smallest.
import { afterAll, describe, expect, it } from 'vitest';
import { Random } from '#base';
import { createReferenceEngine } from '#engine/reference';
import { cholesky, invertLower, multiply, runAtOnce } from '#linalg';
import { engineCholesky } from '../../../src/compress/decomposition/engine-cholesky.ts';
import { EngineMatrices } from '../../../src/compress/decomposition/engine-matrices.ts';
import { factorInputs } from '../../../src/compress/decomposition/input-factor.ts';
import { type GroupPattern, keptByScore, magnitudes, type Share, wandaScores } from '../../../src/compress/prune/masks.ts';
import { countSmallest, dropSmallest } from '../../../src/compress/prune/smallest.ts';
import { sparseGpt } from '../../../src/compress/prune/sparse-gpt.ts';
import { frobenius, gaussian, transposeFlat } from './matrices.ts';

const { signal } = new AbortController();
const matrices = new EngineMatrices(createReferenceEngine(), signal);
afterAll(() => matrices.release());

/** Inputs in which neighbours go together and channels differ in size. */
function correlated(tokens: number, width: number, seed: number): Float64Array {
  const mixing = gaussian(width, width, seed).map((value, index) => {
    const [row, column] = [Math.floor(index / width), index % width];
    return (row === column ? 3 : value) * 2 ** (-(column % 7) / 2);
  });
  return multiply(gaussian(tokens, width, seed + 1), mixing, tokens, width, width);
}

function momentsOf(rows: Float64Array, width: number): Float64Array {
  const tokens = rows.length / width;
  return multiply(transposeFlat(rows, tokens, width), rows, width, tokens, width);
}

function outputError(inputs: Float64Array, weight: Float64Array, kept: Float64Array, K: number, N: number): number {
  const difference = weight.map((value, index) => value - kept[index]!);
  const tokens = inputs.length / K;
  return frobenius(multiply(inputs, difference, tokens, K, N)) / frobenius(multiply(inputs, weight, tokens, K, N));
}

/**
 * The recursion as it is published: inputs in their order by the upper Cholesky factor of the inverse of H, masks of a block of inputs by
 * w²/U_jj² of its weights as they are when it begins. weight [K, N]
 */
function publishedSparseGpt(weight: Float64Array, gram: Float64Array, K: number, share: Share): Float64Array {
  const N = weight.length / K;
  let mean = 0;
  for (let input = 0; input < K; input++) mean += gram[input * K + input]! / K;
  const damped = gram.map((value, index) => value + (index % (K + 1) === 0 ? 0.01 * mean : 0));
  const lower = runAtOnce(invertLower(runAtOnce(cholesky(damped, K))!, K));
  const inverse = multiply(transposeFlat(lower, K, K), lower, K, K, K);
  const upper = transposeFlat(runAtOnce(cholesky(inverse, K))!, K, K);
  const left = weight.slice();
  const drops = new Uint8Array(K * N);
  const score = (index: number): number => left[index]! ** 2 / upper[Math.floor(index / N) * (K + 1)]! ** 2;
  const drop = (places: number[], count: number): void => {
    for (const place of places.sort((a, b) => score(a) - score(b)).slice(0, count)) drops[place] = 1;
  };
  let dropped = 0;
  for (let input = 0; input < K; input++) {
    if (share.kind === 'unstructured' && input % 128 === 0) {
      const end = Math.min(K, input + 128);
      const target = Math.floor((share.dropped * end) / K);
      drop(
        Array.from({ length: (end - input) * N }, (_, index) => input * N + index),
        target - dropped,
      );
      dropped = target;
    }
    if (share.kind === 'groups' && input % share.pattern.group === 0)
      for (let output = 0; output < N; output++)
        drop(
          Array.from({ length: share.pattern.group }, (_, index) => (input + index) * N + output),
          share.pattern.group - share.pattern.kept,
        );
    for (let output = 0; output < N; output++) {
      const index = input * N + output;
      if (drops[index] === 0) continue;
      const error = left[index]! / upper[input * K + input]!;
      left[index] = 0;
      for (let later = input + 1; later < K; later++) left[later * N + output]! -= error * upper[input * K + later]!;
    }
  }
  return left;
}

const half = (K: number, N: number): Share => ({ kind: 'unstructured', dropped: (K * N) / 2, droppedPerRow: K / 2 });
const groups = (kept: number, group: number): Share => ({ kind: 'groups', pattern: { kept, group } });

describe('sparseGpt', () => {
  const cases: [string, number, Share][] = [
    ['half of the weights', 24, half(24, 6)],
    ['half of the weights in two blocks', 150, half(150, 6)],
    ['2:4', 24, groups(2, 4)],
    ['4:8 in two blocks', 152, groups(4, 8)],
  ];
  it.each(cases)('is the published recursion for %s', async (_, K, share) => {
    const N = 6;
    // Blocks are counted from the first input here, from the last place there: the shorter block comes last in both.
    const weight = gaussian(K, N, 1);
    const gram = momentsOf(correlated(3 * K, K, 2), K);
    const made = await sparseGpt(matrices, weight, await factorInputs(matrices, gram, K, 'given'), share);
    const published = publishedSparseGpt(weight, gram, K, share);
    expect(Math.max(...made.weight.map((value, index) => Math.abs(value - published[index]!)))).toBeLessThan(1e-6);
    expect([...made.keeps].filter((flag) => flag === 0).length).toBe((K * N) / 2);
    expect(made.weight.every((value, index) => (value === 0) === (made.keeps[index] === 0))).toBe(true);
  });

  it('loses less of the outputs than Wanda, and that less than magnitude, on average', async () => {
    const [K, N] = [48, 16];
    const lost = { sparseGpt: 0, wanda: 0, magnitude: 0 };
    for (let seed = 0; seed < 5; seed++) {
      const weight = gaussian(K, N, 10 * seed);
      const inputs = correlated(300, K, 10 * seed + 1);
      const gram = momentsOf(inputs, K);
      const rows = Float32Array.from(transposeFlat(weight, K, N));
      const norms = Float64Array.from({ length: K }, (_, input) => Math.sqrt(gram[input * (K + 1)]!));
      const zeroed = (scores: Float32Array): Float64Array => {
        const keeps = runAtOnce(keptByScore(scores, { rows: N, columns: K }, half(K, N), 'row'));
        return transposeFlat(
          Float64Array.from(rows, (value, index) => value * keeps[index]!),
          N,
          K,
        );
      };
      const factor = await factorInputs(matrices, gram, K, 'given');
      const made = await sparseGpt(matrices, weight, factor, half(K, N));
      lost.sparseGpt += outputError(inputs, weight, made.weight, K, N);
      lost.wanda += outputError(inputs, weight, zeroed(wandaScores(rows, norms)), K, N);
      lost.magnitude += outputError(inputs, weight, zeroed(magnitudes(rows)), K, N);
    }
    expect(lost.sparseGpt).toBeLessThan(lost.wanda);
    expect(lost.wanda).toBeLessThan(0.9 * lost.magnitude);
  });

  it('leaves zero what is zero already', async () => {
    const [K, N] = [32, 4];
    const former = Uint8Array.from({ length: K * N }, (_, index) => (index % 3 === 0 ? 0 : 1));
    const weight = gaussian(K, N, 3).map((value, index) => value * former[index]!);
    const factor = await factorInputs(matrices, momentsOf(correlated(100, K, 4), K), K, 'given');
    const made = await sparseGpt(matrices, weight, factor, half(K, N), former);
    expect([...made.weight].every((value, index) => former[index] === 1 || value === 0)).toBe(true);
    expect([...made.weight].filter((value) => value === 0).length).toBe((K * N) / 2);
  });

  it('is magnitude within a block where inputs do not go together and are of one size', async () => {
    const [K, N] = [32, 4];
    const identity = Float64Array.from({ length: K * K }, (_, index) => (index % (K + 1) === 0 ? 1 : 0));
    const weight = gaussian(K, N, 5);
    const made = await sparseGpt(matrices, weight, await factorInputs(matrices, identity, K, 'given'), half(K, N));
    const keeps = new Uint8Array(K * N).fill(1);
    runAtOnce(dropSmallest(Float32Array.from(weight, Math.abs), (K * N) / 2, keeps));
    expect([...made.keeps]).toEqual([...keeps]);
    expect([...made.weight]).toEqual([...weight].map((value, index) => (keeps[index] === 1 ? value : 0)));
  });
});

describe('scores', () => {
  const sides = { rows: 6, columns: 16 };
  const rows = Float32Array.from(gaussian(6, 16, 8));
  const share: Share = { kind: 'unstructured', dropped: 48, droppedPerRow: 8 };

  it('of Wanda with inputs of one norm choose what row-wise magnitude chooses', () => {
    const wanda = runAtOnce(keptByScore(wandaScores(rows, new Float64Array(16).fill(37)), sides, share, 'row'));
    expect(wanda).toEqual(runAtOnce(keptByScore(magnitudes(rows), sides, share, 'row')));
  });

  it('of Wanda leave the same number in every row', () => {
    const norms = Float64Array.from({ length: 16 }, (_, input) => 10 ** (input % 4));
    const keeps = runAtOnce(keptByScore(wandaScores(rows, norms), sides, share, 'row'));
    for (let row = 0; row < 6; row++) expect(keeps.subarray(16 * row, 16 * (row + 1)).reduce((sum, flag) => sum + flag, 0)).toBe(8);
  });

  it('of Wanda survive norms that are beyond float32, and inputs that never came', () => {
    const huge = wandaScores(rows, new Float64Array(16).fill(1e200));
    expect(huge.every(Number.isFinite)).toBe(true);
    expect(wandaScores(rows, new Float64Array(16)).every((score) => score === 0)).toBe(true);
  });

  it.each<[GroupPattern]>([[{ kept: 2, group: 4 }], [{ kept: 4, group: 8 }]])('in groups %j leave exactly so many of each', (pattern) => {
    const keeps = runAtOnce(keptByScore(magnitudes(rows), sides, { kind: 'groups', pattern }, 'matrix'));
    for (let start = 0; start < rows.length; start += pattern.group) {
      const group = [...keeps.subarray(start, start + pattern.group)];
      expect(group.reduce((sum, flag) => sum + flag, 0)).toBe(pattern.kept);
      const of = (flag: number): number[] => group.flatMap((each, index) => (each === flag ? [Math.abs(rows[start + index]!)] : []));
      expect(Math.min(...of(1))).toBeGreaterThanOrEqual(Math.max(...of(0)));
    }
  });
});

describe('the smallest', () => {
  it.each([1000, 40_000])('of %i scores are as many as asked for, ties by position', (length) => {
    const random = new Random(4);
    // Few distinct values: the threshold has many ties.
    const scores = Float32Array.from({ length }, () => random.integer(50) / 7);
    for (const count of [0, 1, 13, length / 2, length]) {
      const keeps = new Uint8Array(length).fill(1);
      runAtOnce(dropSmallest(scores, count, keeps));
      const order = Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]! || a - b);
      expect(order.slice(0, count).every((index) => keeps[index] === 0)).toBe(true);
      expect(keeps.reduce((sum, flag) => sum + flag, 0)).toBe(length - count);
    }
  });

  it('over several parts are counted by part', () => {
    const parts = [Float32Array.of(5, 1, 1, 0), Float32Array.of(1, 1, 9), Float32Array.of(0.5, 1)];
    const counts = (count: number): number[] =>
      runAtOnce(
        countSmallest(
          parts.map((part) => () => part),
          count,
        ),
      );
    expect(counts(0)).toEqual([0, 0, 0]);
    expect(counts(2)).toEqual([1, 0, 1]);
    expect(counts(5)).toEqual([3, 1, 1]);
    expect(counts(9)).toEqual([4, 3, 2]);
  });
});

describe('engineCholesky', () => {
  it.each([40, 256, 257, 400])('is the plain factorization at order %i', async (n) => {
    const gram = momentsOf(gaussian(n + 20, n, n), n);
    const made = await engineCholesky(matrices, gram, n);
    const plain = runAtOnce(cholesky(gram, n))!;
    expect(frobenius(made!.map((value, index) => value - plain[index]!)) / frobenius(plain)).toBeLessThan(1e-12);
    expect(made!.every((value, index) => index % n <= Math.floor(index / n) || value === 0)).toBe(true);
  });

  it('refuses a matrix that has lost its digits in a later panel', async () => {
    const n = 300;
    expect(await engineCholesky(matrices, momentsOf(gaussian(200, n, 1), n), n)).toBeNull();
  });
});

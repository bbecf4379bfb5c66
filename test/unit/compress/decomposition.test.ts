// SVD over the engine's products: truncation error against the exact one on easy and hard spectra, orthogonality, determinism.
import { describe, expect, it } from 'vitest';
import { SvdSolver } from '#compress';
import { createReferenceEngine } from '#engine/reference';
import { multiply, type Svd } from '#linalg';
import { float32, type HostTensor } from '#tensor';
import { exactSigma, frobenius, randomWeight, remainder, tailNorm, transposeFlat, withSpectrum } from './matrices.ts';

const engine = createReferenceEngine();
const { signal } = new AbortController();
const solver = new SvdSolver(engine, signal);

function lossOf({ sigma, left, right }: Svd, weight: HostTensor<'float32'>): number {
  const [m = 0, n = 0] = weight.shape;
  const k = sigma.length;
  const scaled = right.map((value, index) => value * sigma[Math.floor(index / n)]!);
  return frobenius(remainder(weight.data, transposeFlat(left, k, m), scaled, m, k, n));
}

function orthogonality(rows: Float64Array, k: number, n: number): number {
  const product = multiply(rows, transposeFlat(rows, k, n), k, n, k);
  return product.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (index % k === Math.floor(index / k) ? 1 : 0))), 0);
}

const decay = (count: number, law: (index: number) => number): number[] => Array.from({ length: count }, (_, index) => law(index));

const spectra: [string, HostTensor<'float32'>][] = [
  ['a random wide matrix', randomWeight(60, 130, 1)],
  ['a random tall matrix', randomWeight(140, 64, 2)],
  ['a random square matrix', randomWeight(70, 70, 3)],
  [
    'a slow power law',
    withSpectrum(
      64,
      96,
      decay(64, (index) => (index + 1) ** -0.4),
      4,
    ),
  ],
  [
    'a flat spectrum',
    withSpectrum(
      64,
      80,
      decay(64, () => 1),
      5,
    ),
  ],
  [
    'a few huge directions over a slow tail',
    withSpectrum(
      80,
      64,
      decay(64, (index) => (index < 3 ? 1000 : 1 / Math.sqrt(index))),
      6,
    ),
  ],
  [
    'an exponential decay',
    withSpectrum(
      64,
      64,
      decay(64, (index) => 0.8 ** index),
      7,
    ),
  ],
];

describe('SvdSolver, truncated', () => {
  for (const [name, weight] of spectra) {
    it(`loses at most 1e-4 more than the best factors of ${name}`, async () => {
      const exact = exactSigma(weight);
      for (const rank of [1, 4, 15]) {
        const svd = await solver.truncated(weight, rank);
        expect(lossOf(svd, weight) / tailNorm(exact, rank) - 1).toBeLessThan(1e-4);
        const [m = 0, n = 0] = weight.shape;
        expect(orthogonality(m > n ? svd.right : svd.left, rank, Math.min(m, n))).toBeLessThan(1e-9);
      }
    });
  }

  it('finds the singular values of a rank-deficient matrix, also past its rank', async () => {
    const weight = withSpectrum(48, 64, [5, 3, 1], 8);
    const { sigma } = await solver.truncated(weight, 6);
    expect(sigma[0]).toBeCloseTo(5, 5);
    expect(sigma[2]).toBeCloseTo(1, 5);
    expect(sigma[3]!).toBeLessThan(1e-5);
  });

  it('handles zeros, one row and one column', async () => {
    expect((await solver.truncated(float32([40, 48], new Float32Array(40 * 48)), 5)).sigma).toEqual(new Float64Array(5));
    expect((await solver.truncated(float32([1, 3], [3, 0, 4]), 1)).sigma[0]).toBeCloseTo(5, 10);
    expect((await solver.truncated(float32([3, 1], [3, 0, 4]), 1)).sigma[0]).toBeCloseTo(5, 10);
  });

  it('gives equal bits for equal seeds', async () => {
    const weight = randomWeight(70, 90, 9);
    const first = await solver.truncated(weight, 8, 3);
    const second = await solver.truncated(weight, 8, 3);
    const other = await solver.truncated(weight, 8, 4);
    expect(second.left).toEqual(first.left);
    expect(other.left).not.toEqual(first.left);
  });

  it('stops at whatever step it is cancelled, and gives all device memory back', async () => {
    for (let stopAt = 1; stopAt <= 40; stopAt += 3) {
      const own = createReferenceEngine();
      const controller = new AbortController();
      let runs = 0;
      const compile = own.compile.bind(own);
      own.compile = async (...args) => {
        const program = await compile(...args);
        const run = program.run.bind(program);
        program.run = (...inputs) => {
          runs++;
          if (runs === stopAt) controller.abort();
          return run(...inputs);
        };
        return program;
      };
      const stopped = new SvdSolver(own, controller.signal);
      const outcome = await stopped.truncated(randomWeight(70, 90, 1), 8).then(
        () => 'finished',
        (error: { code: string }) => error.code,
      );
      expect(outcome).toBe(runs >= stopAt ? 'cancelled' : 'finished');
      await stopped.release();
      expect(own.counters()).toMatchObject({ buffers: 0, bufferBytes: 0, programs: 0 });
    }
  });
});

describe('SvdSolver, full', () => {
  it('reproduces wide, tall and square matrices and agrees with Jacobi', async () => {
    for (const weight of [randomWeight(20, 33, 1), randomWeight(35, 18, 2), randomWeight(24, 24, 3)]) {
      const svd = await solver.full(weight);
      expect(lossOf(svd, weight) / frobenius(weight.data)).toBeLessThan(1e-10);
      const exact = exactSigma(weight);
      svd.sigma.forEach((value, index) => {
        expect(value).toBeCloseTo(exact[index]!, 8);
      });
    }
  });
});

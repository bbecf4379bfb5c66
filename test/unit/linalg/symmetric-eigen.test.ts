// The symmetric eigenvalue decomposition: residual, orthogonality, order, known spectra, cancellation.
import { describe, expect, it } from 'vitest';
import { multiply, runAtOnce, runCooperatively, symmetricEigen, symmetricEigenvalues } from '#linalg';
import {
  gram,
  identity,
  largest,
  largestDifference,
  orthogonalityError,
  randomMatrix,
  symmetricFamilies,
  transposeFlat,
} from './matrices.ts';

describe('symmetricEigen', () => {
  for (const [family, make] of Object.entries(symmetricFamilies)) {
    for (const n of [1, 2, 3, 32, 33, 70, 131]) {
      it(`reproduces ${family} of order ${n} from orthonormal vectors`, () => {
        const a = make(n);
        const { values, vectors } = runAtOnce(symmetricEigen(a, n));
        const scaled = vectors.map((value, index) => value * values[Math.floor(index / n)]!);
        const rebuilt = multiply(transposeFlat(vectors, n, n), scaled, n, n, n);
        const scale = largest(a) || 1;
        expect(largestDifference(rebuilt, a) / scale).toBeLessThan(2e-14 * n);
        expect(orthogonalityError(vectors, n, n)).toBeLessThan(1e-12);
        for (let k = 1; k < n; k++) expect(values[k]!).toBeLessThanOrEqual(values[k - 1]!);
        expect(largestDifference(runAtOnce(symmetricEigenvalues(a, n)), values) / scale).toBeLessThan(2e-14 * n);
      });
    }
  }

  it('finds the known eigenvalues of the discrete Laplacian', () => {
    const n = 100;
    const { values } = runAtOnce(symmetricEigen(symmetricFamilies['the discrete Laplacian']!(n), n));
    for (let k = 0; k < n; k++) expect(values[k]!).toBeCloseTo(2 - 2 * Math.cos(((n - k) * Math.PI) / (n + 1)), 12);
  });

  it('keeps the trace and leaves its input alone', () => {
    const n = 60;
    const a = gram(randomMatrix(n, n, 7), n, n);
    const copy = a.slice();
    const { values } = runAtOnce(symmetricEigen(a, n));
    let trace = 0;
    for (let i = 0; i < n; i++) trace += a[i * n + i]!;
    expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(trace, 8);
    expect(largestDifference(a, copy)).toBe(0);
  });

  it('reads only the upper triangle', () => {
    const n = 40;
    const a = gram(randomMatrix(n, n, 8), n, n);
    const upper = a.map((value, index) => (index % n < Math.floor(index / n) ? Number.NaN : value));
    // The scan for the scale sees every entry, so the lower triangle is filled with something finite but wrong.
    const wrong = upper.map((value) => (Number.isNaN(value) ? 0 : value));
    expect(largestDifference(runAtOnce(symmetricEigen(wrong, n)).values, runAtOnce(symmetricEigen(a, n)).values)).toBeLessThan(1e-10);
  });

  it('handles the empty matrix', () => {
    expect(runAtOnce(symmetricEigen(new Float64Array(0), 0)).values).toHaveLength(0);
  });

  it('refuses NaN instead of looping', () => {
    const a = identity(5);
    a[7] = Number.NaN;
    expect(() => runAtOnce(symmetricEigen(a, 5))).toThrow(/NaN/);
  });

  it('lets timers run while it works, and stops when cancelled', async () => {
    const n = 400;
    const a = gram(randomMatrix(n, n, 9), n, n);
    const controller = new AbortController();
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
      if (turns === 2) controller.abort();
    }, 1);
    await expect(runCooperatively(symmetricEigen(a, n), controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});

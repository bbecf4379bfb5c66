// Products, Cholesky, triangular solves, QR and Jacobi against their defining equations.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cholesky,
  householderQr,
  invertLower,
  jacobiSvd,
  multiply,
  runAtOnce,
  solveLower,
  solveLowerTransposed,
  symmetricEigen,
} from '#linalg';
import { gram, identity, largest, largestDifference, orthogonalityError, randomMatrix, transposeFlat } from './matrices.ts';

function plainProduct(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, index) => {
    let sum = 0;
    for (let inner = 0; inner < k; inner++) sum += a[Math.floor(index / n) * k + inner]! * b[inner * n + (index % n)]!;
    return sum;
  });
}

describe('multiply', () => {
  it('agrees with the triple loop for every remainder of its panels', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 11 }), fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 10 }), (m, k, n) => {
        const a = randomMatrix(m, k, m);
        const b = randomMatrix(k, n, n + 50);
        expect(largestDifference(multiply(a, b, m, k, n), plainProduct(a, b, m, k, n))).toBeLessThan(1e-13);
      }),
      { numRuns: 60 },
    );
  });
});

describe('cholesky', () => {
  it('reproduces a positive definite matrix, and its triangle can be inverted and solved with', () => {
    for (const n of [1, 2, 5, 64, 90]) {
      const a = gram(randomMatrix(n, n + 5, n), n, n + 5);
      const lower = runAtOnce(cholesky(a, n))!;
      expect(largestDifference(gram(lower, n, n), a)).toBeLessThan(1e-11 * largest(a));
      const inverse = runAtOnce(invertLower(lower, n));
      expect(largestDifference(multiply(lower, inverse, n, n, n), identity(n))).toBeLessThan(1e-10);
      const right = randomMatrix(n, 3, n + 1);
      const solution = right.slice();
      solveLower(lower, solution, n, 3);
      expect(largestDifference(multiply(lower, solution, n, n, 3), right)).toBeLessThan(1e-10);
      solveLowerTransposed(lower, solution, n, 3);
      expect(largestDifference(multiply(a, solution, n, n, 3), right)).toBeLessThan(1e-9);
    }
  });

  it('answers null for a singular and for an indefinite matrix', () => {
    expect(runAtOnce(cholesky(gram(randomMatrix(6, 2, 1), 6, 2), 6))).toBeNull();
    expect(runAtOnce(cholesky(Float64Array.of(1, 2, 2, 1), 2))).toBeNull();
    expect(runAtOnce(cholesky(new Float64Array(4), 2))).toBeNull();
  });
});

describe('householderQr', () => {
  it('gives orthonormal directions for every rank, and reproduces the columns', () => {
    const cases: [string, number, number, Float64Array][] = [
      ['full rank', 5, 9, randomMatrix(5, 9, 1)],
      ['square', 6, 6, randomMatrix(6, 6, 2)],
      ['zero', 3, 4, new Float64Array(12)],
      ['equal columns', 3, 7, Float64Array.from({ length: 21 }, (_, index) => (index % 7) + 1)],
      ['rank two', 5, 8, multiply(randomMatrix(5, 2, 3), randomMatrix(2, 8, 4), 5, 2, 8)],
      ['one entry', 1, 1, Float64Array.of(-3)],
    ];
    for (const [name, n, m, columns] of cases) {
      const { directions, r } = runAtOnce(householderQr(columns, n, m));
      expect(orthogonalityError(directions, n, m), name).toBeLessThan(1e-14 * m);
      const rebuilt = multiply(transposeFlat(r, n, n), directions, n, n, m); // columns = Rᵀ·directions
      expect(largestDifference(rebuilt, columns), name).toBeLessThan(1e-13);
      for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) expect(r[i * n + j]).toBe(0);
    }
  });
});

describe('jacobiSvd', () => {
  it('reproduces wide, tall, square and rank-deficient matrices from orthonormal vectors', () => {
    const cases: [number, number, Float64Array][] = [
      [7, 4, randomMatrix(7, 4, 1)],
      [4, 9, randomMatrix(4, 9, 2)],
      [6, 6, randomMatrix(6, 6, 3)],
      [1, 5, randomMatrix(1, 5, 4)],
      [6, 5, multiply(randomMatrix(6, 2, 5), randomMatrix(2, 5, 6), 6, 2, 5)],
      [3, 3, new Float64Array(9)],
    ];
    for (const [m, n, a] of cases) {
      const { sigma, left, right } = runAtOnce(jacobiSvd(a, m, n));
      const count = Math.min(m, n);
      const scaled = right.map((value, index) => value * sigma[Math.floor(index / n)]!);
      expect(largestDifference(multiply(transposeFlat(left, count, m), scaled, m, count, n), a)).toBeLessThan(1e-12);
      expect(orthogonalityError(left, count, m)).toBeLessThan(1e-12);
      expect(orthogonalityError(right, count, n)).toBeLessThan(1e-12);
      for (let k = 1; k < count; k++) expect(sigma[k]!).toBeLessThanOrEqual(sigma[k - 1]!);
    }
  });

  it('agrees with the eigenvalues of the Gram matrix', () => {
    const a = randomMatrix(40, 55, 8);
    const { sigma } = runAtOnce(jacobiSvd(a, 40, 55));
    const { values } = runAtOnce(symmetricEigen(gram(a, 40, 55), 40));
    for (let k = 0; k < 40; k++) expect(sigma[k]! ** 2).toBeCloseTo(values[k]!, 9);
  });

  it('finds singular values far below the rounding of the largest, which the Gram matrix cannot', () => {
    const n = 12;
    const base = randomMatrix(n, n, 9);
    const graded = base.map((value, index) => value * 10 ** (-2 * (index % n)));
    const { sigma } = runAtOnce(jacobiSvd(graded, n, n));
    const doubled = runAtOnce(
      jacobiSvd(
        graded.map((value) => value * 2),
        n,
        n,
      ),
    ).sigma;
    expect(sigma[n - 1]!).toBeLessThan(1e-20);
    // The product of all singular values is |det|, known from QR of the well-scaled matrix and the column scales.
    const { r } = runAtOnce(householderQr(transposeFlat(base, n, n), n, n));
    let logDeterminant = 0;
    for (let i = 0; i < n; i++) logDeterminant += Math.log10(Math.abs(r[i * n + i]!)) - 2 * i;
    const logProduct = sigma.reduce((sum, value) => sum + Math.log10(value), 0);
    expect(logProduct).toBeCloseTo(logDeterminant, 9);
    expect(doubled[0]! / sigma[0]!).toBeCloseTo(2, 12);
  });
});

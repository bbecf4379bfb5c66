// Matrices for the numerics tests, easy and degenerate, and the residuals they are judged by.
import { Random } from '#base';
import { multiply } from '#linalg';

export function randomMatrix(m: number, n: number, seed: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: m * n }, () => random.normal());
}

export function transposeFlat(a: Float64Array, m: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[j * m + i] = a[i * n + j]!;
  return result;
}

export function gram(a: Float64Array, m: number, n: number): Float64Array {
  return multiply(a, transposeFlat(a, m, n), m, n, m);
}

export function identity(n: number): Float64Array {
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i++) result[i * n + i] = 1;
  return result;
}

function tridiagonal(n: number, diagonal: (i: number) => number, coupling: (i: number) => number): Float64Array {
  const result = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    result[i * n + i] = diagonal(i);
    if (i + 1 < n) {
      result[i * n + i + 1] = coupling(i);
      result[(i + 1) * n + i] = coupling(i);
    }
  }
  return result;
}

/** Symmetric matrices on which eigenvalue solvers are known to fail: clusters, zeros, huge ranges, no coupling. */
export const symmetricFamilies: Readonly<Record<string, (n: number) => Float64Array>> = {
  'a random symmetric matrix': (n) => {
    const a = randomMatrix(n, n, 1);
    return a.map((value, index) => value + a[(index % n) * n + Math.floor(index / n)]!);
  },
  'a Gram matrix': (n) => gram(randomMatrix(n, n + 3, 2), n, n + 3),
  'a rank-deficient Gram matrix': (n) => gram(randomMatrix(n, 2, 3), n, 2),
  zeros: (n) => new Float64Array(n * n),
  'the identity': identity,
  'all ones': (n) => new Float64Array(n * n).fill(1),
  "Wilkinson's matrix with its close pairs": (n) =>
    tridiagonal(
      n,
      (i) => Math.abs(i - (n - 1) / 2),
      () => 1,
    ),
  'glued Wilkinson matrices': (n) =>
    tridiagonal(
      n,
      (i) => Math.abs((i % 21) - 10),
      (i) => (i % 21 === 20 ? 1e-9 : 1),
    ),
  'the discrete Laplacian': (n) =>
    tridiagonal(
      n,
      () => 2,
      () => -1,
    ),
  'a graded matrix over twenty decades': (n) =>
    Float64Array.from({ length: n * n }, (_, index) => {
      const i = Math.floor(index / n);
      const j = index % n;
      return 10 ** ((-20 * Math.max(i, j)) / n) * (1 + ((i * 7 + j * 7) % 5));
    }),
  'huge entries': (n) => gram(randomMatrix(n, n, 4), n, n).map((value) => value * 1e300),
  'tiny entries': (n) => gram(randomMatrix(n, n, 5), n, n).map((value) => value * 1e-300),
};

export function largest(a: Float64Array): number {
  return a.reduce((bound, value) => Math.max(bound, Math.abs(value)), 0);
}

export function largestDifference(a: Float64Array, b: Float64Array): number {
  return a.reduce((bound, value, index) => Math.max(bound, Math.abs(value - b[index]!)), 0);
}

/** How far the rows [count, n] are from orthonormal. */
export function orthogonalityError(rows: Float64Array, count: number, n: number): number {
  return largestDifference(gram(rows, count, n), identity(count));
}

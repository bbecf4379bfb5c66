// Matrices with chosen spectra, and the plain sums that the method's results are compared with.
import { Random } from '#base';
import { householderQr, jacobiSvd, multiply, runAtOnce } from '#linalg';
import { float32, type HostTensor } from '#tensor';

export function gaussian(m: number, n: number, seed: number): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: m * n }, () => random.normal());
}

export function transposeFlat(a: Float64Array, m: number, n: number): Float64Array {
  return Float64Array.from({ length: m * n }, (_, index) => a[(index % m) * n + Math.floor(index / m)]!);
}

/** U·diag(sigma)·Vᵀ [m, n] with random orthonormal U and V. */
export function withSpectrum(m: number, n: number, sigma: readonly number[], seed: number): HostTensor<'float32'> {
  const k = sigma.length;
  const u = runAtOnce(householderQr(gaussian(k, m, seed), k, m)).directions;
  const v = runAtOnce(householderQr(gaussian(k, n, seed + 1), k, n)).directions;
  const scaled = v.map((value, index) => value * sigma[Math.floor(index / n)]!);
  return float32([m, n], multiply(transposeFlat(u, k, m), scaled, m, k, n));
}

export function randomWeight(m: number, n: number, seed: number): HostTensor<'float32'> {
  return float32([m, n], gaussian(m, n, seed));
}

export function exactSigma(weight: HostTensor<'float32'>): Float64Array {
  const [m = 0, n = 0] = weight.shape;
  return runAtOnce(jacobiSvd(Float64Array.from(weight.data), m, n)).sigma;
}

/** √Σ_{i>rank} σ² */
export function tailNorm(sigma: Float64Array, rank: number): number {
  return Math.sqrt(sigma.subarray(rank).reduce((sum, value) => sum + value * value, 0));
}

export function frobenius(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += values[index]! ** 2;
  return Math.sqrt(sum);
}

/** A − B·C for A [m, n], B [m, k], C [k, n]. */
export function remainder(a: ArrayLike<number>, b: Float64Array, c: Float64Array, m: number, k: number, n: number): Float64Array {
  const product = multiply(b, c, m, k, n);
  return product.map((value, index) => a[index]! - value);
}

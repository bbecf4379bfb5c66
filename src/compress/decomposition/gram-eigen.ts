// Dominant eigenvectors of a Gram matrix that lies on an engine: Chebyshev-filtered subspace iteration, or all of them on the host.
import { at, invariant, Random } from '#base';
import type { DeviceBuffer } from '#engine';
import { cholesky, householderQr, invertLower, runCooperatively, symmetricEigen, symmetricEigenvalues } from '#linalg';
import { type HostTensor, hostTensor } from '#tensor';
import { type EngineMatrices, readNumbers, scalarOperand, withBuffers } from './engine-matrices.ts';

/** Eigenpairs of a symmetric positive semidefinite matrix of order n. */
export interface GramEigen {
  /** Descending; as many as there are vectors. Never negative. */
  readonly values: Float64Array;
  /** Columns [n, count], row-major. */
  readonly vectors: Float64Array;
  readonly order: number;
  readonly count: number;
  /** The trace: the sum of all n eigenvalues. */
  readonly energy: number;
}

/**
 * Allowed excess of the truncation error over the best possible one, squared and relative: 4e-5 here is 2e-5 of the
 * error itself, five times better than the promise of 1e-4.
 */
const energyTolerance = 4e-5;
/** Where the discarded part itself is rounding noise, this share of the whole ends the iteration. */
const roundingShare = 1e-13;
/** The filter may blow up the dominant directions by this much before a Cholesky factor has no digits left. */
const firstGrowthLimit = 1e7;
/** Once the dominant directions have settled, less of them leaks into the other columns. */
const laterGrowthLimit = 1e9;
const maxDegree = 8;
const maxPasses = 40;
/** Beyond this share of the order three small problems cost more than the one large. */
const largestPartialShare = 0.6;

/**
 * The `rank` dominant eigenvectors of the Gram matrix `gram` [n, n] (float64, on the engine), or all n where that is no dearer.
 *
 * A block a little wider than the rank is filtered with Chebyshev polynomials of the matrix that are small on the unwanted part of the spectrum,
 * orthonormalized by Cholesky-QR and rotated to Ritz vectors, until the estimated loss of energy against the best subspace of that rank
 * is below 4e-5 of the energy that any subspace must discard. Slowly decaying spectra, the rule for trained weights, take two or
 * three passes of four products each; the host only ever sees matrices as wide as the block.
 *
 * @param seed - of the random start; equal seeds give equal results
 * @see Y. Zhou, Y. Saad, M. L. Tiago, J. R. Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered subspace iteration",
 * J. Comput. Phys. 2006; N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness", SIAM Review 2011.
 */
export async function dominantEigen(matrices: EngineMatrices, gram: DeviceBuffer, rank: number, seed: number): Promise<GramEigen> {
  const n = at(gram.shape, 0);
  invariant(rank >= 1 && rank <= n, `rank ${rank} of a Gram matrix of order ${n}`);
  const width = rank + Math.max(8, Math.ceil(rank / 6));
  if (width > largestPartialShare * n) {
    const all = await allEigen(matrices, gram);
    return firstVectors(all, rank);
  }
  const { energy, start } = await randomStart(matrices, gram, width, seed);
  let block = await firstPass(matrices, gram, await orthonormalize(matrices, start));
  for (let pass = 1; ; pass++) {
    const ritz = await rayleighRitz(matrices, gram, block);
    const isSettled = ritz.missing(rank) <= Math.max(energyTolerance * ritz.tail(rank, energy), roundingShare * energy);
    if (isSettled || pass === maxPasses)
      return await withBuffers([ritz.vectors, ritz.images], async () => ritzResult(ritz, n, width, rank, energy));
    block = await orthonormalize(matrices, await filter(matrices, gram, ritz, laterGrowthLimit));
  }
}

/** All eigenpairs: the host computes them, a slice at a time. Values below about 1e-16 of the largest are noise. */
export async function allEigen(matrices: EngineMatrices, gram: DeviceBuffer): Promise<GramEigen> {
  const n = at(gram.shape, 0);
  const host = readNumbers(gram);
  const { values, vectors } = await runCooperatively(symmetricEigen(host, n), matrices.signal);
  const vectorColumns = transposed(vectors, n, n);
  return { values: values.map((value) => Math.max(value, 0)), vectors: vectorColumns, order: n, count: n, energy: trace(host, n) };
}

/** The first `count` columns. */
export function firstVectors(eigen: GramEigen, count: number): GramEigen {
  const { values, vectors, order, count: width, energy } = eigen;
  if (count === width) return eigen;
  const kept = new Float64Array(order * count);
  for (let row = 0; row < order; row++) kept.set(vectors.subarray(row * width, row * width + count), row * count);
  return { values: values.slice(0, count), vectors: kept, order, count, energy };
}

/** G·Ω for random signs Ω [n, width], and the trace of G. */
async function randomStart(
  matrices: EngineMatrices,
  gram: DeviceBuffer,
  width: number,
  seed: number,
): Promise<{ energy: number; start: DeviceBuffer }> {
  const n = at(gram.shape, 0);
  const random = new Random(seed);
  const signs = new Float64Array(n * width);
  for (let index = 0; index < signs.length; index++) signs[index] = random.bits() & 0x10000 ? 1 : -1;
  const energy = trace(readNumbers(gram), n);
  const start = await matrices.run('product', { x: gram, y: hostTensor('float64', [n, width], signs) });
  return { energy, start };
}

/** Consumes an orthonormal block and filters it once; its spectrum without vectors is enough to place the filter. */
async function firstPass(matrices: EngineMatrices, gram: DeviceBuffer, block: DeviceBuffer): Promise<DeviceBuffer> {
  const images = await matrices.run('product', { x: gram, y: block });
  const projected = await matrices.runToHost('productOfTransposed', { x: block, y: images });
  const values = await runCooperatively(symmetricEigenvalues(projected, at(block.shape, 1)), matrices.signal);
  return await orthonormalize(matrices, await filter(matrices, gram, { values, vectors: block, images }, firstGrowthLimit));
}

/** An orthonormal block, G times it, and the eigenvalues of G in its span, descending. */
interface FilterStart {
  readonly values: Float64Array;
  /** [n, width], on the engine. */
  readonly vectors: DeviceBuffer;
  readonly images: DeviceBuffer;
}

/** The same, rotated to Ritz vectors. */
interface RitzPairs extends FilterStart {
  /** Energy that the best subspace of this rank keeps and the Ritz vectors do not, estimated from their residuals. */
  missing(rank: number): number;
  /** Energy outside the first `rank` directions. */
  tail(rank: number, energy: number): number;
}

/** Consumes `block`, an orthonormal basis [n, width]. */
async function rayleighRitz(matrices: EngineMatrices, gram: DeviceBuffer, block: DeviceBuffer): Promise<RitzPairs> {
  const width = at(block.shape, 1);
  return await withBuffers([block], async () => {
    const image = await matrices.run('product', { x: gram, y: block });
    return await withBuffers([image], async () => {
      const projected = await matrices.runToHost('productOfTransposed', { x: block, y: image });
      const { values, vectors: rows } = await runCooperatively(symmetricEigen(projected, width), matrices.signal);
      const rotation = matrices.upload(width, width, transposed(rows, width, width));
      return await withBuffers([rotation], async () => {
        const vectors = await matrices.run('product', { x: block, y: rotation });
        const images = await matrices.run('product', { x: image, y: rotation });
        const residuals = await matrices.runToHost('residuals', { z: images, q: vectors, values: hostTensor('float64', [width], values) });
        return {
          values,
          vectors,
          images,
          missing: (rank) => missingEnergy(values, residuals, rank),
          tail: (rank, energy) => energy - sum(values.subarray(0, rank)),
        };
      });
    });
  });
}

/**
 * Second-order perturbation: direction i can gain |r_i|² / (value_i − μ), where μ is at most about the smallest Ritz value.
 * Where that gap is tiny the gain is bounded by the residual itself.
 */
function missingEnergy(values: Float64Array, residuals: Float64Array, rank: number): number {
  const floor = Math.max(at(values, values.length - 1), 0);
  let missing = 0;
  for (let i = 0; i < rank; i++) {
    const squared = at(residuals, i);
    const gap = at(values, i) - floor;
    missing += Math.min(Math.sqrt(squared), gap > 0 ? squared / gap : Number.POSITIVE_INFINITY);
  }
  return missing;
}

/** Consumes the block; T_d(2G/bound − 1) of them, with the largest degree d whose growth the next factorization can bear. */
async function filter(
  matrices: EngineMatrices,
  gram: DeviceBuffer,
  { values, vectors, images }: FilterStart,
  growthLimit: number,
): Promise<DeviceBuffer> {
  const largest = at(values, 0);
  const smallest = at(values, values.length - 1);
  if (!(smallest > largest * Number.EPSILON)) {
    // The block already spans everything above rounding: one power step is all that is left to do.
    vectors.release();
    return images;
  }
  const degree = filterDegree(largest / smallest, growthLimit);
  let before = vectors;
  let current = await matrices.run('firstChebyshev', { z: images, q: vectors, scale: scalarOperand(2 / smallest) });
  images.release();
  if (degree > 1) {
    const identity = identityTensor(at(gram.shape, 0));
    const shifted = await matrices.run('shiftedGram', { gram, identity, scale: scalarOperand(4 / smallest) });
    for (let step = 2; step <= degree; step++) {
      const next = await matrices.run('nextChebyshev', { shifted, y: current, before });
      before.release();
      before = current;
      current = next;
    }
    shifted.release();
  }
  before.release();
  return current;
}

/** The largest degree with T_d(2·ratio − 1) ≤ limit; at least 1. */
function filterDegree(ratio: number, limit: number): number {
  const perDegree = Math.acosh(2 * ratio - 1);
  return Math.min(maxDegree, Math.max(1, Math.floor(Math.acosh(limit) / perDegree)));
}

/**
 * Consumes `block` [n, width] and returns an orthonormal basis of its columns.
 *
 * Cholesky-QR with the columns scaled to unit length, once or twice; where the columns depend on each other, Householder QR on the host.
 */
async function orthonormalize(matrices: EngineMatrices, block: DeviceBuffer): Promise<DeviceBuffer> {
  const first = await withBuffers([block], () => choleskyRound(matrices, block));
  if (first.isOrthonormal) return first.basis;
  const { basis } = await withBuffers([first.basis], () => choleskyRound(matrices, first.basis));
  return basis;
}

/** Pivots above this leave a loss of orthogonality below 1e-11: one round is enough. */
const soundPivot = 1e-2;

async function choleskyRound(matrices: EngineMatrices, block: DeviceBuffer): Promise<{ basis: DeviceBuffer; isOrthonormal: boolean }> {
  const [n, width] = [at(block.shape, 0), at(block.shape, 1)];
  const products = await matrices.runToHost('productOfTransposed', { x: block, y: block });
  const scales = Float64Array.from({ length: width }, (_, j) => 1 / Math.sqrt(at(products, j * width + j)));
  const scaled = products.map((value, index) => value * at(scales, Math.floor(index / width)) * at(scales, index % width));
  const factor = await runCooperatively(cholesky(scaled, width), matrices.signal);
  if (factor === null || scales.some((scale) => !Number.isFinite(scale))) {
    const columns = transposed(readNumbers(block), n, width);
    const { directions } = await runCooperatively(householderQr(columns, width, n), matrices.signal);
    return { basis: matrices.upload(n, width, transposed(directions, width, n)), isOrthonormal: true };
  }
  const inverse = await runCooperatively(invertLower(factor, width), matrices.signal);
  // Y·D·L⁻ᵀ, with the scales D folded into the small matrix.
  const small = new Float64Array(width * width);
  for (let i = 0; i < width; i++) for (let j = i; j < width; j++) small[i * width + j] = at(scales, i) * at(inverse, j * width + i);
  const basis = await matrices.run('product', { x: block, y: hostTensor('float64', [width, width], small) });
  return { basis, isOrthonormal: scales.every((_, j) => at(factor, j * width + j) > soundPivot) };
}

function identityTensor(n: number): HostTensor<'float64'> {
  const tensor = hostTensor('float64', [n, n]);
  for (let i = 0; i < n; i++) tensor.data[i * n + i] = 1;
  return tensor;
}

function ritzResult(ritz: RitzPairs, n: number, width: number, rank: number, energy: number): GramEigen {
  const values = ritz.values.map((value) => Math.max(value, 0));
  return firstVectors({ values, vectors: readNumbers(ritz.vectors), order: n, count: width, energy }, rank);
}

/** Σ of the diagonal of a matrix [n, n]. */
export function trace(matrix: Float64Array, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += at(matrix, i * n + i);
  return total;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** [rows, columns] -> [columns, rows] */
function transposed(data: Float64Array, rows: number, columns: number): Float64Array {
  const result = new Float64Array(data.length);
  for (let row = 0; row < rows; row++) {
    const offset = row * columns;
    for (let column = 0; column < columns; column++) result[column * rows + row] = at(data, offset + column);
  }
  return result;
}

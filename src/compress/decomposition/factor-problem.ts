// The best two thin factors of one matrix, in weight space or in output space, as an eigenvalue problem of the smaller side.
import { at, invariant } from '#base';
import type { DeviceBuffer } from '#engine';
import { runCooperatively, symmetricEigen } from '#linalg';
import { type HostTensor, hostTensor } from '#tensor';
import { type EngineMatrices, readNumbers, withBuffers } from './engine-matrices.ts';
import { type GramEigen, trace } from './gram-eigen.ts';

/** W ≈ left·right. */
export interface Factors {
  readonly rank: number;
  /** [m, rank] */
  readonly left: Float64Array;
  /** [rank, n] */
  readonly right: Float64Array;
}

/**
 * Minimizes ‖M·(W − left·right)‖ over all factors of a rank, where M is the identity or a root of the inputs' second moments.
 *
 * The eigenvalues of `gram` are σ²(M·W), so a rank k loses exactly the sum of those after the k-th.
 */
export interface FactorProblem {
  /** Symmetric, order min(m, n), float64, on the engine. */
  readonly gram: DeviceBuffer;
  /** The optimal factors of rank `eigen.count`. */
  factors(eigen: GramEigen): Promise<Factors>;
  release(): void;
}

/** Rows of a tall matrix are widened to float64 in pieces of at most this many elements (64 MiB). */
const largestPiece = 1 << 23;

/**
 * Plain SVD: M is the identity.
 *
 * Shapes: weight [m, n]. Wide: W·Wᵀ, left = U, right = Uᵀ·W. Tall: Wᵀ·W, left = W·V, right = Vᵀ.
 */
export async function plainProblem(matrices: EngineMatrices, weight: HostTensor<'float32'>): Promise<FactorProblem> {
  const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
  if (m > n) {
    const gram = await innerGram(matrices, weight);
    return { gram, factors: (eigen) => projectOutputs(matrices, weight, eigen), release: () => gram.release() };
  }
  const x = await matrices.run('widen', { x: weight });
  const gram = await matrices.run('outerGram', { x });
  return {
    gram,
    factors: async (eigen) => {
      const right = await matrices.runToHost('productOfTransposed', { x: vectorsTensor(eigen), y: x });
      return { rank: eigen.count, left: eigen.vectors, right };
    },
    release: () => {
      x.release();
      gram.release();
    },
  };
}

/** Squared scales are at least this share of their mean, so that dividing by them again is safe. */
const scaleFloor = 1e-6;

/**
 * SVD weighted by rows: M is a diagonal, one scale an input. Decomposes M·W and divides the rows of the left factor again.
 *
 * @param scales - [m], not negative; where all are zero the rows weigh the same
 */
export async function scaledProblem(matrices: EngineMatrices, weight: HostTensor<'float32'>, scales: Float64Array): Promise<FactorProblem> {
  const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
  invariant(scales.length === m, `a weight with ${m} inputs and ${scales.length} scales`);
  const meanSquare = scales.reduce((sum, scale) => sum + scale * scale, 0) / m;
  const safe = scales.map((scale) => (meanSquare > 0 ? Math.sqrt(Math.max((scale * scale) / meanSquare, scaleFloor)) : 1));
  const scaled = weight.data.map((value, index) => value * at(safe, Math.floor(index / n)));
  const problem = await plainProblem(matrices, hostTensor('float32', weight.shape, scaled));
  return {
    gram: problem.gram,
    factors: async (eigen) => {
      const { rank, left, right } = await problem.factors(eigen);
      return { rank, left: left.map((value, index) => value / at(safe, Math.floor(index / rank))), right };
    },
    release: () => problem.release(),
  };
}

/** A problem in output space. */
export interface WhitenedProblem extends FactorProblem {
  /** What was added to every eigenvalue of H, the moments of the inputs. */
  readonly floor: number;
}

/**
 * Whitened SVD for narrow outputs (m > n): M is a root of H = XᵀX, so the error is that of the layer's outputs on its calibration inputs.
 *
 * No root is needed: the outputs' moments WᵀHW have the eigenvectors V, and left = W·V, right = Vᵀ is optimal. A small share of WᵀW, as of
 * a floor under H, orders directions that no input ever took by their weights.
 *
 * @param products - WᵀHW [n, n]
 */
export async function outputProblem(
  matrices: EngineMatrices,
  weight: HostTensor<'float32'>,
  products: Float64Array,
): Promise<WhitenedProblem> {
  const n = at(weight.shape, 1);
  const plain = await innerGram(matrices, weight);
  const squares = await withBuffers([plain], async () => readNumbers(plain));
  const [energy, weightEnergy] = [trace(products, n), trace(squares, n)];
  const floor = energy > 0 && weightEnergy > 0 ? (inputFloor * energy) / weightEnergy : 1;
  const gram = matrices.upload(
    n,
    n,
    products.map((value, index) => value + floor * at(squares, index)),
  );
  return { gram, floor, factors: (eigen) => projectOutputs(matrices, weight, eigen), release: () => gram.release() };
}

/**
 * Whitened SVD for wide outputs (m <= n): M = Λ^½·Eᵀ from the eigendecomposition of H; left = M⁻¹·U, right = Uᵀ·M·W.
 *
 * @see X. Wang, Y. Zheng, Z. Wan, M. Zhang, "SVD-LLM: Truncation-aware singular value decomposition for large language model compression",
 * ICLR 2025. We differ: no Cholesky factor, which singular H does not have.
 */
export async function inputProblem(matrices: EngineMatrices, weight: HostTensor<'float32'>, metric: InputMetric): Promise<WhitenedProblem> {
  const m = at(weight.shape, 0);
  invariant(metric.width === m, `a weight with ${m} inputs and moments of ${metric.width}`);
  const { root, inverse } = await metric.roots(matrices);
  const rootBuffer = matrices.upload(m, m, root);
  const whitened = await withBuffers([rootBuffer], async () => {
    const x = await matrices.run('widen', { x: weight });
    return await withBuffers([x], () => matrices.run('product', { x: rootBuffer, y: x }));
  });
  const gram = await matrices.run('outerGram', { x: whitened });
  return {
    gram,
    floor: metric.floor,
    factors: async (eigen) => {
      const vectors = vectorsTensor(eigen);
      const left = await matrices.runToHost('product', { x: hostTensor('float64', [m, m], inverse), y: vectors });
      const right = await matrices.runToHost('productOfTransposed', { x: vectors, y: whitened });
      return { rank: eigen.count, left, right };
    },
    release: () => {
      whitened.release();
      gram.release();
    },
  };
}

/** Share of the mean eigenvalue of H that is added to all of them. */
const inputFloor = 1e-6;

interface Roots {
  /** M = Λ^½·Eᵀ */
  readonly root: Float64Array;
  /** M⁻¹ = E·Λ^-½ */
  readonly inverse: Float64Array;
}

/**
 * The metric that inputs put on weights: H = XᵀX with a small floor, and its roots when they are needed.
 *
 * The floor gives singular H (dead channels, fewer tokens than channels) an inverse root, and orders directions that no input ever took by their
 * weights. Layers that read the same input share one metric, and so its decomposition.
 */
export class InputMetric {
  /** [width, width], with the floor. */
  readonly moments: Float64Array;
  readonly width: number;
  /** What was added to the diagonal of H. */
  readonly floor: number;
  #roots: Promise<Roots> | undefined;

  constructor(gram: Float64Array, width: number) {
    invariant(gram.length === width * width, `second moments of ${width} inputs have ${width * width} entries, got ${gram.length}`);
    this.width = width;
    this.moments = gram.slice();
    const energy = trace(gram, width);
    // Inputs that are all zero say nothing: every direction weighs the same.
    this.floor = energy > 0 ? (inputFloor * energy) / width : 1;
    for (let i = 0; i < width; i++) this.moments[i * width + i] = at(gram, i * width + i) + this.floor;
  }

  roots(matrices: EngineMatrices): Promise<Roots> {
    this.#roots ??= inverseRoots(matrices, this.moments, this.width);
    return this.#roots;
  }
}

async function inverseRoots(matrices: EngineMatrices, floored: Float64Array, m: number): Promise<Roots> {
  const { values, vectors } = await runCooperatively(symmetricEigen(floored, m), matrices.signal);
  // Rounding may take the smallest below the floor that was added.
  const smallest = at(values, 0) * m * Number.EPSILON;
  const root = new Float64Array(m * m);
  const inverse = new Float64Array(m * m);
  for (let k = 0; k < m; k++) {
    const scale = Math.sqrt(Math.max(at(values, k), smallest));
    for (let j = 0; j < m; j++) {
      const entry = at(vectors, k * m + j);
      root[k * m + j] = scale * entry;
      inverse[j * m + k] = entry / scale;
    }
  }
  return { root, inverse };
}

/** left = W·V, right = Vᵀ */
async function projectOutputs(matrices: EngineMatrices, weight: HostTensor<'float32'>, eigen: GramEigen): Promise<Factors> {
  const { order: n, count, vectors } = eigen;
  const left = new Float64Array(at(weight.shape, 0) * count);
  for (const { firstRow, piece } of rowPieces(weight)) {
    const x = await matrices.run('widen', { x: piece });
    await withBuffers([x], async () => left.set(await matrices.runToHost('product', { x, y: vectorsTensor(eigen) }), firstRow * count));
  }
  const right = new Float64Array(count * n);
  for (let j = 0; j < n; j++) for (let k = 0; k < count; k++) right[k * n + j] = at(vectors, j * count + k);
  return { rank: count, left, right };
}

/** Wᵀ·W */
async function innerGram(matrices: EngineMatrices, weight: HostTensor<'float32'>): Promise<DeviceBuffer> {
  const n = at(weight.shape, 1);
  let sum = matrices.zeros(n, n);
  for (const { piece } of rowPieces(weight)) {
    const before = sum;
    const x = await matrices.run('widen', { x: piece });
    sum = await withBuffers([x, before], () => matrices.run('addInnerGram', { x, sum: before }));
  }
  return sum;
}

/** What factors lose, beside the whole: both squared. */
export interface Loss {
  readonly lost: number;
  readonly total: number;
}

/** ‖W − left·right‖² and ‖W‖² for factors as they are stored. Shapes: left [m, k], right [k, n]. */
export async function weightLoss(
  matrices: EngineMatrices,
  weight: HostTensor<'float32'>,
  left: HostTensor<'float32'>,
  right: HostTensor<'float32'>,
): Promise<Loss> {
  const k = at(left.shape, 1);
  let lost = 0;
  let total = 0;
  const wideRight = await matrices.run('widen', { x: right });
  await withBuffers([wideRight], async () => {
    for (const { firstRow, piece } of rowPieces(weight)) {
      const numRows = at(piece.shape, 0);
      const leftPiece = hostTensor('float32', [numRows, k], left.data.subarray(firstRow * k, (firstRow + numRows) * k));
      const x = await matrices.run('widen', { x: piece });
      const wideLeft = await matrices.run('widen', { x: leftPiece });
      await withBuffers([x, wideLeft], async () => {
        const difference = await matrices.run('difference', { x, left: wideLeft, right: wideRight });
        await withBuffers([difference], async () => {
          lost += at(await matrices.runToHost('innerProduct', { x: difference, y: difference }), 0);
        });
        total += at(await matrices.runToHost('innerProduct', { x, y: x }), 0);
      });
    }
  });
  return { lost, total };
}

/** √(lost / total), where nothing lost of nothing is no error. */
export function relativeError({ lost, total }: Loss): number {
  return total > 0 ? Math.sqrt(Math.max(0, lost) / total) : 0;
}

interface RowPiece {
  readonly firstRow: number;
  readonly piece: HostTensor<'float32'>;
}

/** Consecutive rows as views, so that a table of a large vocabulary is never held in float64 as a whole. */
function rowPieces(weight: HostTensor<'float32'>): RowPiece[] {
  const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
  const rowsPerPiece = Math.max(1, Math.floor(largestPiece / n));
  return Array.from({ length: Math.ceil(m / rowsPerPiece) }, (_, index) => {
    const firstRow = index * rowsPerPiece;
    const lastRow = Math.min(m, firstRow + rowsPerPiece);
    return { firstRow, piece: hostTensor('float32', [lastRow - firstRow, n], weight.data.subarray(firstRow * n, lastRow * n)) };
  });
}

function vectorsTensor({ vectors, order, count }: GramEigen): HostTensor<'float64'> {
  return hostTensor('float64', [order, count], vectors);
}

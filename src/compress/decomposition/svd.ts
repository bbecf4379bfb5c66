// The singular value decomposition over an engine's matrix products: truncated at a rank, or whole.
import { at } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { Svd } from '#linalg';
import type { HostTensor } from '#tensor';
import { EngineMatrices } from './engine-matrices.ts';
import { type FactorProblem, plainProblem } from './factor-problem.ts';
import { allEigen, dominantEigen, type GramEigen } from './gram-eigen.ts';

/**
 * Decomposes matrices on one engine; its programs are compiled once. Several decompositions may run at the same time: one's host part then
 * overlaps with the products of another.
 *
 * Built on the Gram matrix of the smaller side in float64: singular values below about 1e-8 of the largest are noise, which is under the rounding of
 * float32 weights; `jacobiSvd` of #linalg finds those too.
 * Limit: vectors of singular values that are zero may be zero on the longer side.
 */
export class SvdSolver {
  readonly #matrices: EngineMatrices;

  /** @param signal - stops every decomposition with `cancelled` */
  constructor(engine: Engine, signal: AbortSignal) {
    this.#matrices = new EngineMatrices(engine, signal);
  }

  /**
   * The `rank` largest singular values and their vectors, with a truncation error within 1e-4 relative of the best possible one.
   *
   * Shapes: weight [m, n] -> sigma [rank], left [rank, m], right [rank, n].
   *
   * @param seed - of the random start; equal seeds give equal results
   */
  async truncated(weight: HostTensor<'float32'>, rank: number, seed = 0): Promise<Svd> {
    return await this.#decompose(weight, (gram) => dominantEigen(this.#matrices, gram, rank, seed));
  }

  /** All min(m, n) singular values and vectors. */
  async full(weight: HostTensor<'float32'>): Promise<Svd> {
    return await this.#decompose(weight, (gram) => allEigen(this.#matrices, gram));
  }

  async release(): Promise<void> {
    await this.#matrices.release();
  }

  async #decompose(weight: HostTensor<'float32'>, solve: (gram: DeviceBuffer) => Promise<GramEigen>): Promise<Svd> {
    const problem = await plainProblem(this.#matrices, weight);
    try {
      return await singularVectors(weight, problem, await solve(problem.gram));
    } finally {
      problem.release();
    }
  }
}

/** One factor has orthonormal vectors already; those of the other carry the singular values. */
async function singularVectors(weight: HostTensor<'float32'>, problem: FactorProblem, eigen: GramEigen): Promise<Svd> {
  const [m, n] = [at(weight.shape, 0), at(weight.shape, 1)];
  const { rank, left: columns, right } = await problem.factors(eigen);
  const sigma = eigen.values.map(Math.sqrt);
  const left = new Float64Array(rank * m);
  for (let i = 0; i < m; i++) for (let k = 0; k < rank; k++) left[k * m + i] = at(columns, i * rank + k);
  const long = m > n ? left : right;
  const length = Math.max(m, n);
  for (let k = 0; k < rank; k++) {
    const scale = at(sigma, k) > 0 ? 1 / at(sigma, k) : 0;
    for (let j = k * length; j < (k + 1) * length; j++) long[j] = at(long, j) * scale;
  }
  return { sigma, left, right };
}

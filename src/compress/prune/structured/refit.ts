// Least squares for the matrix behind removed units: what it loses without them, and the matrix that makes up for them.
import { at, invariant } from '#base';
import { cholesky, invertLower, runCooperatively, type Steps } from '#linalg';
import { hostTensor } from '#tensor';
import { type EngineMatrices, withBuffers } from '../../decomposition/engine-matrices.ts';

/** The moments H = XᵀX [K, K] of a matrix's inputs and the matrix W [K, N] itself. */
export interface RefitProblem {
  readonly gram: Float64Array;
  /** K */
  readonly width: number;
  readonly weight: Float64Array;
}

/** Added to the diagonal of H, as a share of its mean: the same as in GPTQ. */
const damping = 0.01;
/** Where H is still singular, up to this share. */
const largestDamping = 1;

/** L⁻¹ with H + damping = L·Lᵀ; undefined where no input ever was other than zero. */
async function inverseRoot(gram: Float64Array, width: number, signal: AbortSignal): Promise<Float64Array | undefined> {
  let mean = 0;
  for (let index = 0; index < width; index++) mean += at(gram, index * (width + 1)) / width;
  for (let share = damping; share <= largestDamping; share *= 10) {
    const damped = Float64Array.from(gram);
    for (let index = 0; index < width; index++) damped[index * (width + 1)] = at(damped, index * (width + 1)) + share * mean;
    const lower = await runCooperatively(cholesky(damped, width), signal);
    if (lower !== null) return await runCooperatively(invertLower(lower, width), signal);
  }
  return undefined;
}

/**
 * The rows for the inputs that stay, so that the outputs come closest to the old ones: W_S + (H_SS + λ)⁻¹·H_SR·W_R.
 *
 * λ pulls to the old rows, not to zero: without information the matrix is only sliced.
 *
 * Shapes: kept S of K inputs -> [S, N]. Cost: S³ on the host, S·R·N on the engine.
 */
export async function refitRows(matrices: EngineMatrices, problem: RefitProblem, kept: ArrayLike<number>): Promise<Float64Array> {
  const { gram, width, weight } = problem;
  const columns = weight.length / width;
  const isKept = new Uint8Array(width);
  for (let index = 0; index < kept.length; index++) isKept[at(kept, index)] = 1;
  const removed = Array.from({ length: width }, (_, index) => index).filter((index) => isKept[index] === 0);
  const rows = rowsOf(weight, columns, kept);
  const inverse = removed.length === 0 ? undefined : await inverseRoot(block(gram, width, kept, kept), kept.length, matrices.signal);
  if (inverse === undefined) return rows;
  const tensor = (size: readonly [number, number], data: Float64Array): ReturnType<typeof hostTensor> => hostTensor('float64', size, data);
  const cross = tensor([kept.length, removed.length], block(gram, width, kept, removed));
  const root = tensor([kept.length, kept.length], inverse);
  const lost = await matrices.run('product', { x: cross, y: tensor([removed.length, columns], rowsOf(weight, columns, removed)) });
  const correction = await withBuffers([lost], async () => {
    const half = await matrices.run('product', { x: root, y: lost });
    return await withBuffers([half], () => matrices.runToHost('productOfTransposed', { x: root, y: half }));
  });
  return rows.map((value, index) => value + at(correction, index));
}

/**
 * How much of the outputs' energy is lost by the time each unit goes, when always the unit goes whose loss is smallest and the rest is refitted.
 *
 * A unit u costs tr(W_uᵀ·((H⁻¹)_uu)⁻¹·W_u); then H⁻¹ and W are those without it. The numbers grow in the order of removal and are relative to the
 * energy of all outputs.
 *
 * Shapes: weight [K, N] with K = units·unitWidth -> [units]. Cost: removals·K·(K + N)·unitWidth / 2 on the host.
 *
 * @param problem - `energy` is ‖X·W‖²
 * @param numRemoved - units to order; the others are more important than all of these and equal
 * @see E. Kurtic, E. Frantar, D. Alistarh, "ZipLM: inference-aware structured pruning of language models", NeurIPS 2023, §3.1
 */
export async function removalLosses(
  matrices: EngineMatrices,
  problem: RefitProblem & { readonly energy: number },
  unitWidth: number,
  numRemoved: number,
): Promise<Float64Array> {
  const { gram, width } = problem;
  const root = await inverseRoot(gram, width, matrices.signal);
  if (root === undefined) return new Float64Array(width / unitWidth);
  const tensor = hostTensor('float64', [width, width], root);
  const inverse = await matrices.runToHost('productOfTransposed', { x: tensor, y: tensor });
  const removal = new Removal(problem, inverse, unitWidth);
  return await runCooperatively(removal.run(numRemoved), matrices.signal);
}

/** The greedy removal; H⁻¹ and W change in place as units go. */
class Removal {
  readonly #width: number;
  readonly #columns: number;
  readonly #unitWidth: number;
  readonly #inverse: Float64Array;
  readonly #weight: Float64Array;
  readonly #energy: number;
  readonly #isGone: Uint8Array;

  constructor({ width, weight, energy }: RefitProblem & { readonly energy: number }, inverse: Float64Array, unitWidth: number) {
    invariant(width % unitWidth === 0, `${width} inputs are not units of ${unitWidth}`);
    this.#width = width;
    this.#columns = weight.length / width;
    this.#unitWidth = unitWidth;
    this.#inverse = inverse;
    this.#weight = Float64Array.from(weight);
    this.#energy = Math.max(energy, Number.MIN_VALUE);
    this.#isGone = new Uint8Array(width / unitWidth);
  }

  *run(numRemoved: number): Steps<Float64Array> {
    const numUnits = this.#isGone.length;
    const losses = new Float64Array(numUnits).fill(Number.POSITIVE_INFINITY);
    let lost = 0;
    for (let count = 0; count < Math.min(numRemoved, numUnits - 1); count++) {
      const { unit, loss } = this.#cheapest();
      // Strictly growing, so that scores alone tell the order.
      lost = Math.max(lost + loss / this.#energy, lost * (1 + 1e-12) + Number.MIN_VALUE);
      losses[unit] = lost;
      this.#remove(unit);
      yield;
    }
    // What stays is more important than all that went, and finite, so that it can be compared between layers.
    return losses.map((loss) => (loss === Number.POSITIVE_INFINITY ? Math.max(1, lost * 2) : loss));
  }

  #cheapest(): { readonly unit: number; readonly loss: number } {
    let best = { unit: -1, loss: Number.POSITIVE_INFINITY };
    for (let unit = 0; unit < this.#isGone.length; unit++) {
      if (this.#isGone[unit] === 1) continue;
      const loss = this.#unitWidth === 1 ? this.#singleLoss(unit) : this.#unitLoss(unit);
      if (best.unit < 0 || loss < best.loss) best = { unit, loss };
    }
    return best;
  }

  #singleLoss(index: number): number {
    const [weight, columns] = [this.#weight, this.#columns];
    let energy = 0;
    for (let column = index * columns; column < (index + 1) * columns; column++) energy += (weight[column] ?? 0) ** 2;
    return energy / at(this.#inverse, index * (this.#width + 1));
  }

  #unitLoss(unit: number): number {
    const solved = this.#solvedRows(unit);
    const start = unit * this.#unitWidth * this.#columns;
    let loss = 0;
    for (let index = 0; index < solved.length; index++) loss += (solved[index] ?? 0) * (this.#weight[start + index] ?? 0);
    return loss;
  }

  /** ((H⁻¹)_uu)⁻¹·W_u [unitWidth, N] */
  #solvedRows(unit: number): Float64Array {
    const [k, columns] = [this.#unitWidth, this.#columns];
    const start = unit * k;
    const rows = this.#weight.slice(start * columns, (start + k) * columns);
    return multiply(this.#unitInverse(unit), rows, k, columns);
  }

  /** ((H⁻¹)_uu)⁻¹ [unitWidth, unitWidth] by Gauss-Jordan: the block is small, symmetric and positive definite. */
  #unitInverse(unit: number): Float64Array {
    const k = this.#unitWidth;
    const units = Array.from({ length: k }, (_, index) => unit * k + index);
    return invertPositive(block(this.#inverse, this.#width, units, units), k);
  }

  /** Takes a unit out: H⁻¹ −= C·((H⁻¹)_uu)⁻¹·Cᵀ and W −= C·((H⁻¹)_uu)⁻¹·W_u with C the unit's columns of H⁻¹. */
  #remove(unit: number): void {
    const [n, k, columns] = [this.#width, this.#unitWidth, this.#columns];
    const [inverse, weight] = [this.#inverse, this.#weight];
    const start = unit * k;
    const solvedWeight = this.#solvedRows(unit);
    const unitRows = inverse.slice(start * n, (start + k) * n); // Cᵀ [k, n]
    const solvedInverse = multiply(this.#unitInverse(unit), unitRows, k, n);
    this.#isGone[unit] = 1;
    for (let row = 0; row < n; row++) {
      if (this.#isGone[Math.floor(row / k)] === 1) continue;
      for (let inner = 0; inner < k; inner++) {
        const factor = at(unitRows, inner * n + row);
        if (factor === 0) continue;
        subtract(inverse, row * n, solvedInverse, inner * n, n, factor);
        subtract(weight, row * columns, solvedWeight, inner * columns, columns, factor);
      }
    }
  }
}

/** target[i] −= factor·source[i] over `length` entries. */
function subtract(target: Float64Array, to: number, source: Float64Array, from: number, length: number, factor: number): void {
  for (let index = 0; index < length; index++) target[to + index] = (target[to + index] ?? 0) - factor * (source[from + index] ?? 0);
}

/** A [k, k] · B [k, columns] */
function multiply(a: Float64Array, b: Float64Array, k: number, columns: number): Float64Array {
  const result = new Float64Array(k * columns);
  for (let row = 0; row < k; row++)
    for (let inner = 0; inner < k; inner++) subtract(result, row * columns, b, inner * columns, columns, -at(a, row * k + inner));
  return result;
}

/** The inverse of a small symmetric positive definite matrix, without pivoting, which such a matrix does not need. */
function invertPositive(a: Float64Array, n: number): Float64Array {
  for (let pivot = 0; pivot < n; pivot++) {
    const scale = 1 / at(a, pivot * (n + 1));
    a[pivot * (n + 1)] = 1;
    for (let column = 0; column < n; column++) a[pivot * n + column] = at(a, pivot * n + column) * scale;
    for (let row = 0; row < n; row++) {
      if (row === pivot) continue;
      const factor = at(a, row * n + pivot);
      a[row * n + pivot] = 0;
      subtract(a, row * n, a, pivot * n, n, factor);
    }
  }
  return a;
}

function rowsOf(matrix: Float64Array, columns: number, rows: ArrayLike<number>): Float64Array {
  const result = new Float64Array(rows.length * columns);
  for (let index = 0; index < rows.length; index++) {
    const start = at(rows, index) * columns;
    result.set(matrix.subarray(start, start + columns), index * columns);
  }
  return result;
}

function block(matrix: Float64Array, width: number, rows: ArrayLike<number>, columns: ArrayLike<number>): Float64Array {
  const result = new Float64Array(rows.length * columns.length);
  for (let row = 0; row < rows.length; row++)
    for (let column = 0; column < columns.length; column++)
      result[row * columns.length + column] = at(matrix, at(rows, row) * width + at(columns, column));
  return result;
}

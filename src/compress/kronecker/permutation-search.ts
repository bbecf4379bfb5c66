// Orders of rows and columns under which matrices are nearer to sums of Kronecker products: alternation, with rank continuation.
import { at, invariant } from '#base';
import type { DeviceBuffer } from '#engine';
import { linearAssignment, runCooperatively } from '#linalg';
import { type HostTensor, hostTensor } from '#tensor';
import { type EngineMatrices, withBuffers } from '../decomposition/engine-matrices.ts';
import { type KroneckerFit, nearestKroneckerSum, plainOrder, type SumShape, sumInPlace } from './nearest-sum.ts';

/** One axis of one or several matrices: units that are put in another order together. */
export interface SearchAxis {
  readonly size: number;
  readonly isMovable: boolean;
}

/** A matrix of the group and the axes that its rows and columns belong to. */
export interface SearchMatrix {
  readonly weight: HostTensor<'float32'>;
  readonly shape: SumShape;
  readonly rowAxis: SearchAxis;
  readonly columnAxis: SearchAxis;
}

export type SearchKind = 'alternation' | 'continuation';

export interface SearchResult {
  /** order[k] is the unit of the weight that stands at place k of the sum. */
  readonly orders: ReadonlyMap<SearchAxis, Int32Array>;
  /** One a matrix, in the orders found. */
  readonly fits: readonly KroneckerFit[];
  /** The objective after every step at the final number of terms: the sum over the matrices of their relative squared errors. */
  readonly history: readonly number[];
}

/** Alternation ends when a round lowers the objective by less than `tolerance` of it. */
interface Effort {
  readonly tolerance: number;
  readonly rounds: number;
}
/** Fewer terms than wanted are only a way there. */
const onTheWay: Effort = { tolerance: 1e-3, rounds: 4 };
const atTheEnd: Effort = { tolerance: 1e-5, rounds: 12 };

/**
 * Minimizes Σ ‖P·W·Q − Σ_r A_r ⊗ B_r‖²/‖W‖² over the factors and the orders of all movable axes.
 *
 * One step gives the units of one axis new places by linear assignment against the present sums, and fits the sums again: neither
 * raises the objective. Alternation from the plain order alone often does not move, so continuation also tries to begin with one term, where much is to
 * be gained, and to double their number, each time starting from the orders before. The best of all is returned, the plain order included.
 *
 * An axis that no matrix splits (m2 = 1 or n2 = 1 there) stays: its order changes nothing.
 */
export async function searchPermutations(
  matrices: EngineMatrices,
  group: readonly SearchMatrix[],
  kind: SearchKind,
): Promise<SearchResult> {
  const uploaded: DeviceBuffer[] = group.map(({ weight }) => matrices.uploadTensor(weight));
  return await withBuffers(uploaded, () => new Search(matrices, group, uploaded).run(kind));
}

class Search {
  readonly #matrices: EngineMatrices;
  readonly #group: readonly SearchMatrix[];
  readonly #uploaded: readonly DeviceBuffer[];
  readonly #axes: readonly SearchAxis[];
  readonly #orders = new Map<SearchAxis, Int32Array>();

  constructor(matrices: EngineMatrices, group: readonly SearchMatrix[], uploaded: readonly DeviceBuffer[]) {
    this.#matrices = matrices;
    this.#group = group;
    this.#uploaded = uploaded;
    const axes = new Set(group.flatMap(({ rowAxis, columnAxis }) => [rowAxis, columnAxis]));
    for (const axis of axes) this.#orders.set(axis, plainOrder(axis.size));
    this.#axes = [...axes].filter((axis) => axis.isMovable && group.some((matrix) => isSplitAlong(matrix, axis)));
  }

  async run(kind: SearchKind): Promise<SearchResult> {
    const plain = await this.#fit(this.#group);
    const unmoved: SearchResult = { orders: new Map(this.#orders), fits: plain, history: [objective(plain)] };
    if (this.#axes.length === 0) return unmoved;
    const terms = Math.max(...this.#group.map(({ shape }) => shape.terms));
    const alternated = await this.#searchFrom(terms, terms);
    const continued = kind === 'continuation' && terms > 1 ? await this.#searchFrom(1, terms) : alternated;
    return [alternated, continued].reduce((best, each) => (objective(each.fits) < objective(best.fits) ? each : best), unmoved);
  }

  /** Doubles the number of terms, each time with the orders of the one before; begins in the plain order. */
  async #searchFrom(firstRank: number, terms: number): Promise<SearchResult> {
    for (const axis of this.#axes) this.#orders.set(axis, plainOrder(axis.size));
    for (let rank = firstRank; rank < terms; rank *= 2) await this.#alternate(rank, onTheWay);
    const { fits, history } = await this.#alternate(terms, atTheEnd);
    return { orders: new Map(this.#orders), fits, history };
  }

  /** Rounds over all axes with at most `rank` terms a matrix. */
  async #alternate(rank: number, { tolerance, rounds }: Effort): Promise<{ fits: readonly KroneckerFit[]; history: number[] }> {
    const group = this.#group.map((matrix) => ({ ...matrix, shape: { ...matrix.shape, terms: Math.min(rank, matrix.shape.terms) } }));
    let fits: readonly KroneckerFit[] = await this.#fit(group);
    const history = [objective(fits)];
    for (let round = 0; round < rounds; round++) {
      const before = objective(fits);
      for (const axis of this.#axes) {
        fits = await this.#moveAxis(axis, group, fits);
        history.push(objective(fits));
      }
      if (before - objective(fits) <= tolerance * before) break;
    }
    return { fits, history };
  }

  /** One assignment; the old order comes back where rounding made the new one worse. */
  async #moveAxis(axis: SearchAxis, group: readonly SearchMatrix[], fits: readonly KroneckerFit[]): Promise<readonly KroneckerFit[]> {
    const old = this.#orders.get(axis);
    invariant(old !== undefined, 'every axis has an order');
    const cost = await this.#costs(axis, group, fits);
    const { columnOfRow } = await runCooperatively(linearAssignment(cost, axis.size), this.#matrices.signal);
    if (columnOfRow.every((unit, place) => unit === old[place])) return fits;
    this.#orders.set(axis, columnOfRow);
    const moved = await this.#fit(group, fits, axis);
    if (objective(moved) < objective(fits)) return moved;
    this.#orders.set(axis, old);
    return fits;
  }

  /** −Σ ⟨unit of W, place of the sum⟩ / ‖W‖² over the matrices that the axis splits: [places, units]. */
  async #costs(axis: SearchAxis, group: readonly SearchMatrix[], fits: readonly KroneckerFit[]): Promise<Float32Array> {
    let sum: Float32Array | undefined;
    for (const [index, matrix] of group.entries()) {
      if (!isSplitAlong(matrix, axis)) continue;
      const fit = at(fits, index);
      const [m, n] = [matrix.rowAxis.size, matrix.columnAxis.size];
      // The axis in question stays in the order of the sum, the other one goes to where W has it.
      const isRows = matrix.rowAxis === axis;
      const rows = isRows ? plainOrder(m) : this.#order(matrix.rowAxis);
      const columns = isRows ? this.#order(matrix.columnAxis) : plainOrder(n);
      const data = await runCooperatively(sumInPlace(fit, rows, columns, -1 / (fit.total || 1)), this.#matrices.signal);
      const operands = { x: hostTensor('float32', [m, n], data), y: at(this.#uploaded, index) };
      const scores = await this.#matrices.run(isRows ? 'rowScores' : 'columnScores', operands);
      const part = scores.read().data;
      scores.release();
      invariant(part instanceof Float32Array, 'scores are float32');
      if (sum === undefined) sum = part.slice();
      else for (let place = 0; place < part.length; place++) sum[place] = (sum[place] ?? 0) + (part[place] ?? 0);
    }
    invariant(sum !== undefined, 'a movable axis splits a matrix');
    return sum;
  }

  /** Fits all matrices, or after a move only those that lie on the axis. */
  async #fit(group: readonly SearchMatrix[], known: readonly KroneckerFit[] = [], moved?: SearchAxis): Promise<readonly KroneckerFit[]> {
    const fits: KroneckerFit[] = [];
    for (const [index, { weight, shape, rowAxis, columnAxis }] of group.entries()) {
      const before = known[index];
      if (before !== undefined && moved !== undefined && rowAxis !== moved && columnAxis !== moved) {
        fits.push(before);
        continue;
      }
      const matrix = { data: weight.data, rows: this.#order(rowAxis), columns: this.#order(columnAxis) };
      fits.push(await runCooperatively(nearestKroneckerSum(matrix, shape), this.#matrices.signal));
    }
    return fits;
  }

  #order(axis: SearchAxis): Int32Array {
    const order = this.#orders.get(axis);
    invariant(order !== undefined, 'every axis has an order');
    return order;
  }
}

function isSplitAlong({ rowAxis, columnAxis, shape }: SearchMatrix, axis: SearchAxis): boolean {
  return (rowAxis === axis && shape.m2 > 1) || (columnAxis === axis && shape.n2 > 1);
}

function objective(fits: readonly KroneckerFit[]): number {
  return fits.reduce((sum, { lost, total }) => sum + (total === 0 ? 0 : lost / total), 0);
}

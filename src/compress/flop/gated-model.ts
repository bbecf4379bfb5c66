// Which pairs of factors of a model have gates, where each gate stands in the one vector of them, and what it costs.
import { at, invariant } from '#base';
import { type Model, type ModelDeclaration, type Parameter, storedName } from '#models';
import { type DType, dtypeBytes } from '#tensor';

/**
 * Two stored factors left [m, R] and right [R, n] of one parameter, with one gate a term: a column of the left and a row of the right.
 *
 * How many terms are left is no part of it: training takes some away. Functions below take those numbers as `ranks`, in the order of `pairsOf`.
 */
export interface GatedPair {
  /** Of the parameter. */
  readonly path: string;
  /** Slots. */
  readonly left: string;
  readonly right: string;
  /** m and n. */
  readonly rows: number;
  readonly columns: number;
  /** The rows of the matrix that it stands for; all, in their order, when absent. */
  readonly ofRows?: Int32Array;
}

/** A parameter with gates: one pair, or one a cluster of an adaptive embedding. */
export interface GatedLayer {
  readonly path: string;
  readonly pairs: readonly GatedPair[];
  /** Type of what is stored afterwards. */
  readonly dtype: DType;
  /** Stored before, in whatever form; the share that stays is one of this. */
  readonly bytesBefore: number;
  readonly kindBefore: string;
  /** Elements of the dense matrix. */
  readonly denseElements: number;
  /** Bytes that stay whatever the gates do: the places of an adaptive embedding. */
  readonly fixedBytes: number;
  /** The parameter with other factors; settings and the remaining tensors follow from them. */
  readonly withFactors: (factors: readonly Factors[]) => Parameter;
}

/** The factors of one pair as they are stored: [m, R] and [R, n]. */
export interface Factors {
  readonly left: Parameter['tensors'][string];
  readonly right: Parameter['tensors'][string];
}

/** All pairs in the order of their gates. */
export function pairsOf(layers: readonly GatedLayer[]): readonly GatedPair[] {
  return layers.flatMap(({ pairs }) => pairs);
}

/** Stored elements of one term: m + n. */
export function termElements({ rows, columns }: GatedPair): number {
  return rows + columns;
}

/** Bytes of one term of each pair. */
export function termBytes(layers: readonly GatedLayer[]): readonly number[] {
  return layers.flatMap(({ pairs, dtype }) => pairs.map((pair) => termElements(pair) * dtypeBytes[dtype]));
}

export function totalBytesBefore(layers: readonly GatedLayer[]): number {
  return layers.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
}

/** Bytes of a layer with so many terms in each of its pairs; no more than the dense matrix, which is stored where it is smaller. */
export function layerBytes(layer: GatedLayer, ranks: readonly number[]): number {
  return Math.min(factorBytes(layer, ranks), layer.denseElements * dtypeBytes[layer.dtype]);
}

/** Bytes of its factors alone. */
export function factorBytes({ pairs, dtype, fixedBytes }: GatedLayer, ranks: readonly number[]): number {
  const elements = pairs.reduce((sum, pair, index) => sum + termElements(pair) * at(ranks, index), 0);
  return elements * dtypeBytes[dtype] + fixedBytes;
}

/** How many gates stand before each pair. */
export function gateOffsets(ranks: readonly number[]): readonly number[] {
  let sum = 0;
  return ranks.map((rank) => {
    sum += rank;
    return sum - rank;
  });
}

/** A vector over all gates, pair by pair. */
export function byPair(values: ArrayLike<number>, ranks: readonly number[]): number[][] {
  return gateOffsets(ranks).map((offset, pair) => Array.from({ length: at(ranks, pair) }, (_, index) => values[offset + index] ?? 0));
}

/** Names of a pair's tensors in graphs and checkpoints. */
export function pairNames(model: ModelDeclaration, { path, left, right }: GatedPair): { readonly left: string; readonly right: string } {
  const parameter = model.parameters.get(path);
  invariant(parameter !== undefined, `${path} is a parameter of the model`);
  return { left: storedName(parameter, left), right: storedName(parameter, right) };
}

/** The terms of each pair of a model. */
export function ranksOf(model: ModelDeclaration, layers: readonly GatedLayer[]): readonly number[] {
  return pairsOf(layers).map(({ path, left }) => at(model.parameters.get(path)?.tensors[left]?.shape ?? [], 1));
}

/** The factors of each pair of a model. */
export function factorsOf(model: Model, layer: GatedLayer): readonly Factors[] {
  const tensors = model.parameters.get(layer.path)?.tensors ?? {};
  return layer.pairs.map(({ path, left, right }) => {
    const [leftFactor, rightFactor] = [tensors[left], tensors[right]];
    invariant(leftFactor !== undefined && rightFactor !== undefined, `${path} has the factors ${left} and ${right}`);
    return { left: leftFactor, right: rightFactor };
  });
}

// Which terms stay when gates become hard: as many as the gates expect, then as many as the stored bytes ask for.
import { at } from '#base';
import { type GatedLayer, layerBytes } from './gated-model.ts';
import { keepProbability } from './hard-concrete.ts';

/** The places of the terms that stay, ascending, one list a pair. */
export type KeptTerms = readonly (readonly number[])[];

/** One term that may stay. */
interface Term {
  readonly pair: number;
  readonly index: number;
  readonly alpha: number;
}

/**
 * Of each pair as many terms as its gates expect, those with the largest α; then the weakest of all go, or the strongest of the others come back,
 * until the stored bytes are the largest within `budgetBytes`. Every pair keeps one term, since a stored matrix has at least rank 1.
 *
 * @param alphas - by pair
 * @see Z. Wang, J. Wohlwend, T. Lei, EMNLP 2020, and the code of its authors: the number of zeros is the expected one, rounded. We differ: the
 * numbers are then corrected, so that the stored size is what was asked for.
 */
export function chooseTerms(
  layers: readonly GatedLayer[],
  alphas: readonly (readonly number[])[],
  { beta, budgetBytes }: { readonly beta: number; readonly budgetBytes: number },
): KeptTerms {
  const terms = alphas.map((ofPair, pair) => ofPair.map((alpha, index): Term => ({ pair, index, alpha })).sort(strongestFirst));
  const ranks = alphas.map((ofPair) => {
    const expected = ofPair.reduce((sum, alpha) => sum + keepProbability(alpha, beta), 0);
    return Math.min(ofPair.length, Math.max(1, Math.round(expected)));
  });
  const sizes = new StoredSizes(layers, ranks);
  const ranked = terms.flat().sort(strongestFirst);
  const chosen = new Set(terms.flatMap((ofPair, pair) => ofPair.slice(0, at(ranks, pair))));
  for (const term of ranked.toReversed()) {
    if (sizes.total <= budgetBytes) break;
    if (!chosen.has(term) || sizes.rank(term.pair) === 1) continue;
    chosen.delete(term);
    sizes.change(term.pair, -1);
  }
  for (const term of ranked) {
    if (chosen.has(term)) continue;
    sizes.change(term.pair, 1);
    if (sizes.total <= budgetBytes) chosen.add(term);
    else sizes.change(term.pair, -1);
  }
  return terms.map((ofPair) =>
    ofPair
      .filter((term) => chosen.has(term))
      .map(({ index }) => index)
      .sort((first, second) => first - second),
  );
}

/** By α; where those are equal in the order of the terms, which is that of the singular values at the start. */
function strongestFirst(first: Term, second: Term): number {
  return second.alpha - first.alpha || first.index - second.index || first.pair - second.pair;
}

/** Stored bytes while ranks change. */
class StoredSizes {
  readonly #layers: readonly GatedLayer[];
  /** The layer of each pair, and the first pair of each layer. */
  readonly #layerOf: readonly number[];
  readonly #firstPair: readonly number[];
  readonly #ranks: number[];
  #total: number;

  constructor(layers: readonly GatedLayer[], ranks: readonly number[]) {
    this.#layers = layers;
    this.#layerOf = layers.flatMap(({ pairs }, layer) => pairs.map(() => layer));
    this.#firstPair = layers.map((_, layer) => this.#layerOf.indexOf(layer));
    this.#ranks = [...ranks];
    this.#total = layers.reduce((sum, _, layer) => sum + this.#bytes(layer), 0);
  }

  get total(): number {
    return this.#total;
  }

  rank(pair: number): number {
    return at(this.#ranks, pair);
  }

  change(pair: number, by: 1 | -1): void {
    const layer = at(this.#layerOf, pair);
    const before = this.#bytes(layer);
    this.#ranks[pair] = this.rank(pair) + by;
    this.#total += this.#bytes(layer) - before;
  }

  #bytes(index: number): number {
    const layer = at(this.#layers, index);
    const first = at(this.#firstPair, index);
    return layerBytes(layer, this.#ranks.slice(first, first + layer.pairs.length));
  }
}

// How alike the blocks of a model are on sample text: by what they add to the residual stream, or by linear CKA of their results.
import { AppError, at, type OperationContext } from '#base';
import type { Emitter, Value } from '#graph';
import { depthTaps, type Model } from '#models';
import { toNumbers } from '#tensor';
import type { Calibration } from '../calibration.ts';

export type SimilarityKind = 'cosine' | 'cka';

/** Symmetric [L][L] with ones on the diagonal. */
export type Similarities = readonly (readonly number[])[];

/**
 * `cosine`: the mean over the tokens of the cosine between the updates of two blocks, h_i - h_{i-1}.
 * `cka`: linear CKA of their results, with the centred Gram matrices of each batch of windows summed.
 *
 * @throws AppError `unsupported` for a model without one stack of blocks | `not_enough_samples` | `cancelled`
 * @see Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019; Nguyen, Raghu and Kornblith, ICLR 2021, §3
 */
export async function blockSimilarities(
  model: Model,
  kind: SimilarityKind,
  calibration: Calibration,
  context: OperationContext,
): Promise<Similarities> {
  const { layers } = model.config;
  const sums = new Float64Array(layers * layers);
  const values = calibration.windowValues(
    model,
    ({ b, taps }) => {
      const states = [depthTaps.input, ...Array.from({ length: layers }, (_, block) => `h.${block}`)].map((name) => {
        const value = taps.get(name);
        if (value !== undefined) return value;
        throw new AppError('unsupported', `share.from: "similar" compares the blocks of one stack, and ${name} is none of this model's.`);
      });
      return { products: kind === 'cosine' ? cosineSums(b, states) : gramProducts(b, states.slice(1)) };
    },
    context,
  );
  for await (const { products } of values) {
    if (products === undefined) continue;
    toNumbers(products).forEach((value, index) => {
      sums[index] = at(sums, index) + Number(value);
    });
  }
  const norm = (block: number): number => Math.sqrt(at(sums, block * (layers + 1)));
  const scale = (i: number, j: number): number => norm(i) * norm(j) || 1;
  return Array.from({ length: layers }, (_, i) => Array.from({ length: layers }, (_, j) => at(sums, i * layers + j) / scale(i, j)));
}

/** L+1 states [N, D] -> [L, L]: sums over the rows of the products of unit updates. */
function cosineSums(b: Emitter, states: readonly Value[]): Value {
  const updates = states.slice(1).map((state, block) => {
    const update = b.sub(state, at(states, block));
    const norms = b.sqrt(b.add(b.reduceSum(b.mul(update, update), [1], true), 1e-12));
    return b.div(update, norms);
  });
  return pairProducts(b, updates);
}

/** L states [N, D] -> [L, L]: products of their Gram matrices, centred over the rows. */
function gramProducts(b: Emitter, states: readonly Value[]): Value {
  const grams = states.map((state) => {
    const count = b.reduceSum(b.broadcastTo(b.scalar(1, 'float32'), [at(state.shape, 0), 1]), [0], true);
    const centred = b.sub(state, b.div(b.reduceSum(state, [0], true), count));
    // Of size one, so that sums of squares stay small numbers and every batch counts the same; CKA does not depend on it.
    const unit = b.div(centred, b.sqrt(b.add(b.reduceSum(b.mul(centred, centred), [0, 1], true), 1e-12)));
    return b.matmul(unit, unit, { transposeB: true }); // [N, N]
  });
  return pairProducts(b, grams);
}

/** L matrices [N, M] -> [L, L]: the sum of the products of their elements, for each pair. */
function pairProducts(b: Emitter, matrices: readonly Value[]): Value {
  const joined = b.concat(
    matrices.map((matrix) => b.reshape(matrix, [1, ...matrix.shape])),
    0,
  ); // [L, N, M]
  const byRow = b.transpose(joined, [1, 0, 2]); // [N, L, M]
  return b.reduceSum(b.matmul(byRow, byRow, { transposeB: true }), [0]); // [L, L]
}

/** Of the layers given the one whose mean similarity to the others is largest; the first of those that are equal. */
export function mostTypical(
  similarities: Similarities,
  layers: readonly number[],
): { readonly layer: number; readonly similarity: number } {
  const scores = layers.map((layer) => {
    const others = layers.filter((other) => other !== layer);
    return others.reduce((sum, other) => sum + at(at(similarities, layer), other), 0) / Math.max(1, others.length);
  });
  const best = scores.reduce((chosen, score, index) => (score > at(scores, chosen) + 1e-9 ? index : chosen), 0);
  return { layer: at(layers, best), similarity: layers.length === 1 ? 1 : at(scores, best) };
}

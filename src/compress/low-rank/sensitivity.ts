// What the model really loses when one matrix at a time is cut, at a grid of ratios.
import { at, type OperationContext, throwIfCancelled } from '#base';
import type { Model } from '#models';
import { hostTensor } from '#tensor';
import type { Calibration } from '../calibration.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { rankForRatio } from './ranks.ts';
import type { LossCurve } from './share-out.ts';
import { cutSolved, type Solved } from './target.ts';

/** Shares of its bytes at which each matrix is tried. */
const grid = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/**
 * The rise of the loss on calibration text with each matrix cut alone.
 *
 * @see Yuan et al., "ASVD", 2023, §3.3 (sensitivity-based truncation rank searching). We differ: ranks are then shared out by the loss that a byte
 * saves and not by one threshold for all layers.
 */
export async function measureSensitivity(
  model: Model,
  solved: readonly Solved[],
  matrices: EngineMatrices,
  calibration: Calibration,
  context: OperationContext,
): Promise<LossCurve[]> {
  const paths = solved.map(({ target }) => target.spec.path);
  const probe = await calibration.lossProbe(model, paths, context);
  try {
    const base = await probe.loss();
    const curves: LossCurve[] = [];
    for (const [index, each] of solved.entries()) {
      const { target, factors } = each;
      const ranks = [...new Set(grid.map((ratio) => Math.min(rankForRatio(target, ratio), factors.rank)))];
      const points = [];
      for (const rank of ranks) {
        throwIfCancelled(context.signal);
        const weight = await denseOf(matrices, cutSolved(each, rank));
        points.push({ rank, loss: (await probe.loss(target.spec.path, weight)) - base });
      }
      curves.push({ ...target, points });
      const largest = at(points, 0).loss;
      context.report({
        phase: 'sensitivity',
        step: index + 1,
        total: solved.length,
        item: target.spec.path,
        metrics: { largestRise: largest },
      });
    }
    return curves;
  } finally {
    await probe.release();
  }
}

async function denseOf(matrices: EngineMatrices, { target: { rows, columns }, factors: { rank, left, right } }: Solved) {
  const dense = await matrices.runToHost('product', {
    x: hostTensor('float64', [rows, rank], left),
    y: hostTensor('float64', [rank, columns], right),
  });
  return hostTensor('float32', [rows, columns], Float32Array.from(dense));
}

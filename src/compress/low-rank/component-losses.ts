// What the model's loss minds about losing components of a factorization, to second order, from gradients on calibration text.
import { at, invariant, type OperationContext } from '#base';
import type { Model } from '#models';
import { hostTensor } from '#tensor';
import type { Calibration } from '../calibration.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import type { Factors } from '../decomposition/factor-problem.ts';
import type { LossCurve } from './share-out.ts';
import type { Solved } from './target.ts';

/** r·Γ·rᵀ of each row of the right factor [R, n], with Γ [n, n]. */
export async function outputEnergies(matrices: EngineMatrices, { rank, right }: Factors, moments: Float64Array): Promise<Float64Array> {
  const n = right.length / rank;
  const passed = await matrices.runToHost('product', {
    x: hostTensor('float64', [rank, n], right),
    y: hostTensor('float64', [n, n], moments),
  });
  const energies = new Float64Array(rank);
  passed.forEach((value, index) => {
    const row = Math.floor(index / n);
    energies[row] = at(energies, row) + value * at(right, index);
  });
  return energies;
}

/** A decomposition whose components come in the order of what the loss minds, with that as a curve. */
export interface Weighed {
  readonly solved: Solved;
  readonly curve: LossCurve;
}

/**
 * Estimates for every component l·r of every layer what the loss rises by without it: (lᵀ·H·l)·(r·Γ·rᵀ), where H and Γ are the second moments
 * of the layer's inputs and of the gradients at its outputs. That is the Kronecker-factored curvature of the layer; products of two components are
 * left out (for `whitened` they vanish on the side of the inputs).
 *
 * @see J. Martens, R. Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature", ICML 2015, for the curvature
 */
export async function weighComponents(
  model: Model,
  solved: readonly Solved[],
  matrices: EngineMatrices,
  calibration: Calibration,
  context: OperationContext,
): Promise<Weighed[]> {
  const byPath = new Map(solved.map((each) => [each.target.spec.path, each]));
  const weighed = new Map<string, Weighed>();
  for await (const { path, gram } of calibration.outputMoments(model, [...byPath.keys()], context)) {
    const each = byPath.get(path);
    invariant(each?.inputEnergies !== undefined, `${path} has no moments of its inputs`);
    const outputs = await outputEnergies(matrices, each.factors, gram);
    const losses = each.inputEnergies.map((energy, index) => Math.max(0, energy * at(outputs, index)));
    weighed.set(path, weigh(each, losses));
  }
  return solved.map(({ target }) => {
    const each = weighed.get(target.spec.path);
    invariant(each !== undefined, `${target.spec.path} was not weighed`);
    return each;
  });
}

/** Puts the components in the order of their losses; what lies beyond them counts as much as their last one a component. */
function weigh(solved: Solved, losses: Float64Array): Weighed {
  const order = Array.from(losses.keys()).sort((first, second) => at(losses, second) - at(losses, first) || first - second);
  const rest = solved.squares.subarray(losses.length).reduce((sum, square) => sum + square, 0);
  const kept = solved.squares.subarray(0, losses.length).reduce((sum, square) => sum + square, 0);
  const total = losses.reduce((sum, loss) => sum + loss, 0);
  // The components past break-even are not there to be weighed: their share of the error stands for their share of the loss.
  let lost = total + (kept > 0 ? (total * rest) / kept : 0);
  const points = order.map((component, index) => {
    lost -= at(losses, component);
    return { rank: index + 1, loss: lost };
  });
  const squares = Float64Array.from(solved.squares);
  order.forEach((component, index) => {
    squares[index] = at(solved.squares, component);
  });
  const reordered: Solved = { ...solved, squares, factors: reorder(solved.factors, order) };
  return { solved: reordered, curve: { ...solved.target, points } };
}

function reorder({ rank, left, right }: Factors, order: readonly number[]): Factors {
  const n = right.length / rank;
  const newRight = new Float64Array(right.length);
  order.forEach((component, index) => {
    newRight.set(right.subarray(component * n, (component + 1) * n), index * n);
  });
  return { rank, left: left.map((_, index) => at(left, index - (index % rank) + at(order, index % rank))), right: newRight };
}

// One matrix to factorize, and what is known of it once it is decomposed.
import { AppError, at, invariant } from '#base';
import { type Model, materializeParameter, type Parameter, type ParameterSpec } from '#models';
import { castTensor, type DType, dtypeBytes, firstNonFinite, type HostTensor, isFloat, printShape, tensorBytes } from '#tensor';
import { cutFactors, roundFactors } from '../decomposition/balance.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type Factors, type Loss, relativeError, weightLoss } from '../decomposition/factor-problem.ts';
import type { FinishedLayer, LayerReport } from '../method.ts';
import { componentBytes, type RankCase } from './ranks.ts';

/** One matrix to factorize. */
export interface Target extends RankCase {
  readonly spec: ParameterSpec;
  readonly parameter: Parameter;
  /** Type of the stored factors: that of the stored weight, so that ratios of elements are ratios of bytes. */
  readonly dtype: DType;
}

export function describeTarget(model: Model, spec: ParameterSpec): Target {
  const parameter = model.parameters.get(spec.path);
  invariant(parameter !== undefined, `${spec.path} is in the architecture but not in the model`);
  const tensors = Object.values(parameter.tensors);
  const floats = tensors.filter((tensor) => isFloat(tensor.dtype));
  const first = floats[0]?.dtype ?? 'float32';
  const dtype = floats.every((tensor) => tensor.dtype === first) ? first : 'float32';
  const bytesBefore = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  return { spec, parameter, dtype, rows: at(spec.shape, 0), columns: at(spec.shape, 1), elementBytes: dtypeBytes[dtype], bytesBefore };
}

/** @throws AppError `rank_out_of_range` */
export function checkRank({ spec, rows, columns }: Target, rank: number, step = 'lowRank'): void {
  const limit = Math.min(rows, columns);
  if (rank >= 1 && rank <= limit) return;
  const message = `${step}: rank ${rank} of ${spec.path} ${printShape(spec.shape)} is outside 1..${limit}. Choose another, or exclude it.`;
  throw new AppError('rank_out_of_range', message, { details: { path: spec.path, rank, limit } });
}

/** Its dense numbers. @throws AppError `bad_weights` */
export function weightOf(model: Model, { spec }: Target): HostTensor<'float32'> {
  const weight = materializeParameter(model, spec.path);
  const bad = firstNonFinite(weight);
  if (bad < 0) return weight;
  const columns = at(weight.shape, 1);
  const place = `[${Math.floor(bad / columns)}, ${bad % columns}]`;
  throw new AppError('bad_weights', `${spec.path}${place} is ${weight.data[bad]}. Use a checkpoint from before it diverged.`);
}

/** A matrix whose factors are known, to be cut to their final rank. */
export interface Solved {
  readonly target: Target;
  readonly factors: Factors;
  /** σ², of the factors' components in their order, then those of the others that are known. */
  readonly squares: Float64Array;
  /** Sum over the whole spectrum. */
  readonly energy: number;
  /** The floor under the inputs' moments, where the matrix was whitened. */
  readonly floor: number | undefined;
  /** lᵀ·H·l of each column l of the left factor, where the inputs' moments are known: the size of what it passes on. */
  readonly inputEnergies?: Float64Array;
}

/** The first `rank` components. */
export function cutSolved(solved: Solved, rank: number): Solved {
  return { ...solved, factors: cutFactors(solved.factors, rank) };
}

/**
 * Rounds the factors to their stored type and measures what they lose.
 *
 * @param outputError - what else is known of the loss
 */
export async function factorizedLayer(
  matrices: EngineMatrices,
  model: Model,
  target: Target,
  factors: Factors,
  outputError: (loss: Loss) => Pick<LayerReport, 'outputError'> = () => ({}),
): Promise<FinishedLayer> {
  const { path } = target.spec;
  const { rank } = factors;
  const { left, right } = roundFactors(factors, target.dtype);
  const loss = await weightLoss(matrices, weightOf(model, target), castTensor(left, 'float32'), castTensor(right, 'float32'));
  const layer: LayerReport = {
    path,
    kindBefore: target.parameter.kind,
    kindAfter: 'lowRank',
    bytesBefore: target.bytesBefore,
    bytesAfter: rank * componentBytes(target),
    weightError: relativeError(loss),
    rank,
    ...outputError(loss),
  };
  return { layer, parameters: [{ path, kind: 'lowRank', settings: { rank }, tensors: { left, right } }] };
}

/** A matrix that is not worth factorizing. */
export function keptAsItIs({ spec: { path }, parameter: { kind }, bytesBefore }: Target, why: string): FinishedLayer {
  const note = `kept as it is: ${why}`;
  return { layer: { path, kindBefore: kind, kindAfter: kind, bytesBefore, bytesAfter: bytesBefore, weightError: 0, note }, parameters: [] };
}

// The low-rank method: replaces matrices by two thin factors, plainly or weighted by the inputs that a layer really sees.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import { type Model, materializeParameter, type Parameter, type ParameterSpec, replaceParameters } from '#models';
import { castTensor, type DType, dtypeBytes, firstNonFinite, type HostTensor, isFloat, printShape, tensorBytes } from '#tensor';
import type { InputMoments } from '../calibration.ts';
import { balanceFactors, cutFactors, roundFactors } from '../decomposition/balance.ts';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import {
  type FactorProblem,
  type Factors,
  InputMetric,
  type Loss,
  plainProblem,
  relativeError,
  weightLoss,
  whitenedProblem,
} from '../decomposition/factor-problem.ts';
import { allEigen, dominantEigen, firstVectors } from '../decomposition/gram-eigen.ts';
import { type CompressionEnvironment, type LayerReport, type Method, type MethodResult, methodReport } from '../method.ts';
import { overlapped } from '../overlap.ts';
import { selectMatrices } from '../patterns.ts';
import { allocateByLoss, breakEvenRank, componentBytes, type RankCase, rankForEnergy, rankForRatio } from './ranks.ts';
import { type LowRankSettings, lowRankSettings } from './settings.ts';

const phase = 'low rank';

/**
 * W [m, n] ≈ left [m, R] · right [R, n] for every selected matrix.
 *
 * @see README.md beside this file, and the sources at `whitenedProblem` and `dominantEigen`
 */
export const lowRank: Method<LowRankSettings> = {
  name: 'lowRank',
  settings: lowRankSettings,
  needsCalibration: ({ method }) => method === 'whitened',
  async apply(model, settings, environment, context) {
    const targets = selectMatrices(model, settings).map((spec) => describeTarget(model, spec));
    if (settings.rank !== undefined) for (const target of targets) checkRank(target, settings.rank);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const run = new LowRankRun(model, settings, environment, context, matrices, targets.length);
      return await run.apply(targets);
    } finally {
      await matrices.release();
    }
  },
};

/** One matrix to factorize. */
interface Target extends RankCase {
  readonly spec: ParameterSpec;
  readonly parameter: Parameter;
  /** Type of the stored factors: that of the stored weight, so that ratios of elements are ratios of bytes. */
  readonly dtype: DType;
}

function describeTarget(model: Model, spec: ParameterSpec): Target {
  const parameter = model.parameters.get(spec.path);
  invariant(parameter !== undefined, `${spec.path} is in the architecture but not in the model`);
  const tensors = Object.values(parameter.tensors);
  const floats = tensors.filter((tensor) => isFloat(tensor.dtype));
  const first = floats[0]?.dtype ?? 'float32';
  const dtype = floats.every((tensor) => tensor.dtype === first) ? first : 'float32';
  const bytesBefore = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  return { spec, parameter, dtype, rows: at(spec.shape, 0), columns: at(spec.shape, 1), elementBytes: dtypeBytes[dtype], bytesBefore };
}

function checkRank({ spec, rows, columns }: Target, rank: number): void {
  const limit = Math.min(rows, columns);
  if (rank >= 1 && rank <= limit) return;
  const message = `lowRank: rank ${rank} of ${spec.path} ${printShape(spec.shape)} is outside 1..${limit}. Choose another, or exclude it.`;
  throw new AppError('rank_out_of_range', message, { details: { path: spec.path, rank, limit } });
}

/** A matrix whose factors are known, to be cut to their final rank. */
interface Solved {
  readonly target: Target;
  readonly factors: Factors;
  /** σ², descending: all of them, or as many as the factors have. */
  readonly squares: Float64Array;
  /** Sum over the whole spectrum. */
  readonly energy: number;
  /** The floor under the inputs' moments, where the matrix was whitened. */
  readonly floor: number | undefined;
}

/** One application of the method: what all its steps share. */
class LowRankRun {
  readonly #model: Model;
  readonly #settings: LowRankSettings;
  readonly #environment: CompressionEnvironment;
  readonly #context: OperationContext;
  readonly #matrices: EngineMatrices;
  readonly #total: number;
  #numDone = 0;

  constructor(
    model: Model,
    settings: LowRankSettings,
    environment: CompressionEnvironment,
    context: OperationContext,
    matrices: EngineMatrices,
    total: number,
  ) {
    this.#model = model;
    this.#settings = settings;
    this.#environment = environment;
    this.#context = context;
    this.#matrices = matrices;
    this.#total = total;
  }

  async apply(targets: readonly Target[]): Promise<MethodResult> {
    const finished =
      this.#settings.allocate === 'loss'
        ? await this.#applyAllocated(targets)
        : await collect(this.#solveAll(targets), (each) => this.#finish(each));
    const byPath = new Map(finished.map((result) => [result.layer.path, result]));
    const ordered = targets.map(({ spec }) => {
      const result = byPath.get(spec.path);
      invariant(result !== undefined, `${spec.path} was not decomposed`);
      return result;
    });
    const replacements = ordered.flatMap(({ parameter }) => (parameter === undefined ? [] : [parameter]));
    const report = methodReport(
      'lowRank',
      ordered.map(({ layer }) => layer),
    );
    return { model: replaceParameters(this.#model, replacements), report };
  }

  /** Decomposes everything first, then shares out the bytes. */
  async #applyAllocated(targets: readonly Target[]): Promise<Finished[]> {
    const { ratio } = this.#settings;
    invariant(ratio !== undefined, 'the settings allow loss allocation with a ratio only');
    const solved = await collect(this.#solveAll(targets), async (each) => each);
    const budgetBytes = ratio * targets.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
    const ranks = allocateByLoss(
      solved.map(({ target, squares }) => ({ ...target, squares })),
      budgetBytes,
    );
    const finished: Finished[] = [];
    for (const [index, each] of solved.entries())
      finished.push(await this.#finish({ ...each, factors: cutFactors(each.factors, at(ranks, index)) }));
    return finished;
  }

  #solveAll(targets: readonly Target[]): AsyncGenerator<Solved> {
    return overlapped(this.#jobs(targets));
  }

  /** Embeddings have no inputs to look at, so they are always decomposed plainly. */
  async *#jobs(targets: readonly Target[]): AsyncGenerator<() => Promise<Solved>> {
    const isWhitened = (target: Target): boolean => this.#settings.method === 'whitened' && target.spec.role === 'linear';
    const byPath = new Map(targets.filter(isWhitened).map((target) => [target.spec.path, target]));
    for (const target of targets) if (!isWhitened(target)) yield () => this.#solve(target, undefined);
    if (byPath.size === 0) return;
    const { calibration } = this.#environment;
    if (calibration === undefined)
      throw new AppError('not_enough_samples', 'lowRank: method "whitened" looks at layer inputs and got no calibration text. Give data.');
    for await (const moments of calibration.inputMoments(this.#model, [...byPath.keys()], this.#context)) {
      const metric = new InputMetric(moments.gram, moments.width);
      for (const path of moments.paths) {
        const target = byPath.get(path);
        invariant(target !== undefined, `calibration answered for ${path}, which was not asked for`);
        yield () => this.#solve(target, { metric, moments });
      }
    }
  }

  async #solve(target: Target, input: { metric: InputMetric; moments: InputMoments } | undefined): Promise<Solved> {
    throwIfCancelled(this.#context.signal);
    const weight = this.#weight(target);
    const matrices = this.#matrices;
    const problem = await (input === undefined ? plainProblem(matrices, weight) : whitenedProblem(matrices, weight, input.metric));
    try {
      const solved = await this.#decompose(target, problem);
      if (input !== undefined) checkSamples(target, solved.factors.rank, input.moments.tokens);
      return { ...solved, target, floor: input?.metric.floor };
    } finally {
      problem.release();
    }
  }

  /** A rank that is known beforehand needs only the dominant part of the spectrum. */
  async #decompose(target: Target, problem: FactorProblem): Promise<{ factors: Factors; squares: Float64Array; energy: number }> {
    const { ratio, rank, energy, allocate } = this.#settings;
    const fixedRank = rank ?? (ratio !== undefined && allocate === 'uniform' ? rankForRatio(target, ratio) : undefined);
    if (fixedRank !== undefined) {
      const seed = this.#settings.seed ?? this.#environment.seed ?? 0;
      const eigen = await dominantEigen(this.#matrices, problem.gram, fixedRank, seed);
      return { factors: balanceFactors(await problem.factors(eigen)), squares: eigen.values, energy: eigen.energy };
    }
    const eigen = await allEigen(this.#matrices, problem.gram);
    // A rank past break-even is never stored.
    const kept = energy === undefined ? breakEvenRank(target) : rankForEnergy(eigen.values, energy);
    const factors = balanceFactors(await problem.factors(firstVectors(eigen, kept)));
    return { factors, squares: eigen.values, energy: eigen.energy };
  }

  #weight({ spec }: Target): HostTensor<'float32'> {
    const weight = materializeParameter(this.#model, spec.path);
    const bad = firstNonFinite(weight);
    if (bad < 0) return weight;
    const columns = at(weight.shape, 1);
    const place = `[${Math.floor(bad / columns)}, ${bad % columns}]`;
    throw new AppError('bad_weights', `${spec.path}${place} is ${weight.data[bad]}. Use a checkpoint from before it diverged.`);
  }

  /** Rounds the factors to their stored type, measures what they lose, and reports the layer. */
  async #finish(solved: Solved): Promise<Finished> {
    const { target, factors } = solved;
    const { rank } = factors;
    const bytesAfter = rank * componentBytes(target);
    const base = { path: target.spec.path, kindBefore: target.parameter.kind, bytesBefore: target.bytesBefore };
    // An explicit rank is an order; a ratio or an energy asks for a smaller model.
    if (this.#settings.rank === undefined && bytesAfter >= target.bytesBefore) {
      const note = `kept as it is: rank ${rank} would store ${bytesAfter} bytes in place of ${target.bytesBefore}`;
      const layer = { ...base, kindAfter: target.parameter.kind, bytesAfter: target.bytesBefore, weightError: 0, note };
      this.#report(layer);
      return { layer };
    }
    const stored = roundFactors(factors, target.dtype);
    const loss = await weightLoss(
      this.#matrices,
      this.#weight(target),
      castTensor(stored.left, 'float32'),
      castTensor(stored.right, 'float32'),
    );
    const layer: LayerReport = {
      ...base,
      kindAfter: 'lowRank',
      bytesAfter,
      weightError: relativeError(loss),
      rank,
      ...outputError(solved, loss),
    };
    this.#report(layer);
    const { left, right } = stored;
    return { layer, parameter: { path: target.spec.path, kind: 'lowRank', settings: { rank }, tensors: { left, right } } };
  }

  #report({ path, weightError, outputError, rank, bytesBefore, bytesAfter }: LayerReport): void {
    const errors = outputError === undefined ? { weightError } : { weightError, outputError };
    const metrics = { ...errors, ...(rank === undefined ? {} : { rank }), bytesBefore, bytesAfter };
    this.#context.report({ phase, step: ++this.#numDone, total: this.#total, item: path, metrics });
  }
}

interface Finished {
  readonly layer: LayerReport;
  /** Absent where the parameter stays as it is. */
  readonly parameter?: Parameter;
}

/** The discarded singular values are the error of the outputs; what the floor under the moments added to them comes off again. */
function outputError({ squares, energy, floor, factors }: Solved, weight: Loss): { readonly outputError?: number } {
  if (floor === undefined) return {};
  const kept = squares.subarray(0, factors.rank).reduce((sum, square) => sum + square, 0);
  return { outputError: relativeError({ lost: energy - kept - floor * weight.lost, total: energy - floor * weight.total }) };
}

function checkSamples({ spec }: Target, rank: number, tokens: number): void {
  if (tokens >= rank) return;
  const message = `lowRank: ${tokens} calibration tokens cannot tell ${rank} directions of ${spec.path} apart. Give at least ${rank} tokens.`;
  throw new AppError('not_enough_samples', message, { details: { path: spec.path, tokens, rank } });
}

async function collect<From, To>(source: AsyncIterable<From>, convert: (item: From) => Promise<To>): Promise<To[]> {
  const results: To[] = [];
  for await (const item of source) results.push(await convert(item));
  return results;
}

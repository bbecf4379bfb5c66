// The low-rank method: replaces matrices by two thin factors, plainly or weighted by what the inputs, the outputs or the loss say.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import { type Model, replaceParameters } from '#models';
import type { HostTensor } from '#tensor';
import type { Calibration } from '../calibration.ts';
import { balanceFactors } from '../decomposition/balance.ts';
import { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { type FactorProblem, InputMetric, type Loss, plainProblem, relativeError, scaledProblem } from '../decomposition/factor-problem.ts';
import { allEigen, dominantEigen, firstVectors } from '../decomposition/gram-eigen.ts';
import { LayerRun } from '../layer-run.ts';
import { type CompressionEnvironment, type FinishedLayer, type Method, type MethodResult, methodReport } from '../method.ts';
import { overlapped } from '../overlap.ts';
import { selectMatrices } from '../patterns.ts';
import { weighComponents } from './component-losses.ts';
import { partKey, partOf, solvedFrom } from './kept-decomposition.ts';
import { breakEvenRank, componentBytes, rankForEnergy, rankForRatio } from './ranks.ts';
import { fisherScales, magnitudeScales, type RowScales } from './row-scales.ts';
import { measureSensitivity } from './sensitivity.ts';
import { type LowRankSettings, lowRankSettings } from './settings.ts';
import { shareOut } from './share-out.ts';
import { checkRank, cutSolved, describeTarget, factorizedLayer, keptAsItIs, type Solved, type Target, weightOf } from './target.ts';
import { inputWhitening, outputWhitening, type Whitening } from './whitening.ts';

/**
 * W [m, n] ≈ left [m, R] · right [R, n] for every selected matrix.
 *
 * @see README.md beside this file, and the sources at `inputProblem`, `fisherScales`, `magnitudeScales` and `dominantEigen`
 */
export const lowRank: Method<LowRankSettings> = {
  name: 'lowRank',
  settings: lowRankSettings,
  needsCalibration: ({ method, allocate }) => method !== 'plain' || allocate !== 'uniform',
  check: (model, settings) => void selectTargets(model, settings),
  async apply(model, settings, environment, context) {
    const targets = selectTargets(model, settings);
    const matrices = new EngineMatrices(environment.engine, context.signal);
    try {
      const run = new LowRankRun(model, settings, environment, context, matrices, targets.length);
      return await run.apply(targets);
    } finally {
      await matrices.release();
    }
  },
};

/** @throws AppError those of `selectMatrices` | `rank_out_of_range` */
function selectTargets(model: Model, settings: LowRankSettings): Target[] {
  const targets = selectMatrices(model, settings).map((spec) => describeTarget(model, spec));
  if (settings.rank !== undefined) for (const target of targets) checkRank(target, settings.rank);
  return targets;
}

/** One application of the method: what all its steps share. */
class LowRankRun {
  readonly #model: Model;
  readonly #settings: LowRankSettings;
  readonly #environment: CompressionEnvironment;
  readonly #context: OperationContext;
  readonly #matrices: EngineMatrices;
  readonly #layers: LayerRun;

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
    this.#layers = new LayerRun('low rank', total, environment, context);
  }

  async apply(targets: readonly Target[]): Promise<MethodResult> {
    const finished = await this.#layers.recallAll(targets.map(({ spec }) => spec.path));
    // Shared-out ranks follow from all matrices, so what is left of an interrupted step is decomposed with those that are done.
    const shares = this.#settings.allocate === 'uniform' ? [] : targets.filter(({ spec }) => spec.role === 'linear');
    const isShared = new Set(shares);
    const isOpen = ({ spec }: Target): boolean => !finished.has(spec.path);
    const alone = targets.filter((target) => isOpen(target) && !isShared.has(target));
    for await (const solved of this.#solveAll(alone)) finished.set(solved.target.spec.path, await this.#finish(solved));
    if (shares.some(isOpen))
      for (const { solved, rank } of await this.#shareOut(shares))
        if (isOpen(solved.target)) finished.set(solved.target.spec.path, await this.#finish(solved, rank));
    const ordered = targets.map(({ spec }) => {
      const result = finished.get(spec.path);
      invariant(result !== undefined, `${spec.path} was not decomposed`);
      return result;
    });
    const report = methodReport(
      'lowRank',
      ordered.map(({ layer }) => layer),
    );
    const replacements = ordered.flatMap(({ parameters }) => parameters);
    return { model: replaceParameters(this.#model, replacements), report };
  }

  /** Decomposes everything first, then shares out the bytes. */
  async #shareOut(targets: readonly Target[]): Promise<{ solved: Solved; rank: number }[]> {
    const { ratio, allocate } = this.#settings;
    invariant(ratio !== undefined, 'the settings allow shared-out ranks with a ratio only');
    const solved = await this.#solveOnce(targets);
    const budgetBytes = ratio * targets.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0);
    const inputs = [this.#model, solved, this.#matrices, this.#calibration(), this.#context] as const;
    const weighed =
      allocate === 'loss'
        ? await weighComponents(...inputs)
        : (await measureSensitivity(...inputs)).map((curve, index) => ({ solved: at(solved, index), curve }));
    const ranks = shareOut(
      weighed.map(({ curve }) => curve),
      budgetBytes,
    );
    return weighed.map(({ solved: each }, index) => ({ solved: each, rank: at(ranks, index) }));
  }

  /** In the order of `targets`, whatever comes from an earlier attempt. */
  async #solveOnce(targets: readonly Target[]): Promise<Solved[]> {
    const byPath = new Map<string, Solved>();
    for (const target of targets) {
      const part = await this.#layers.recallPart(partKey(target));
      if (part !== undefined) byPath.set(target.spec.path, solvedFrom(target, part));
    }
    for await (const solved of this.#solveAll(targets.filter(({ spec }) => !byPath.has(spec.path)))) {
      // The one that was computed beside the last may be done already.
      throwIfCancelled(this.#context.signal);
      await this.#layers.keepPart(partKey(solved.target), partOf(solved));
      byPath.set(solved.target.spec.path, solved);
    }
    return [...byPath.values()].sort((left, right) => targets.indexOf(left.target) - targets.indexOf(right.target));
  }

  #calibration(): Calibration {
    const { calibration } = this.#environment;
    if (calibration !== undefined) return calibration;
    const { method, allocate } = this.#settings;
    const [what, looks] =
      method === 'plain' ? [`allocate: "${allocate}"`, "at the model's loss"] : [`method "${method}"`, 'at what layers do'];
    throw new AppError('not_enough_samples', `lowRank: ${what} looks ${looks} and got no calibration text. Give data.`);
  }

  #solveAll(targets: readonly Target[]): AsyncGenerator<Solved> {
    return overlapped(this.#jobs(targets));
  }

  /** Embeddings have no inputs to look at, so they are always decomposed plainly. */
  async *#jobs(targets: readonly Target[]): AsyncGenerator<() => Promise<Solved>> {
    const { method, allocate } = this.#settings;
    const linear = targets.filter(({ spec }) => spec.role === 'linear');
    const scales = linear.length === 0 ? new Map<string, Float64Array>() : await this.#rowScales(linear.map(({ spec }) => spec.path));
    const byPath = new Map(method === 'whitened' || allocate === 'loss' ? linear.map((target) => [target.spec.path, target] as const) : []);
    for (const target of targets) if (!byPath.has(target.spec.path)) yield () => this.#solve(target, scales);
    if (byPath.size === 0) return;
    // Where the outputs are the smaller side their moments say all that a whitened decomposition needs.
    const narrow = [...byPath.values()].filter(({ rows, columns }) => rows > columns).map(({ spec }) => spec.path);
    const ofOutputs = new Set(method === 'whitened' ? narrow : []);
    for await (const moments of this.#calibration().inputMoments(this.#model, [...byPath.keys()], this.#context, { ofOutputs })) {
      const whitening =
        moments.ofOutputs === true
          ? outputWhitening(moments)
          : inputWhitening(new InputMetric(moments.gram, moments.width), moments.tokens);
      for (const path of moments.paths) {
        const target = byPath.get(path);
        invariant(target !== undefined, `calibration answered for ${path}, which was not asked for`);
        yield () => this.#solve(target, scales, whitening);
      }
    }
  }

  async #rowScales(paths: readonly string[]): Promise<RowScales> {
    const { method, alpha = 0.5 } = this.#settings;
    if (method === 'fwsvd') return await fisherScales(this.#model, paths, this.#calibration(), this.#context);
    if (method === 'asvd') return await magnitudeScales(this.#model, paths, alpha, this.#calibration(), this.#context);
    return new Map();
  }

  async #solve(target: Target, scales: RowScales, whitening?: Whitening): Promise<Solved> {
    throwIfCancelled(this.#context.signal);
    const weight = weightOf(this.#model, target);
    const whitened = this.#settings.method === 'whitened' ? await whitening?.problem(this.#matrices, weight) : undefined;
    const problem = whitened ?? (await this.#problem(weight, scales.get(target.spec.path)));
    try {
      const solved = { ...(await this.#decompose(target, problem)), target, floor: whitened?.floor };
      if (whitening === undefined) return solved;
      if (whitened !== undefined) checkSamples(target, solved.factors.rank, whitening.tokens);
      if (this.#settings.allocate !== 'loss') return solved;
      return { ...solved, inputEnergies: await whitening.energies(this.#matrices, solved.factors, solved.squares) };
    } finally {
      problem.release();
    }
  }

  #problem(weight: HostTensor<'float32'>, scales: Float64Array | undefined): Promise<FactorProblem> {
    return scales === undefined ? plainProblem(this.#matrices, weight) : scaledProblem(this.#matrices, weight, scales);
  }

  /** A rank that is known beforehand needs only the dominant part of the spectrum. */
  async #decompose(target: Target, problem: FactorProblem): Promise<Pick<Solved, 'factors' | 'squares' | 'energy'>> {
    const { ratio, rank, energy, allocate } = this.#settings;
    const isShared = allocate !== 'uniform' && target.spec.role === 'linear';
    const fixedRank = rank ?? (ratio !== undefined && !isShared ? rankForRatio(target, ratio) : undefined);
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

  /** @param rank - what the factors are cut to */
  #finish(solved: Solved, rank = solved.factors.rank): Promise<FinishedLayer> {
    return this.#layers.layer(solved.target.spec.path, async () => {
      const { target } = solved;
      const { bytesBefore } = target;
      const bytesAfter = rank * componentBytes(target);
      // An explicit rank is an order; a ratio or an energy asks for a smaller model.
      if (this.#settings.rank === undefined && bytesAfter >= bytesBefore)
        return keptAsItIs(target, `rank ${rank} would store ${bytesAfter} bytes in place of ${bytesBefore}`);
      return await this.#factorized(cutSolved(solved, rank));
    });
  }

  #factorized(solved: Solved): Promise<FinishedLayer> {
    return factorizedLayer(this.#matrices, this.#model, solved.target, solved.factors, (loss) => outputError(solved, loss));
  }
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

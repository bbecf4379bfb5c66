// What training with gates begins with: factors from the singular values of trained matrices, or random ones.
import { AppError, at, invariant, type OperationContext, Random, throwIfCancelled } from '#base';
import {
  clusterSettings,
  initializeModel,
  type Model,
  materializeParameter,
  type Parameter,
  type ParameterSpec,
  replaceParameters,
} from '#models';
import { castTensor, dtypeBytes, type HostTensor, hostTensor, int32, selectAlong, toNumbers } from '#tensor';
import type { TrainingData } from '#train';
import type { Calibration } from '../calibration.ts';
import { balanceFactors, roundFactors } from '../decomposition/balance.ts';
import type { EngineMatrices } from '../decomposition/engine-matrices.ts';
import { InputMetric, type Loss, plainProblem, relativeError, weightLoss } from '../decomposition/factor-problem.ts';
import { dominantEigen } from '../decomposition/gram-eigen.ts';
import { outputEnergies } from '../low-rank/component-losses.ts';
import { describeTarget, type Target, weightOf } from '../low-rank/target.ts';
import { inputWhitening, outputWhitening, type Whitening } from '../low-rank/whitening.ts';
import { type Factors, type GatedLayer, type GatedPair, termElements } from './gated-model.ts';
import type { FlopSettings } from './settings.ts';

/** A matrix W = left·right of rank R. */
function lowRankLayer(target: Target): GatedLayer {
  const { spec, dtype, bytesBefore, rows, columns, parameter } = target;
  const { path } = spec;
  return {
    path,
    pairs: [{ path, left: 'left', right: 'right', rows, columns }],
    dtype,
    bytesBefore,
    kindBefore: parameter.kind,
    denseElements: rows * columns,
    fixedBytes: 0,
    withFactors: ([factors]) => {
      invariant(factors !== undefined, 'a matrix has one pair of factors');
      return {
        path,
        kind: 'lowRank',
        settings: { rank: at(factors.left.shape, 1) },
        tensors: { left: factors.left, right: factors.right },
      };
    },
  };
}

/**
 * An embedding in clusters of the given sizes and one of the rest, by the frequency of tokens in `data`.
 *
 * @throws AppError `bad_recipe` where the clusters leave no token for the last
 */
function adaptiveLayer(target: Target, sizes: readonly number[], frequencies: Float64Array): GatedLayer {
  const { spec, dtype, bytesBefore, rows: V, columns: D, parameter } = target;
  const { path } = spec;
  const rest = V - sizes.reduce((sum, size) => sum + size, 0);
  if (rest < 1)
    throw new AppError(
      'bad_recipe',
      `flop.clusters: ${sizes.join(', ')} leave none of the ${V} tokens of ${path}. Make clusters smaller.`,
      {
        details: { field: 'flop.clusters', path },
      },
    );
  const order = Int32Array.from({ length: V }, (_, token) => token).sort(
    (first, second) => at(frequencies, second) - at(frequencies, first) || first - second,
  );
  const places = new Int32Array(V);
  order.forEach((token, place) => {
    places[token] = place;
  });
  let start = 0;
  const pairs = [...sizes, rest].map((rows, index): GatedPair => {
    start += rows;
    return { path, left: `table${index}`, right: `projection${index}`, rows, columns: D, ofRows: order.slice(start - rows, start) };
  });
  return {
    path,
    pairs,
    dtype,
    bytesBefore,
    kindBefore: parameter.kind,
    denseElements: V * D,
    fixedBytes: V * dtypeBytes.int32,
    withFactors: (factors) => {
      const widths = factors.map(({ left }) => at(left.shape, 1));
      const tensors = factors.flatMap(({ left, right }, index) => [
        [`table${index}`, left] as const,
        [`projection${index}`, right] as const,
      ]);
      return {
        path,
        kind: 'adaptiveEmbedding',
        settings: clusterSettings(pairs.map(({ rows }, index) => ({ size: rows, width: at(widths, index) }))),
        tensors: { ...Object.fromEntries(tensors), places: int32([V], places) },
      };
    },
  };
}

/** How often each token comes in what is trained on. */
function tokenFrequencies(data: TrainingData, vocabularySize: number): Float64Array {
  const counts = new Float64Array(vocabularySize);
  const add = (ids: Int32Array): void => {
    for (const id of ids) if (id < vocabularySize) counts[id] = at(counts, id) + 1;
  };
  if ('tokens' in data) add(data.tokens);
  else if ('pairs' in data) for (const { target } of data.pairs) add(target);
  else if ('texts' in data) for (const { ids } of data.texts) add(ids);
  else for (const { ids } of data.lines) add(ids);
  return counts;
}

/** What has gates, in the order of the model. @throws AppError `bad_recipe` */
export function gatedLayers(model: Model, specs: readonly ParameterSpec[], settings: FlopSettings, data: TrainingData): GatedLayer[] {
  const { clusters } = settings;
  const isClustered = (spec: ParameterSpec): boolean => clusters !== undefined && spec.role === 'embedding';
  if (clusters !== undefined && !specs.some(isClustered))
    throw new AppError('bad_recipe', 'flop.clusters: the patterns match no embedding. Include one, for example "embed.token.weight".', {
      details: { field: 'flop.clusters' },
    });
  return specs.map((spec) => {
    const target = describeTarget(model, spec);
    if (!isClustered(spec)) return lowRankLayer(target);
    return adaptiveLayer(target, clusters ?? [], tokenFrequencies(data, target.rows));
  });
}

/** Terms of each pair at the start: as many as `startRatio` of the dense bytes hold, at most the smaller side. */
export function startRanks(
  { pairs }: GatedLayer,
  { start, startRatio = start === 'random' ? 1 : undefined }: FlopSettings,
): readonly number[] {
  return pairs.map((pair) => {
    const { rows, columns } = pair;
    const full = Math.min(rows, columns);
    return startRatio === undefined ? full : Math.max(1, Math.min(full, Math.floor((startRatio * rows * columns) / termElements(pair))));
  });
}

/** The part of a weight that a pair stands for. */
function pairWeight(model: Model, target: Target, { ofRows }: GatedPair): ReturnType<typeof weightOf> {
  const weight = weightOf(model, target);
  return ofRows === undefined ? weight : selectAlong(weight, 0, ofRows);
}

/** A layer that is to be decomposed. */
export interface StartLayer {
  readonly spec: ParameterSpec;
  readonly layer: GatedLayer;
  /** Terms of each pair. */
  readonly ranks: readonly number[];
}

/** The factors of a layer. */
export interface Decomposed {
  readonly parameter: Parameter;
  /** The size of what each term passes on, where its inputs were seen. */
  readonly inputEnergies?: Float64Array;
}

function startLayer(layers: ReadonlyMap<string, StartLayer>, path: string): StartLayer {
  const found = layers.get(path);
  invariant(found !== undefined, `calibration answered for ${path}, which was not asked for`);
  return found;
}

/** Everything that decomposes and measures the layers of one model. */
export class GatedStart {
  readonly #model: Model;
  readonly #matrices: EngineMatrices;
  readonly #seed: number;
  readonly #context: OperationContext;

  constructor(model: Model, matrices: EngineMatrices, seed: number, context: OperationContext) {
    this.#model = model;
    this.#matrices = matrices;
    this.#seed = seed;
    this.#context = context;
  }

  /**
   * Factors of each layer, strongest term first and each side with the root of its weight: of the matrix as it is, or as its inputs see it.
   *
   * @param calibration - sample data; absent for plain singular vectors. Embeddings have no inputs and are always decomposed plainly.
   * @throws AppError `bad_weights` | `not_enough_samples` | `cancelled`
   */
  async *decomposed(layers: readonly StartLayer[], calibration: Calibration | undefined): AsyncGenerator<Decomposed> {
    const isSeen = ({ spec }: StartLayer): boolean => calibration !== undefined && spec.role === 'linear';
    for (const each of layers) if (!isSeen(each)) yield await this.#decompose(each, undefined);
    const seen = new Map(layers.filter(isSeen).map((each) => [each.spec.path, each]));
    if (calibration === undefined || seen.size === 0) return;
    const ofOutputs = new Set([...seen.values()].filter(({ spec }) => at(spec.shape, 0) > at(spec.shape, 1)).map(({ spec }) => spec.path));
    for await (const moments of calibration.inputMoments(this.#model, [...seen.keys()], this.#context, { ofOutputs })) {
      const whitening =
        moments.ofOutputs === true
          ? outputWhitening(moments)
          : inputWhitening(new InputMetric(moments.gram, moments.width), moments.tokens);
      for (const path of moments.paths) yield await this.#decompose(startLayer(seen, path), whitening);
    }
  }

  async #decompose({ spec, layer, ranks }: StartLayer, whitening: Whitening | undefined): Promise<Decomposed> {
    const target = describeTarget(this.#model, spec);
    const factors: Factors[] = [];
    const energies: Float64Array[] = [];
    for (const [index, pair] of layer.pairs.entries()) {
      throwIfCancelled(this.#context.signal);
      const weight = pairWeight(this.#model, target, pair);
      const problem = await (whitening?.problem(this.#matrices, weight) ?? plainProblem(this.#matrices, weight));
      try {
        const eigen = await dominantEigen(this.#matrices, problem.gram, at(ranks, index), this.#seed);
        const balanced = balanceFactors(await problem.factors(eigen));
        if (whitening !== undefined) energies.push(await whitening.energies(this.#matrices, balanced, eigen.values));
        const { left, right } = roundFactors(balanced, 'float32');
        factors.push({ left, right });
      } finally {
        problem.release();
      }
    }
    const [inputEnergies] = energies;
    return { parameter: layer.withFactors(factors), ...(inputEnergies && { inputEnergies }) };
  }

  /**
   * What the model's loss rises by without each term of a layer, to second order, by path; the layers whose inputs were seen.
   *
   * @see weighComponents
   */
  async termLosses(decomposed: readonly Decomposed[], calibration: Calibration): Promise<ReadonlyMap<string, Float64Array>> {
    const seen = new Map(decomposed.flatMap((each) => (each.inputEnergies === undefined ? [] : [[each.parameter.path, each] as const])));
    const losses = new Map<string, Float64Array>();
    if (seen.size === 0) return losses;
    for await (const { path, gram } of calibration.outputMoments(this.#model, [...seen.keys()], this.#context)) {
      const { parameter, inputEnergies } = seen.get(path) ?? {};
      const { left, right } = parameter?.tensors ?? {};
      invariant(left !== undefined && right !== undefined && inputEnergies !== undefined, `${path} was decomposed`);
      const wide = { rank: at(left.shape, 1), left: Float64Array.from(toNumbers(left)), right: Float64Array.from(toNumbers(right)) };
      const outputs = await outputEnergies(this.#matrices, wide, gram);
      losses.set(
        path,
        inputEnergies.map((energy, term) => Math.max(0, energy * at(outputs, term))),
      );
    }
    return losses;
  }

  /** ‖W − W'‖ / ‖W‖ of a dense W'. */
  denseError(spec: ParameterSpec, after: HostTensor<'float32'>): number {
    const before = weightOf(this.#model, describeTarget(this.#model, spec));
    const sum = { lost: 0, total: 0 };
    for (const [index, value] of before.data.entries()) {
      sum.lost += (value - at(after.data, index)) ** 2;
      sum.total += value ** 2;
    }
    return relativeError(sum);
  }

  /** ‖W − W'‖² and ‖W‖² of factors in its place. */
  async loss(spec: ParameterSpec, layer: GatedLayer, factors: readonly Factors[]): Promise<Loss> {
    const target = describeTarget(this.#model, spec);
    const sum = { lost: 0, total: 0 };
    for (const [index, pair] of layer.pairs.entries()) {
      const { left, right } = at(factors, index);
      const weight = pairWeight(this.#model, target, pair);
      const loss = await weightLoss(this.#matrices, weight, castTensor(left, 'float32'), castTensor(right, 'float32'));
      sum.lost += loss.lost;
      sum.total += loss.total;
    }
    return sum;
  }
}

/**
 * The model with random weights and random factors, whose products vary as the dense matrices would.
 *
 * @throws AppError `unsupported` for a parameter that is neither dense nor gated
 */
export function randomStart(
  model: Model,
  layers: readonly GatedLayer[],
  ranks: (layer: GatedLayer) => readonly number[],
  seed: number,
): Model {
  const random = new Random(seed);
  const fresh = initializeModel(model.config, random);
  const gated = new Map(layers.map((layer) => [layer.path, layer]));
  const parameters = [...model.parameters.values()].map((parameter): Parameter => {
    const { path, kind, tensors } = parameter;
    const layer = gated.get(path);
    if (layer !== undefined) return layer.withFactors(randomFactors(layer, ranks(layer), rootMeanSquare(fresh, path), random));
    const value = fresh.parameters.get(path)?.tensors['value'];
    const stored = tensors['value'];
    if (kind === 'dense' && value !== undefined && stored !== undefined)
      return { ...parameter, tensors: { value: castTensor(value, stored.dtype) } };
    if (kind === 'shared') return parameter;
    throw new AppError('unsupported', `${path}: a ${kind} parameter has no random start. Include it in the step, or start with "svd".`, {
      details: { path },
    });
  });
  return replaceParameters(model, parameters);
}

function rootMeanSquare(model: Model, path: string): number {
  const { data } = materializeParameter(model, path);
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / Math.max(1, data.length));
}

/** The product of two factors with deviations d has elements of variance R·d⁴. */
function randomFactors({ pairs }: GatedLayer, ranks: readonly number[], deviation: number, random: Random): Factors[] {
  return pairs.map(({ rows, columns }, index) => {
    const rank = at(ranks, index);
    const each = Math.sqrt(deviation / Math.sqrt(rank));
    const normal = (shape: readonly [number, number]) =>
      hostTensor(
        'float32',
        shape,
        Float32Array.from({ length: shape[0] * shape[1] }, () => each * random.normal()),
      );
    return { left: normal([rows, rank]), right: normal([rank, columns]) };
  });
}

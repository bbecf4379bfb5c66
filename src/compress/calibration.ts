// What methods learn from sample text: inputs of linear layers, gradients, and the loss of changed models, accumulated on the engine.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { Engine } from '#engine';
import { graphNames, type Model, parameterSpecs, uploadModel } from '#models';
import { type HostTensor, int64, sizeOf } from '#tensor';
import { type GradientStatistic, gradientSum, gradientSums, type InputStatistic, inputSums } from './calibration-graphs.ts';
import { RunningSums } from './calibration-sums.ts';
import { LossProbe } from './loss-probe.ts';

/** H = XᵀX of one input, and the layers that it goes into. */
export interface InputMoments {
  /** Paths of the weights that read this input: one, or several such as query, key and value. */
  readonly paths: readonly string[];
  /** [D, D], symmetric: the sum, not the mean, over the tokens. */
  readonly gram: Float64Array;
  readonly width: number;
  /** N, the number of rows of X. */
  readonly tokens: number;
}

/** Σ|x| of each channel of one input. */
export interface InputMagnitudes {
  /** Paths of the weights that read this input. */
  readonly paths: readonly string[];
  /** [D] */
  readonly sums: Float64Array;
  readonly tokens: number;
}

/** The diagonal of the empirical Fisher information of one weight. */
export interface GradientSquares {
  readonly path: string;
  /** [m, n]: the sum over the windows of (∂L/∂W)², where L is the negative log-likelihood of a whole window. */
  readonly squares: Float32Array;
  readonly windows: number;
}

/** How much the loss minds changes of one layer's outputs y = x·W. */
export interface OutputMoments {
  readonly path: string;
  /** [n, n], symmetric: the sum over the tokens of dYᵀ·dY, where dY is the gradient of L. */
  readonly gram: Float64Array;
  readonly width: number;
}

/**
 * Sample text for methods that look at activations, gradients or losses.
 *
 * In every kind of statistic each path, which must be that of a linear weight, comes exactly once; some come at a time, so that not all
 * need be in memory together. The values depend on the model and the data only, not on the grouping.
 *
 * @throws AppError `not_enough_samples` without any token | `bad_weights` where a number is not finite | `cancelled`
 */
export interface Calibration {
  inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMoments>;
  inputMagnitudes(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMagnitudes>;
  gradientSquares(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<GradientSquares>;
  outputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<OutputMoments>;
  /** How often each token comes, [V]. */
  tokenCounts(model: Model, context: OperationContext): Promise<Float64Array>;
  /** The loss of the model with one of these weights in place of its own; the caller releases the probe. */
  lossProbe(model: Model, paths: readonly string[], context: OperationContext): Promise<LossProbe>;
}

/** Token ids [B, T]; B and T may change from one to the next. */
export type TokenWindows = () => AsyncIterable<HostTensor<'int64'>>;

export interface WindowCalibrationOptions {
  /** Room for the moments of one pass over the data; as many layers as fit share a pass. Default 1 GiB. */
  readonly memoryBytes?: number;
  /** Windows of one pass, where that is known: for progress. */
  readonly windows?: number;
}

const defaultMemoryBytes = 1 << 30;

/** Runs the model over windows of tokens. `windows` starts anew for every pass and must give the same windows each time. */
export class WindowCalibration implements Calibration {
  readonly #engine: Engine;
  readonly #windows: TokenWindows;
  readonly #memoryBytes: number;
  readonly #total: number | undefined;

  constructor(engine: Engine, windows: TokenWindows, options: WindowCalibrationOptions = {}) {
    this.#engine = engine;
    this.#windows = windows;
    this.#memoryBytes = options.memoryBytes ?? defaultMemoryBytes;
    this.#total = options.windows;
  }

  async *inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<InputMoments> {
    for await (const { tap, sum, tokens } of this.#inputs(model, paths, 'moments', context))
      yield { paths: tap.paths, gram: sum, width: tap.width, tokens };
  }

  async *inputMagnitudes(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<InputMagnitudes> {
    for await (const { tap, sum, tokens } of this.#inputs(model, paths, 'magnitudes', context))
      yield { paths: tap.paths, sums: sum, tokens };
  }

  async *gradientSquares(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<GradientSquares> {
    for await (const { path, sum, windows } of this.#gradients(model, paths, 'squares', context)) yield { path, squares: sum, windows };
  }

  async *outputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<OutputMoments> {
    for await (const { path, sum } of this.#gradients(model, paths, 'outputMoments', context))
      yield { path, gram: Float64Array.from(sum), width: Math.sqrt(sum.length) };
  }

  async tokenCounts({ config }: Model, context: OperationContext): Promise<Float64Array> {
    const counts = new Float64Array(config.vocabularySize);
    for await (const window of this.#reported('count', context))
      for (const id of window.data) counts[Number(id)] = at(counts, Number(id)) + 1;
    if (!counts.some((count) => count > 0)) throw noWindows('no window of tokens');
    return counts;
  }

  async lossProbe(model: Model, paths: readonly string[], context: OperationContext): Promise<LossProbe> {
    return await LossProbe.create(this.#engine, this.#windows, model, paths, context);
  }

  async *#inputs(model: Model, paths: readonly string[], kind: InputStatistic, context: OperationContext) {
    const specs = parameterSpecs(model);
    const elements = (path: string): number => {
      const width = at(specs.get(path)?.shape ?? [], 0);
      return kind === 'moments' ? width * width : width;
    };
    for await (const { group, weights, phase } of this.#groups(model, paths, (path) => 8 * elements(path), context)) {
      const { graph, taps, sums: specsOfSums } = inputSums(model, group, kind);
      const sums = new RunningSums(this.#engine, weights, specsOfSums);
      try {
        let tokens = 0;
        for await (const window of this.#reported(phase, context)) {
          await sums.add('inputs', () => graph, { [graphNames.tokens]: window }, context.signal);
          tokens += window.data.length;
        }
        if (tokens === 0) throw noWindows('no window of tokens');
        for (const [index, tap] of taps.entries()) {
          const { data } = sums.read(index);
          invariant(data instanceof Float64Array, 'sums over inputs are float64');
          requireFinite(data, tap.paths, 'the inputs');
          yield { tap, sum: data, tokens };
        }
      } finally {
        await sums.release();
      }
    }
  }

  /** One window at a time: the square of a sum over windows is not the sum of the squares. */
  async *#gradients(model: Model, paths: readonly string[], kind: GradientStatistic, context: OperationContext) {
    const sumOf = (path: string) => gradientSum(model, path, kind);
    for await (const { group, weights, phase } of this.#groups(model, paths, (path) => 4 * sizeOf(sumOf(path).shape), context)) {
      const sums = new RunningSums(this.#engine, weights, group.map(sumOf));
      try {
        let windows = 0;
        for await (const window of this.#reported(phase, context))
          for (const row of rowsOf(window)) {
            throwIfCancelled(context.signal);
            const length = row.length;
            if (length < 2) continue;
            const data = { [graphNames.tokens]: int64([1, length], row), [graphNames.labels]: int64([length - 1], row.slice(1)) };
            await sums.add(String(length), () => gradientSums(model, group, kind, length), data, context.signal);
            windows++;
          }
        if (windows === 0) throw noWindows('no window of two tokens');
        for (const [index, path] of group.entries()) {
          const { data } = sums.read(index);
          invariant(data instanceof Float32Array, 'sums over gradients are float32');
          requireFinite(data, [path], 'the gradients');
          yield { path, sum: data, windows };
        }
      } finally {
        await sums.release();
      }
    }
  }

  /** Groups of paths whose sums fit into memory, each with the model's weights on the device and a name for its pass over the data. */
  async *#groups(model: Model, paths: readonly string[], bytes: (path: string) => number, context: OperationContext) {
    throwIfCancelled(context.signal);
    const weights = uploadModel(this.#engine, model);
    try {
      const groups = groupByMemory(paths, bytes, this.#memoryBytes);
      for (const [index, group] of groups.entries())
        yield { group, weights, phase: groups.length === 1 ? 'calibrate' : `calibrate ${index + 1}/${groups.length}` };
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
    }
  }

  /** The windows, each reported after its use. */
  async *#reported(phase: string, context: OperationContext): AsyncGenerator<HostTensor<'int64'>> {
    let step = 0;
    let tokens = 0;
    for await (const window of this.#windows()) {
      throwIfCancelled(context.signal);
      yield window;
      tokens += window.data.length;
      context.report({ phase, step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }), metrics: { tokens } });
    }
  }
}

function rowsOf({ shape, data }: HostTensor<'int64'>): number[][] {
  const [batch = 0, length = 0] = shape;
  return Array.from({ length: batch }, (_, row) => Array.from(data.subarray(row * length, (row + 1) * length), Number));
}

function noWindows(what: string): AppError {
  return new AppError('not_enough_samples', `the calibration data holds ${what}. Give more text.`);
}

function requireFinite(numbers: Float32Array | Float64Array, paths: readonly string[], what: string): void {
  if (numbers.every((value) => Number.isFinite(value))) return;
  throw new AppError('bad_weights', `${paths.join(', ')}: ${what} of this layer are not finite on the calibration text.`);
}

/** Consecutive paths whose sums, kept twice, fit into the budget; at least one a group. Layers of a block stay in order. */
function groupByMemory(paths: readonly string[], bytesOf: (path: string) => number, budgetBytes: number): string[][] {
  const groups: string[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const path of paths) {
    const bytes = 2 * bytesOf(path);
    if (used + bytes > budgetBytes) {
      groups.push([]);
      used = 0;
    }
    at(groups, groups.length - 1).push(path);
    used += bytes;
  }
  return groups;
}

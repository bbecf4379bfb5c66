// What methods learn from sample data: inputs of layers, gradients, and the loss of changed models, accumulated on the engine.
import { totalmem } from 'node:os';
import { at, chosen, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, optimizeGraph, type Value } from '#graph';
import { borrowModel, type GraphNetwork, isEncoderDecoder, type Model, type ModelDeclaration, parameterSpecs } from '#models';
import { type HostTensor, sizeOf } from '#tensor';
import { type InputHistogram, type InputRange, inputHistograms, inputRanges } from './activation-statistics.ts';
import { finite, noWindows, type Pass, type Running, runPass } from './calibration-pass.ts';
import {
  bindWindow,
  type CalibrationNetwork,
  type CalibrationWindow,
  type CalibrationWindows,
  calibrationNetwork,
} from './calibration-windows.ts';
import { type GradientStatistic, gradientStatistics, gradientSum } from './gradient-statistics.ts';
import { type InputStatistic, inputStatistics, type LayerTap, layerTaps } from './input-taps.ts';
import { LossProbe } from './loss-probe.ts';

/** H = XᵀX of one input, and the layers that it goes into; or the same of the outputs of one layer, where those were asked for. */
export interface InputMoments {
  /** Paths of the weights that read this input: one, or several such as query, key and value. */
  readonly paths: readonly string[];
  /** [D, D], symmetric: the sum, not the mean, over the tokens. */
  readonly gram: Float64Array;
  readonly width: number;
  /** N, the number of rows of X: of a weight that several layers share those of all of them. */
  readonly tokens: number;
  /** Set where X is what the layer answered, not what it read. */
  readonly ofOutputs?: true;
}

/** Which moments are wanted. */
export interface MomentOptions {
  /**
   * Paths of weights W whose outputs' moments (X·W)ᵀ(X·W) [n, n] will do in place of their inputs': where n is the smaller side, they cost
   * little, and a decomposition of W needs no more. An answer says which it is.
   */
  readonly ofOutputs?: ReadonlySet<string>;
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

/** Sample data for methods that look at activations, gradients or losses. */
export interface Calibration {
  /** The data itself, for what moments cannot say, such as gradients: the same windows every time. */
  sampleWindows(): AsyncIterable<CalibrationWindow>;
  /**
   * The second moments of the inputs of these linear layers, some at a time, so that not all need be in memory together.
   *
   * Every path comes exactly once. The values depend on the model and the data only, not on the grouping.
   * @throws AppError `not_enough_samples` without any token | `bad_weights` where an activation is not finite | `cancelled`
   */
  inputMoments(model: Model, paths: readonly string[], context: OperationContext, options?: MomentOptions): AsyncIterable<InputMoments>;
  /** Their mean magnitudes, in the same way. */
  inputMagnitudes(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMagnitudes>;
  /** What the loss says of these linear layers, in the same way. @throws AppError `unsupported` too, for data without answers (`WindowNetwork`) */
  gradientSquares(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<GradientSquares>;
  outputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<OutputMoments>;
  /** How often each token comes, [V]. */
  tokenCounts(model: Model, context: OperationContext): Promise<Float64Array>;
  /** The loss with one of these weights in place of the model's own; the caller releases the probe. @throws AppError as `gradientSquares` */
  lossProbe(model: Model, paths: readonly string[], context: OperationContext): Promise<LossProbe>;
  /**
   * The ranges of what these slots (`slotName`) are multiplied by, channel by channel. Slots that nothing is multiplied by are left out.
   *
   * @throws AppError as `inputMoments`
   */
  inputRanges(model: Model, slots: readonly string[], context: OperationContext): Promise<readonly InputRange[]>;
  /** How the numbers of these inputs are spread. @throws AppError as `inputMoments` */
  inputHistograms(model: Model, ranges: readonly InputRange[], context: OperationContext): Promise<readonly InputHistogram[]>;
  /**
   * Values of the model's graph on the sample text, one batch of windows after the other.
   *
   * @param build - the values by name, from the network after its forward pass
   * @throws AppError `not_enough_samples` without any token | `cancelled`
   */
  windowValues(
    model: Model,
    build: (network: GraphNetwork) => Readonly<Record<string, Value>>,
    context: OperationContext,
  ): AsyncIterable<Readonly<Record<string, HostTensor>>>;
}

export interface WindowCalibrationOptions {
  /** Room for the moments of one pass over the data; as many layers as fit share a pass. Default 4 GiB, or a quarter of the machine's memory. */
  readonly memoryBytes?: number;
  /** Windows of one pass, where that is known: for progress. */
  readonly windows?: number;
}

/** Room for the sums of one pass where nobody says how much there is: every further pass runs the model once more. */
export const largestCalibrationBytes = Math.min(4 * 2 ** 30, Math.floor(totalmem() / 4));

/** A sum in float64: two on the device, and one on the host when the pass ends. */
function sumBytes(elements: number): number {
  return 3 * 8 * elements;
}

/** Runs the model over windows of tokens, over padded texts where it is an encoder, or over pairs where it is an encoder-decoder. */
export class WindowCalibration implements Calibration {
  readonly #engine: Engine;
  readonly #windows: CalibrationWindows;
  readonly #memoryBytes: number;
  readonly #total: number | undefined;

  constructor(engine: Engine, windows: CalibrationWindows, options: WindowCalibrationOptions = {}) {
    this.#engine = engine;
    this.#windows = windows;
    this.#memoryBytes = options.memoryBytes ?? largestCalibrationBytes;
    this.#total = options.windows;
  }

  sampleWindows(): AsyncIterable<CalibrationWindow> {
    return this.#windows();
  }

  async *inputMoments(
    model: Model,
    paths: readonly string[],
    context: OperationContext,
    { ofOutputs = new Set() }: MomentOptions = {},
  ): AsyncGenerator<InputMoments> {
    for await (const { tap, sum, rows } of this.#inputs(model, paths, 'moments', context, ofOutputs))
      yield {
        paths: tap.paths,
        gram: sum,
        width: tap.width,
        tokens: rows,
        ...(tap.paths.some((path) => ofOutputs.has(path)) ? { ofOutputs: true } : {}),
      };
  }

  async *inputMagnitudes(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<InputMagnitudes> {
    for await (const { tap, sum, rows } of this.#inputs(model, paths, 'magnitudes', context))
      yield { paths: tap.paths, sums: sum, tokens: rows };
  }

  async *#inputs(
    model: Model,
    paths: readonly string[],
    kind: InputStatistic,
    context: OperationContext,
    ofOutputs: ReadonlySet<string> = new Set(),
  ) {
    const { shape, of, finish } = inputStatistics[kind];
    const specs = parameterSpecs(model);
    const bytes = (path: string): number => sumBytes(sizeOf(shape(at(specs.get(path)?.shape ?? [], ofOutputs.has(path) ? 1 : 0))));
    for await (const { group, weights, phase } of this.#groups(model, paths, bytes)) {
      let taps: LayerTap[] = [];
      const running = (network: CalibrationNetwork): Running[] => {
        taps = layerTaps(model, network, group, ofOutputs);
        return taps.map(({ values, width, numRows }) => ({
          shape: shape(width),
          numRows,
          next: (b, before) => values.reduce((sum, value) => b.add(sum, of(b, network.rows(b, value), width)), before),
        }));
      };
      const { results, rows } = await runPass(this.#pass(model, weights, phase), hasHead(model, group), running, context);
      for (const [index, tap] of taps.entries()) {
        const sum = finish(finite(at(results, index), tap.paths, 'the inputs'), tap.width);
        yield { tap, sum, rows: at(rows, index) };
      }
    }
  }

  async *gradientSquares(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<GradientSquares> {
    for await (const { path, sum, windows } of this.#gradients(model, paths, 'squares', context)) yield { path, squares: sum, windows };
  }

  async *outputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<OutputMoments> {
    for await (const { path, sum } of this.#gradients(model, paths, 'outputMoments', context))
      yield { path, gram: Float64Array.from(sum), width: Math.sqrt(sum.length) };
  }

  async *#gradients(model: Model, paths: readonly string[], kind: GradientStatistic, context: OperationContext) {
    const specs = parameterSpecs(model);
    const bytes = (path: string): number => sumBytes(sizeOf(gradientSum(specs.get(path), kind).shape)) / 2;
    for await (const { group, weights, phase } of this.#groups(model, paths, bytes)) {
      const progress = { phase, ...(this.#total === undefined ? {} : { total: this.#total }) };
      yield* gradientStatistics({ engine: this.#engine, model, weights, windows: this.#windows() }, group, kind, progress, context);
    }
  }

  async tokenCounts({ config }: Model, context: OperationContext): Promise<Float64Array> {
    const counts = new Float64Array(config.vocabularySize);
    for await (const window of this.#windows()) {
      throwIfCancelled(context.signal);
      const { tokens, mask, source } =
        'data' in window ? { tokens: window, mask: undefined, source: undefined } : { mask: undefined, source: undefined, ...window };
      tokens.data.forEach((id, index) => {
        if (mask?.data[index] !== 0) counts[Number(id)] = at(counts, Number(id)) + 1;
      });
      // Sources with a table of their own say nothing of this one.
      if (source === undefined || (isEncoderDecoder(config) && config.sourceVocabularySize !== undefined)) continue;
      for (const id of source.data) counts[Number(id)] = at(counts, Number(id)) + 1;
    }
    if (!counts.some((count) => count > 0)) throw noWindows();
    return counts;
  }

  async lossProbe(model: Model, paths: readonly string[], context: OperationContext): Promise<LossProbe> {
    return await LossProbe.create(this.#engine, this.#windows, model, paths, context);
  }

  /** Groups of paths whose sums fit into memory, each with the model's weights on the device and a name for its pass over the data. */
  async *#groups(model: Model, paths: readonly string[], bytes: (path: string) => number) {
    const weights = borrowModel(this.#engine, model);
    try {
      const groups = groupByMemory(paths, bytes, this.#memoryBytes);
      for (const [index, group] of groups.entries())
        yield { group, weights, phase: groups.length === 1 ? 'calibrate' : `calibrate ${index + 1}/${groups.length}` };
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
    }
  }

  async *windowValues(
    model: Model,
    build: (network: GraphNetwork) => Readonly<Record<string, Value>>,
    context: OperationContext,
  ): AsyncGenerator<Readonly<Record<string, HostTensor>>> {
    const b = new GraphBuilder();
    const graph = optimizeGraph(b.graph({ ...build(calibrationNetwork(b, model, false).net) }));
    const weights = borrowModel(this.#engine, model);
    let program: Program | undefined;
    try {
      program = await this.#engine.compile(graph, { name: 'calibration' });
      let step = 0;
      for await (const window of this.#windows()) {
        throwIfCancelled(context.signal);
        const available: Record<string, DeviceBuffer | HostTensor> = { ...weights, ...bindWindow(window, model).inputs };
        const results = await program.run(chosen(available, program.inputNames), { signal: context.signal });
        const values = Object.entries(results).map(([name, buffer]) => [name, buffer.read()] as const);
        for (const buffer of Object.values(results)) buffer.release();
        context.report({ phase: 'calibrate', step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }) });
        yield Object.fromEntries(values);
      }
      if (step === 0) throw noWindows();
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
      await program?.release();
    }
  }

  async inputRanges(model: Model, slots: readonly string[], context: OperationContext): Promise<readonly InputRange[]> {
    return await this.#withWeights(model, (weights) => inputRanges(this.#pass(model, weights, 'calibrate ranges'), slots, context));
  }

  async inputHistograms(model: Model, ranges: readonly InputRange[], context: OperationContext): Promise<readonly InputHistogram[]> {
    return await this.#withWeights(model, (weights) =>
      inputHistograms(this.#pass(model, weights, 'calibrate histograms'), ranges, context),
    );
  }

  #pass(model: Model, weights: Readonly<Record<string, DeviceBuffer>>, phase: string): Pass {
    return { engine: this.#engine, model, weights, windows: this.#windows, total: this.#total, phase };
  }

  async #withWeights<T>(model: Model, use: (weights: Readonly<Record<string, DeviceBuffer>>) => Promise<T>): Promise<T> {
    const weights = borrowModel(this.#engine, model);
    try {
      return await use(weights);
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
    }
  }
}

/** Whether some of the paths lie outside the blocks: the head is a linear layer too. */
function hasHead(model: Model, paths: readonly string[]): boolean {
  const specs = parameterSpecs(model);
  return paths.some((path) => specs.get(path)?.block === undefined);
}

/** Consecutive paths whose sums fit into the budget; at least one a group. Layers of a block stay in order. */
function groupByMemory(paths: readonly string[], bytesOf: (path: string) => number, budgetBytes: number): string[][] {
  const groups: string[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const path of paths) {
    const bytes = bytesOf(path);
    if (used + bytes > budgetBytes) {
      groups.push([]);
      used = 0;
    }
    at(groups, groups.length - 1).push(path);
    used += bytes;
  }
  return groups;
}

/** Bytes of the sums of a model's linear layers: of the largest, which a pass has to hold, and of all, more than which none needs. */
export function sumsBytes(model: ModelDeclaration): { readonly largest: number; readonly all: number } {
  const sizes = [...parameterSpecs(model).values()].flatMap(({ role, shape }) => (role === 'linear' ? [sumBytes(at(shape, 0) ** 2)] : []));
  return { largest: Math.max(0, ...sizes), all: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

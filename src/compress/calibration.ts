// What the inputs of a model's layers are like over sample text: second moments, ranges and histograms, accumulated on the engine.
import { AppError, at, invariant, type OperationContext } from '#base';
import type { DeviceBuffer, Engine } from '#engine';
import type { GraphBuilder, Value } from '#graph';
import { borrowModel, type Model, type ModelDeclaration, parameterSpecs } from '#models';
import type { HostTensor } from '#tensor';
import { type InputHistogram, type InputRange, inputHistograms, inputRanges } from './activation-statistics.ts';
import { type Pass, type Running, runPass } from './calibration-pass.ts';
import type { CalibrationNetwork, CalibrationWindows } from './calibration-windows.ts';

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

/** Sample inputs for methods that look at activations. */
export interface Calibration {
  /**
   * The text itself, for what moments cannot say, such as gradients: token ids [B, T], the same windows every time.
   *
   * @throws AppError `unsupported` where the data is not running text
   */
  tokenWindows(): AsyncIterable<HostTensor<'int64'>>;
  /**
   * The second moments of the inputs of these linear layers, some at a time, so that not all need be in memory together.
   *
   * Every path comes exactly once. The values depend on the model and the data only, not on the grouping.
   * @throws AppError `not_enough_samples` without any token | `bad_weights` where an activation is not finite | `cancelled`
   */
  inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMoments>;
  /**
   * The ranges of what these slots (`slotName`) are multiplied by, channel by channel. Slots that nothing is multiplied by are left out.
   *
   * @throws AppError as `inputMoments`
   */
  inputRanges(model: Model, slots: readonly string[], context: OperationContext): Promise<readonly InputRange[]>;
  /** How the numbers of these inputs are spread. @throws AppError as `inputMoments` */
  inputHistograms(model: Model, ranges: readonly InputRange[], context: OperationContext): Promise<readonly InputHistogram[]>;
}

export interface WindowCalibrationOptions {
  /** Room for the moments of one pass over the data; as many layers as fit share a pass. Default 1 GiB. */
  readonly memoryBytes?: number;
  /** Windows of one pass, where that is known: for progress. */
  readonly windows?: number;
}

/** Room for the sums of one pass where nobody says how much there is. */
export const largestCalibrationBytes = 1 << 30;

/** The sums of one input of width D: two on the device, and one on the host when the pass ends. */
function momentsBytes(width: number): number {
  return 3 * 8 * width * width;
}

/** Runs the model over windows of tokens, or over padded texts where it is an encoder. */
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

  async *tokenWindows(): AsyncGenerator<HostTensor<'int64'>> {
    for await (const window of this.#windows()) {
      if (!('data' in window)) throw notRunningText();
      yield window;
    }
  }

  async *inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<InputMoments> {
    const weights = borrowModel(this.#engine, model);
    try {
      const groups = groupByMemory(model, paths, this.#memoryBytes);
      for (const [index, group] of groups.entries()) {
        const phase = groups.length === 1 ? 'calibrate' : `calibrate ${index + 1}/${groups.length}`;
        yield* await this.#onePass(model, group, weights, phase, context);
      }
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
    }
  }

  async #onePass(
    model: Model,
    paths: readonly string[],
    weights: Readonly<Record<string, DeviceBuffer>>,
    phase: string,
    context: OperationContext,
  ): Promise<InputMoments[]> {
    let taps: Tap[] = [];
    const running = (network: CalibrationNetwork): Running[] => {
      taps = inputTaps(network, paths);
      return taps.map(({ inputs, width }) => ({
        shape: [width, width],
        next: (b, before) => inputs.reduce((sum, input) => b.add(sum, momentsOf(b, network.rows(b, input))), before),
      }));
    };
    const { results, tokens, texts } = await runPass(this.#pass(model, weights, phase), hasHead(model, paths), running, context);
    return taps.map(({ paths: readers, width, inputs, isOverTokens }, index) => ({
      paths: readers,
      gram: finite(at(results, index), readers),
      width,
      tokens: inputs.length * (isOverTokens ? tokens : texts),
    }));
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

/** Inputs whose moments are one sum, and the layers that read them. */
interface Tap {
  /** Several where one weight is applied in several places. */
  readonly inputs: readonly Value[];
  readonly paths: string[];
  readonly width: number;
  readonly isOverTokens: boolean;
}

/** Whether some of the paths lie outside the blocks: the head is a linear layer too. */
function hasHead(model: Model, paths: readonly string[]): boolean {
  const specs = parameterSpecs(model);
  return paths.some((path) => specs.get(path)?.block === undefined);
}

/** The inputs that are asked for; layers that read the same values share one sum. */
function inputTaps({ net, isOverTokens }: CalibrationNetwork, paths: readonly string[]): Tap[] {
  const taps = new Map<string, Tap>();
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    numbers.set(value, numbers.get(value) ?? numbers.size);
    return numbers.get(value) ?? 0;
  };
  for (const path of paths) {
    const inputs = net.linearInputs.get(path);
    invariant(inputs !== undefined, `${path} is not the weight of a linear layer`);
    const key = inputs.map(numberOf).join();
    const known = taps.get(key);
    if (known !== undefined) {
      known.paths.push(path);
      continue;
    }
    const first = at(inputs, 0);
    const width = at(first.shape, first.shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of its input is not known`);
    taps.set(key, { inputs, paths: [path], width, isOverTokens: isOverTokens(first) });
  }
  return [...taps.values()];
}

/** XᵀX of rows in float64: the smallest directions of H decide what whitening keeps, and float32 sums would drown them. */
function momentsOf(b: GraphBuilder, rows: Value): Value {
  return b.matmul(rows, rows, { transposeA: true });
}

function notRunningText(): AppError {
  return new AppError(
    'unsupported',
    'calibration: this statistic needs running text and a model of the next token. Choose another importance.',
  );
}

function finite(numbers: Float64Array, paths: readonly string[]): Float64Array {
  if (numbers.every(Number.isFinite)) return numbers;
  throw new AppError('bad_weights', `${paths.join(', ')}: the inputs of this layer are not finite on the calibration text.`);
}

/** Consecutive paths whose sums fit into the budget; at least one a group. Layers of a block stay in order. */
function groupByMemory(model: Model, paths: readonly string[], budgetBytes: number): string[][] {
  const specs = parameterSpecs(model);
  const groups: string[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const path of paths) {
    const bytes = momentsBytes(at(specs.get(path)?.shape ?? [], 0));
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
  const sizes = [...parameterSpecs(model).values()].flatMap(({ role, shape }) => (role === 'linear' ? [momentsBytes(at(shape, 0))] : []));
  return { largest: Math.max(0, ...sizes), all: sizes.reduce((sum, bytes) => sum + bytes, 0) };
}

// Second moments of the inputs of a model's linear layers over sample text, accumulated on the engine.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, type Value } from '#graph';
import {
  causalNetwork,
  encoderInputs,
  encoderNetwork,
  encoderOutputs,
  type GraphNetwork,
  graphNames,
  isOverTokens,
  type Model,
  parameterSpecs,
  taskOf,
  uploadModel,
} from '#models';
import { type HostTensor, hostTensor, multiplyDims } from '#tensor';

/** H = XᵀX of one input, and the layers that it goes into. */
export interface InputMoments {
  /** Paths of the weights that read this input: one, or several such as query, key and value. */
  readonly paths: readonly string[];
  /** [D, D], symmetric: the sum, not the mean, over the tokens. */
  readonly gram: Float64Array;
  readonly width: number;
  /** N, the number of rows of X that are summed; padding is not. */
  readonly tokens: number;
}

/** Sample inputs for methods that look at activations. */
export interface Calibration {
  /**
   * The second moments of the inputs of these linear layers, some at a time, so that not all need be in memory together.
   *
   * Every path comes exactly once. The values depend on the model and the data only, not on the grouping.
   * @throws AppError `not_enough_samples` without any token | `bad_weights` where an activation is not finite | `cancelled`
   */
  inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMoments>;
}

/** Texts that are padded on the right to one length. */
export interface PaddedWindow {
  /** [B, T] */
  readonly tokens: HostTensor<'int64'>;
  /** [B, T], true for real tokens: the others add nothing to the moments. */
  readonly mask: HostTensor<'bool'>;
  /** [B, T]; all tokens belong to the first text when absent. */
  readonly tokenTypes?: HostTensor<'int64'>;
}

/** Token ids [B, T]; B and T may change from one to the next. */
export type TokenWindows = () => AsyncIterable<HostTensor<'int64'>>;

/** Texts for encoders; B and T may change from one to the next. */
export type PaddedWindows = () => AsyncIterable<PaddedWindow>;

export interface WindowCalibrationOptions {
  /** Room for the moments of one pass over the data; as many layers as fit share a pass. Default 1 GiB. */
  readonly memoryBytes?: number;
  /** Windows of one pass, where that is known: for progress. */
  readonly windows?: number;
}

const defaultMemoryBytes = 1 << 30;

/** Runs the model over windows of tokens, or over padded texts where it is an encoder. `windows` starts anew for every pass and must give the same windows each time. */
export class WindowCalibration implements Calibration {
  readonly #engine: Engine;
  readonly #windows: TokenWindows | PaddedWindows;
  readonly #memoryBytes: number;
  readonly #total: number | undefined;

  constructor(engine: Engine, windows: TokenWindows | PaddedWindows, options: WindowCalibrationOptions = {}) {
    this.#engine = engine;
    this.#windows = windows;
    this.#memoryBytes = options.memoryBytes ?? defaultMemoryBytes;
    this.#total = options.windows;
  }

  async *inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncGenerator<InputMoments> {
    const weights = uploadModel(this.#engine, model);
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
    const { graph, taps } = momentsGraph(model, paths);
    const program = await this.#engine.compile(graph, { name: 'calibration' });
    const allocate = (): DeviceBuffer[] => taps.map(({ width }) => this.#engine.allocate({ dtype: 'float64', shape: [width, width] }));
    // Two sets of sums: a run reads one and writes the other.
    let sums = allocate();
    let spare = allocate();
    try {
      let tokens = 0;
      let texts = 0;
      let step = 0;
      for await (const window of this.#windows()) {
        throwIfCancelled(context.signal);
        const padded = asPadded(window, model);
        await addWindow(program, weights, padded, sums, spare, context.signal);
        [sums, spare] = [spare, sums];
        tokens += padded.mask.data.reduce((sum, isReal) => sum + isReal, 0);
        texts += at(padded.tokens.shape, 0);
        context.report({ phase, step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }), metrics: { tokens } });
      }
      if (tokens === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of tokens. Give more text.');
      return taps.map((tap, index) => readMoments(tap, at(sums, index), tap.applications * (tap.isOverTokens ? tokens : texts)));
    } finally {
      for (const buffer of [...sums, ...spare]) buffer.release();
      await program.release();
    }
  }
}

/** Inputs whose moments are one sum. */
interface Tap {
  readonly paths: string[];
  readonly width: number;
  /** Places in the model where the layers stand: several where parameters are shared. */
  readonly applications: number;
  /** Rows are tokens, rather than whole texts as in a classification head. */
  readonly isOverTokens: boolean;
}

const sumName = (index: number): string => `sum.${index}`;
const totalName = (index: number): string => `total.${index}`;

/** The model up to the last input that is asked for; layers that read the same values share one sum. */
function momentsGraph(model: Model, paths: readonly string[]): { graph: ReturnType<GraphBuilder['graph']>; taps: Tap[] } {
  const b = new GraphBuilder();
  const { net, tokens, mask } = runModel(b, model, paths);
  const byValues = new Map<string, { tap: Tap; inputs: readonly Value[] }>();
  const numbers = new Map<Value, number>();
  const numberOf = (value: Value): number => {
    numbers.set(value, numbers.get(value) ?? numbers.size);
    return numbers.get(value) ?? 0;
  };
  for (const path of paths) {
    const inputs = net.linearInputs.get(path);
    invariant(inputs !== undefined, `${path} is not the weight of a linear layer`);
    const key = inputs.map(numberOf).join();
    const known = byValues.get(key);
    if (known !== undefined) {
      known.tap.paths.push(path);
      continue;
    }
    const first = at(inputs, 0);
    const width = at(first.shape, first.shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of its input is not known`);
    byValues.set(key, { inputs, tap: { paths: [path], width, applications: inputs.length, isOverTokens: isOverTokens(first, tokens) } });
  }
  // Padding becomes zeros, which add nothing.
  const weights = mask === undefined ? undefined : b.reshape(b.cast(mask, 'float64'), [multiplyDims('B', 'T'), 1]);
  const outputs = [...byValues.values()].map(({ inputs, tap }, index) => {
    // Float64 products: the smallest directions of H decide what whitening keeps, and float32 sums would drown them.
    const products = inputs.map((input) => {
      const x = b.cast(input, 'float64'); // [N, D]
      const real = weights === undefined || !tap.isOverTokens ? x : b.mul(x, weights);
      return b.matmul(real, real, { transposeA: true });
    });
    const before = b.input(sumName(index), 'float64', [tap.width, tap.width]);
    return [totalName(index), products.reduce((sum, product) => b.add(sum, product), before)] as const;
  });
  return { graph: b.graph(Object.fromEntries(outputs)), taps: [...byValues.values()].map(({ tap }) => tap) };
}

/** The model's linear layers on the inputs of a window, heads included where they are asked for. */
function runModel(
  b: GraphBuilder,
  model: Model,
  paths: readonly string[],
): { readonly net: GraphNetwork; readonly tokens: Value; readonly mask?: Value } {
  const sizes = { batch: 'B', length: 'T' };
  if (taskOf(model.config).kind === 'causal') {
    const tokens = b.input(graphNames.tokens, 'int64', ['B', 'T']);
    const net = causalNetwork(b, model, tokens);
    const hidden = net.hidden(tokens);
    if (paths.some((path) => !net.linearInputs.has(path))) net.logits(hidden); // the head is a linear layer too
    return { net, tokens };
  }
  const inputs = encoderInputs(b, model, sizes);
  const net = encoderNetwork(b, model, inputs);
  const hidden = net.hidden(inputs.tokens);
  if (paths.some((path) => !net.linearInputs.has(path))) encoderOutputs(b, model, net, hidden, inputs);
  return { net, tokens: inputs.tokens, mask: inputs.mask };
}

/** @throws AppError `unsupported` for padding before a model whose graphs do not know of it */
function asPadded(window: HostTensor<'int64'> | PaddedWindow, { config }: Model): PaddedWindow {
  if (!('data' in window)) {
    if (taskOf(config).kind !== 'causal') return window;
    throw new AppError(
      'unsupported',
      `calibration: padded texts are for encoders; give the ${config.architecture} model windows of tokens.`,
    );
  }
  const mask = hostTensor('bool', window.shape);
  mask.data.fill(1);
  return { tokens: window, mask };
}

async function addWindow(
  program: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  { tokens, mask, tokenTypes }: PaddedWindow,
  sums: readonly DeviceBuffer[],
  results: readonly DeviceBuffer[],
  signal: AbortSignal,
): Promise<void> {
  const inputs: Record<string, DeviceBuffer | HostTensor> = { [graphNames.tokens]: tokens };
  if (program.inputNames.includes(graphNames.mask)) inputs[graphNames.mask] = mask;
  if (program.inputNames.includes(graphNames.tokenTypes)) inputs[graphNames.tokenTypes] = tokenTypes ?? hostTensor('int64', tokens.shape);
  for (const [index, sum] of sums.entries()) inputs[sumName(index)] = sum;
  for (const name of program.inputNames) {
    const weight = weights[name];
    if (weight !== undefined) inputs[name] = weight;
  }
  const outputs = Object.fromEntries(results.map((buffer, index) => [totalName(index), buffer]));
  await program.run(inputs, { outputs, signal });
}

function readMoments({ paths, width }: Tap, sum: DeviceBuffer, tokens: number): InputMoments {
  const { data } = sum.read();
  invariant(data instanceof Float64Array, 'moments are float64');
  if (data.some((value) => !Number.isFinite(value)))
    throw new AppError('bad_weights', `${paths.join(', ')}: the inputs of this layer are not finite on the calibration text.`);
  return { paths, gram: data, width, tokens };
}

/** Consecutive paths whose sums, kept twice, fit into the budget; at least one a group. Layers of a block stay in order. */
function groupByMemory(model: Model, paths: readonly string[], budgetBytes: number): string[][] {
  const specs = parameterSpecs(model);
  const groups: string[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const path of paths) {
    const width = at(specs.get(path)?.shape ?? [], 0);
    const bytes = 2 * 8 * width * width;
    if (used + bytes > budgetBytes) {
      groups.push([]);
      used = 0;
    }
    at(groups, groups.length - 1).push(path);
    used += bytes;
  }
  return groups;
}

// Second moments of the inputs of a model's linear layers over sample text, accumulated on the engine.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, type Value } from '#graph';
import {
  causalNetwork,
  encoderDecoderNetwork,
  type GraphNetwork,
  graphNames,
  isEncoderDecoder,
  type Model,
  parameterSpecs,
  sourceInputs,
  uploadModel,
} from '#models';
import { type Dim, elementCount, evaluateDim, type HostTensor, hostTensor } from '#tensor';

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
   * The second moments of the inputs of these linear layers, some at a time, so that not all need be in memory together.
   *
   * Every path comes exactly once. The values depend on the model and the data only, not on the grouping.
   * @throws AppError `not_enough_samples` without any token | `bad_weights` where an activation is not finite | `cancelled`
   */
  inputMoments(model: Model, paths: readonly string[], context: OperationContext): AsyncIterable<InputMoments>;
}

/** Sources [B, S] and what the decoder reads beside them [B, T], without padding, which would count as input. */
export interface PairWindow {
  readonly source: HostTensor<'int64'>;
  readonly tokens: HostTensor<'int64'>;
}

/** Token ids [B, T]; B and T may change from one to the next. */
export type TokenWindows = () => AsyncIterable<HostTensor<'int64'>>;

/** Pairs, for an encoder-decoder; sizes may change from one to the next. */
export type PairWindows = () => AsyncIterable<PairWindow>;

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
  readonly #windows: TokenWindows | PairWindows;
  readonly #memoryBytes: number;
  readonly #total: number | undefined;

  constructor(engine: Engine, windows: TokenWindows | PairWindows, options: WindowCalibrationOptions = {}) {
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
      const rows = taps.map(() => 0);
      let step = 0;
      for await (const window of this.#windows()) {
        throwIfCancelled(context.signal);
        const inputs = windowInputs(model, window);
        await addWindow(program, weights, inputs, sums, spare, context.signal);
        [sums, spare] = [spare, sums];
        const sizes = sizesOf(inputs);
        for (const [index, tap] of taps.entries()) rows[index] = at(rows, index) + evaluateDim(tap.rows, sizes);
        tokens += Object.values(inputs).reduce((sum, { dtype, data }) => sum + (dtype === 'int64' ? data.length : 0), 0);
        context.report({ phase, step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }), metrics: { tokens } });
      }
      if (tokens === 0) throw new AppError('not_enough_samples', 'the calibration data holds no window of tokens. Give more text.');
      return taps.map((tap, index) => readMoments(tap, at(sums, index), at(rows, index)));
    } finally {
      for (const buffer of [...sums, ...spare]) buffer.release();
      await program.release();
    }
  }
}

interface Tap {
  readonly paths: string[];
  readonly width: number;
  /** N, in the symbols of a window. */
  readonly rows: Dim;
}

/** The symbols of a window's sizes. */
const symbols = { batch: 'B', length: 'T', sourceLength: 'S' } as const;

function windowInputs({ config }: Model, window: HostTensor<'int64'> | PairWindow): Record<string, HostTensor> {
  if ('source' in window !== isEncoderDecoder(config))
    throw new AppError(
      'unsupported',
      `a ${config.architecture} model is calibrated with ${isEncoderDecoder(config) ? 'pairs' : 'text'}. Give such data.`,
    );
  if (!('source' in window)) return { [graphNames.tokens]: window };
  const { source, tokens } = window;
  const sourceMask = hostTensor('bool', source.shape, new Uint8Array(source.data.length).fill(1));
  return { [graphNames.source]: source, [graphNames.sourceMask]: sourceMask, [graphNames.tokens]: tokens };
}

function sizesOf(inputs: Readonly<Record<string, HostTensor>>): Map<string, number> {
  const sizes = new Map<string, number>();
  const set = (name: string, tensor: HostTensor | undefined, symbol: string): void => {
    if (tensor === undefined) return;
    invariant(tensor.shape.length === 2, `${name} of a window is a batch of rows`);
    sizes.set(symbols.batch, at(tensor.shape, 0));
    sizes.set(symbol, at(tensor.shape, 1));
  };
  set('tokens', inputs[graphNames.tokens], symbols.length);
  set('source', inputs[graphNames.source], symbols.sourceLength);
  return sizes;
}

/** The network over a window, and its hidden states. */
function networkOf(b: GraphBuilder, model: Model): { readonly net: GraphNetwork; readonly hidden: Value } {
  const { batch, length } = symbols;
  if (!isEncoderDecoder(model.config)) {
    const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
    const net = causalNetwork(b, model, tokens);
    return { net, hidden: net.hidden(tokens) };
  }
  const sources = sourceInputs(b, symbols);
  const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
  const net = encoderDecoderNetwork(b, model, sources, tokens);
  return { net, hidden: net.hidden(tokens) };
}

const sumName = (index: number): string => `sum.${index}`;
const totalName = (index: number): string => `total.${index}`;

/** The model up to the last input that is asked for; layers that read the same value share one sum. */
function momentsGraph(model: Model, paths: readonly string[]): { graph: ReturnType<GraphBuilder['graph']>; taps: Tap[] } {
  const b = new GraphBuilder();
  const { net, hidden } = networkOf(b, model);
  if (paths.some((path) => !net.linearInputs.has(path))) net.logits(hidden); // the head is a linear layer too
  const byValue = new Map<Value, Tap>();
  for (const path of paths) {
    const input = net.linearInputs.get(path);
    invariant(input !== undefined, `${path} is not the weight of a linear layer`);
    const width = at(input.shape, input.shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of its input is not known`);
    const known = byValue.get(input);
    if (known === undefined) byValue.set(input, { paths: [path], width, rows: elementCount(input.shape.slice(0, -1)) });
    else known.paths.push(path);
  }
  // Float64 products: the smallest directions of H decide what whitening keeps, and float32 sums would drown them.
  const outputs = [...byValue].map(([input, { width }], index) => {
    const x = b.cast(input, 'float64'); // [N, D]
    return [totalName(index), b.add(b.input(sumName(index), 'float64', [width, width]), b.matmul(x, x, { transposeA: true }))] as const;
  });
  return { graph: b.graph(Object.fromEntries(outputs)), taps: [...byValue.values()] };
}

async function addWindow(
  program: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  window: Readonly<Record<string, HostTensor>>,
  sums: readonly DeviceBuffer[],
  results: readonly DeviceBuffer[],
  signal: AbortSignal,
): Promise<void> {
  const inputs: Record<string, DeviceBuffer | HostTensor> = { ...window };
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

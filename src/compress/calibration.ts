// Second moments of the inputs of a model's linear layers over sample text, accumulated on the engine.
import { AppError, at, invariant, type OperationContext, throwIfCancelled } from '#base';
import type { DeviceBuffer, Engine, Program } from '#engine';
import { GraphBuilder, optimizeGraph, type Value } from '#graph';
import { causalNetwork, type GraphNetwork, graphNames, type Model, parameterSpecs, sharedUsers, uploadModel } from '#models';
import type { HostTensor } from '#tensor';

/** H = XᵀX of one input, and the layers that it goes into. */
export interface InputMoments {
  /** Paths of the weights that read this input: one, or several such as query, key and value. */
  readonly paths: readonly string[];
  /** [D, D], symmetric: the sum, not the mean, over the tokens. */
  readonly gram: Float64Array;
  readonly width: number;
  /** N, the number of rows of X: of a weight that several layers share those of all of them. */
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

  async *windowValues(
    model: Model,
    build: (network: GraphNetwork) => Readonly<Record<string, Value>>,
    context: OperationContext,
  ): AsyncGenerator<Readonly<Record<string, HostTensor>>> {
    const b = new GraphBuilder();
    const tokens = b.input(graphNames.tokens, 'int64', ['B', 'T']);
    const network = causalNetwork(b, model, tokens);
    network.hidden(tokens);
    const graph = optimizeGraph(b.graph({ ...build(network) }));
    const weights = uploadModel(this.#engine, model);
    let program: Program | undefined;
    try {
      program = await this.#engine.compile(graph, { name: 'calibration' });
      let step = 0;
      for await (const window of this.#windows()) {
        throwIfCancelled(context.signal);
        const results = await program.run(programInputs(program, weights, { [graphNames.tokens]: window }), { signal: context.signal });
        const values = Object.entries(results).map(([name, buffer]) => [name, buffer.read()] as const);
        for (const buffer of Object.values(results)) buffer.release();
        context.report({ phase: 'calibrate', step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }) });
        yield Object.fromEntries(values);
      }
      if (step === 0) throw noTokens();
    } finally {
      for (const buffer of Object.values(weights)) buffer.release();
      await program?.release();
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
      let step = 0;
      for await (const window of this.#windows()) {
        throwIfCancelled(context.signal);
        await addWindow(program, weights, window, sums, spare, context.signal);
        [sums, spare] = [spare, sums];
        tokens += window.data.length;
        context.report({ phase, step: ++step, ...(this.#total === undefined ? {} : { total: this.#total }), metrics: { tokens } });
      }
      if (tokens === 0) throw noTokens();
      return taps.map((tap, index) => readMoments(tap, at(sums, index), tokens));
    } finally {
      for (const buffer of [...sums, ...spare]) buffer.release();
      await program.release();
    }
  }
}

function noTokens(): AppError {
  return new AppError('not_enough_samples', 'the calibration data holds no window of tokens. Give more text.');
}

interface Tap {
  readonly paths: string[];
  readonly width: number;
  /** Layers whose inputs are summed. */
  readonly uses: number;
}

const sumName = (index: number): string => `sum.${index}`;
const totalName = (index: number): string => `total.${index}`;

/** The model up to the last input that is asked for; layers that read the same value share one sum. */
function momentsGraph(model: Model, paths: readonly string[]): { graph: ReturnType<GraphBuilder['graph']>; taps: Tap[] } {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', ['B', 'T']);
  const net = causalNetwork(b, model, tokens);
  const hidden = net.hidden(tokens);
  if (paths.some((path) => !net.linearInputs.has(path))) net.logits(hidden); // the head is a linear layer too
  const users = sharedUsers(model);
  const taps = new Map<string, { readonly tap: Tap; readonly inputs: readonly Value[] }>();
  const numbers = new Map<Value, number>();
  for (const path of paths) {
    const inputs = [path, ...(users.get(path) ?? [])].map((use) => {
      const input = net.linearInputs.get(use);
      invariant(input !== undefined, `${use} is not the weight of a linear layer`);
      if (!numbers.has(input)) numbers.set(input, numbers.size);
      return input;
    });
    const key = inputs.map((input) => numbers.get(input)).join();
    const { shape } = at(inputs, 0);
    const width = at(shape, shape.length - 1);
    invariant(typeof width === 'number', `${path}: the width of its input is not known`);
    const known = taps.get(key);
    if (known === undefined) taps.set(key, { tap: { paths: [path], width, uses: inputs.length }, inputs });
    else known.tap.paths.push(path);
  }
  // Float64 products: the smallest directions of H decide what whitening keeps, and float32 sums would drown them.
  const outputs = [...taps.values()].map(({ tap: { width }, inputs }, index) => {
    const moments = inputs.map((input) => {
      const x = b.cast(input, 'float64'); // [N, D]
      return b.matmul(x, x, { transposeA: true });
    });
    return [totalName(index), moments.reduce((sum, each) => b.add(sum, each), b.input(sumName(index), 'float64', [width, width]))] as const;
  });
  return { graph: b.graph(Object.fromEntries(outputs)), taps: [...taps.values()].map(({ tap }) => tap) };
}

async function addWindow(
  program: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  window: HostTensor<'int64'>,
  sums: readonly DeviceBuffer[],
  results: readonly DeviceBuffer[],
  signal: AbortSignal,
): Promise<void> {
  const given: Record<string, DeviceBuffer | HostTensor> = { [graphNames.tokens]: window };
  for (const [index, sum] of sums.entries()) given[sumName(index)] = sum;
  const inputs = programInputs(program, weights, given);
  const outputs = Object.fromEntries(results.map((buffer, index) => [totalName(index), buffer]));
  await program.run(inputs, { outputs, signal });
}

/** What is given, and of the weights those that the program reads. */
function programInputs(
  { inputNames }: Program,
  weights: Readonly<Record<string, DeviceBuffer>>,
  given: Readonly<Record<string, DeviceBuffer | HostTensor>>,
): Record<string, DeviceBuffer | HostTensor> {
  const read = inputNames.flatMap((name) => {
    const weight = weights[name];
    return weight === undefined ? [] : [[name, weight] as const];
  });
  return { ...given, ...Object.fromEntries(read) };
}

function readMoments({ paths, width, uses }: Tap, sum: DeviceBuffer, tokens: number): InputMoments {
  const { data } = sum.read();
  invariant(data instanceof Float64Array, 'moments are float64');
  if (data.some((value) => !Number.isFinite(value)))
    throw new AppError('bad_weights', `${paths.join(', ')}: the inputs of this layer are not finite on the calibration text.`);
  return { paths, gram: data, width, tokens: uses * tokens };
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

// Decoding with a cache for models whose positions halt: one graph a part, so that nothing runs once every position has halted.
import { at, invariant } from '#base';
import { type Graph, GraphBuilder, topologicalOrder, type Value } from '#graph';
import { type Dim, float32, type HostTensor, int64, multiplyDims, type Shape } from '#tensor';
import type { Network } from './architecture.ts';
import { architectureOf } from './architectures.ts';
import { addSignals, firstHaltingState, type HaltingState, haltingStep, stepSignal } from './depth.ts';
import { graphNames } from './graph-names.ts';
import type { ModelDeclaration } from './model.ts';
import { GraphNetwork } from './network.ts';
import { parameterSpecs } from './parametrizations.ts';
import { sharedOwner } from './sharing.ts';

/** Names of what goes from one part to the next. */
export const haltingNames = {
  state: 'state',
  output: 'output',
  isRunning: 'isRunning',
  left: 'left',
  /** 1 at the last step, float32 []. */
  isLast: 'isLast',
  /** Of the B*T positions of a step, those that go on, int64 [R]. */
  runningRows: 'runningRows',
  /** The others, int64 [H]. */
  haltedRows: 'haltedRows',
  /** Where each position, int64 [B*T], stands among the running ones and the others behind them. */
  order: 'order',
} as const;

/** What the parts hand on, in the order of `HaltingState`. */
export const haltingStateNames = [haltingNames.state, haltingNames.output, haltingNames.isRunning, haltingNames.left] as const;

export interface HaltingGraphs {
  /** tokens -> the first state. */
  readonly begin: Graph;
  /** A state -> the next, with the cache of the step under the names of layer 0. */
  readonly step: Graph;
  /**
   * The same where some positions have halted: of those it computes keys and values, which the others read, and nothing else. `haltedRowInputs` says
   * which they are; there must be some of both kinds.
   */
  readonly partialStep: Graph;
  /**
   * A state -> only the caches of `fillPlaces` steps, under the names of layers 0, 1, …, for positions that have all halted: others will read
   * them there. It costs the projections to keys and values, once where steps have no signals of their own.
   */
  readonly fill: Graph;
  /** The output -> logits of the rows that `logitRows` int64 [M] names, [M, V]. */
  readonly end: Graph;
}

/** Whether a model halts and applies one block over and over, so that one graph is every step. */
export function repeatsOneBlock(model: ModelDeclaration): boolean {
  const { config } = model;
  if (config.halting === undefined) return false;
  const windows = config.architecture === 'llama' ? new Set(config.slidingWindow?.layers) : [];
  if ([...windows].length > 1) return false;
  return [...parameterSpecs(model).values()].every(({ path, block }) => {
    if (block === undefined || block === 0) return true;
    const parameter = model.parameters.get(path);
    const owner = parameter === undefined ? undefined : sharedOwner(parameter);
    return owner === path.replace(/^h\.\d+\./, 'h.0.');
  });
}

/** The inputs of step `step` (from 0) beside its state and cache. */
export function haltingStepInputs(model: ModelDeclaration, step: number): Record<string, HostTensor> {
  return { [haltingNames.isLast]: float32([], [step === model.config.layers - 1 ? 1 : 0]), ...signalInputs(model, [step]) };
}

/** How many steps one run of `fill` writes. Where each has keys and values of its own they are few, as those in excess cost as much. */
export function fillPlaces({ config: { layers, halting } }: ModelDeclaration): number {
  return Math.max(1, Math.min(layers - 1, halting?.signals === true ? 4 : layers));
}

/** The signals of the steps at the places of a graph. */
export function signalInputs({ config: { width, halting } }: ModelDeclaration, steps: readonly number[]): Record<string, HostTensor> {
  if (halting?.signals !== true) return {};
  return Object.fromEntries(steps.map((step, place) => [signalName(place), float32([width], stepSignal(step, width))]));
}

function signalName(place: number): string {
  return `stepSignal.${place}`;
}

/** The inputs of `partialStep` that say which positions go on. @param isRunning - one number a position: 0 where it has halted */
export function haltedRowInputs(isRunning: ArrayLike<number>): Record<string, HostTensor> {
  const rows = Array.from(isRunning, (_, row) => row);
  const running = rows.filter((row) => isRunning[row] !== 0);
  const halted = rows.filter((row) => isRunning[row] === 0);
  const order = new Array<number>(rows.length).fill(0);
  for (const [place, row] of [...running, ...halted].entries()) order[row] = place;
  return {
    [haltingNames.runningRows]: int64([running.length], running),
    [haltingNames.haltedRows]: int64([halted.length], halted),
    [haltingNames.order]: int64([rows.length], order),
  };
}

/** The parts of `buildDecodeGraph` with symbols for batch, length and room, and positions below a limit, for a model that `repeatsOneBlock`. */
export function buildHaltingGraphs(model: ModelDeclaration, positionLimit: number): HaltingGraphs {
  const part = (outputs: (parts: HaltingParts, x: Value) => Record<string, Value>): Graph =>
    buildPart(model, positionLimit, (parts, x) => ({ hidden: x, outputs: outputs(parts, x) }));
  return {
    begin: part(({ b }, x) => named(b, firstHaltingState(b, x))),
    step: part((parts) => parts.step()),
    partialStep: part((parts) => parts.partialStep()),
    fill: part((parts) => {
      parts.fill();
      return {};
    }),
    end: buildPart(model, positionLimit, ({ b }) => ({ hidden: rowsInput(b, haltingNames.output, model.config.width) })),
  };
}

const [B, T, S, R, H] = ['B', 'T', 'S', 'R', 'H'];
const N = multiplyDims(B, T);

/** `part` stands in place of the blocks; without outputs of its own the graph goes on to the logits. */
function buildPart(
  model: ModelDeclaration,
  positionLimit: number,
  part: (parts: HaltingParts, x: Value) => { readonly hidden: Value; readonly outputs?: Readonly<Record<string, Value>> },
): Graph {
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [B, T]);
  const positions = b.input(graphNames.positions, 'int64', [B, T]);
  const lastIndex = b.input(graphNames.lastIndex, 'int32', [B]);
  const totalLength = b.input(graphNames.totalLength, 'int32', [1]);
  let outputs: Readonly<Record<string, Value>> | undefined;
  const net: GraphNetwork = new GraphNetwork(b, model, {
    positions,
    positionLimit,
    attention: { kind: 'cached', room: S, lastIndex, totalLength },
    runBlocks: (x) => {
      const made = part(new HaltingParts(model, b, net), x);
      outputs = made.outputs;
      return made.hidden;
    },
  });
  const hidden = net.hidden(tokens);
  if (outputs !== undefined) return onlyUsed(b.graph({ ...outputs, ...Object.fromEntries(net.presents) }));
  const rows = b.gather(hidden, b.input(graphNames.logitRows, 'int64', ['M']));
  return onlyUsed(b.graph({ [graphNames.logits]: net.logits(rows) }));
}

/** Without the inputs of what was built and left out: weights that are handed over must be there to be replaced. */
function onlyUsed({ inputs, outputs }: Graph): Graph {
  const used = new Set(topologicalOrder({ inputs, outputs }));
  return { inputs: inputs.filter(({ value }) => used.has(value.node)), outputs };
}

/** Rows [N, D] of a batch [B, T], and who attends for them. */
interface Rows {
  readonly x: Value;
  readonly positions: Value;
  readonly batch: Shape;
  readonly attend: Network['attend'];
}

/** What may stand in place of the blocks, in one graph. */
class HaltingParts {
  readonly b: GraphBuilder;
  readonly #model: ModelDeclaration;
  readonly #net: GraphNetwork;

  constructor(model: ModelDeclaration, b: GraphBuilder, net: GraphNetwork) {
    this.b = b;
    this.#model = model;
    this.#net = net;
  }

  step(): Record<string, Value> {
    const net = this.#net;
    const before = stateInputs(this.#model, this.b);
    const attend: Network['attend'] = (...heads) => net.attend(...heads);
    const stepped = this.#applied(0, this.#signal(0), { x: before.state, positions: net.positions, batch: [B, T], attend });
    return named(this.b, this.#halted(before, stepped));
  }

  partialStep(): Record<string, Value> {
    const { b } = this;
    const net = this.#net;
    const before = stateInputs(this.#model, b);
    const [running, halted] = [b.input(haltingNames.runningRows, 'int64', [R]), b.input(haltingNames.haltedRows, 'int64', [H])];
    const order = b.input(haltingNames.order, 'int64', [N]);
    const merged = (some: Value, others: Value): Value => b.gather(b.concat([some, others], 0), order);
    const positions = b.reshape(net.positions, [N]);
    const chosen = (rows: Value): Pick<Rows, 'x' | 'positions' | 'batch'> => {
      const batch = [1, at(rows.shape, 0)];
      return { x: b.gather(before.state, rows), positions: b.reshape(b.gather(positions, rows), batch), batch };
    };
    const signal = this.#signal(0);

    let others: readonly Value[] = [];
    const onlyKeys: Network['attend'] = (_, q, k, v) => {
      others = [flat(b, zeros(b, q)), flat(b, k), flat(b, v)];
      return flat(b, zeros(b, q));
    };
    this.#applied(0, signal, { ...chosen(halted), attend: onlyKeys });
    const amongAll: Network['attend'] = (layer, q, k, v, options) => {
      const whole = (x: Value, index: number): Value => b.reshape(merged(flat(b, x), at(others, index)), [B, T, ...x.shape.slice(2)]);
      return b.gather(net.attend(layer, whole(q, 0), whole(k, 1), whole(v, 2), options), running);
    };
    const stepped = this.#applied(0, signal, { ...chosen(running), attend: amongAll });

    const part = (rows: Value): HaltingState => mapState(before, (x) => b.gather(x, rows));
    const [after, unchanged] = [this.#halted(part(running), stepped), part(halted)];
    return named(
      b,
      mapState(after, (x, name) => merged(x, unchanged[name])),
    );
  }

  /** Keys that ask for themselves alone make the least of attention, which writes the cache. */
  fill(): void {
    const { b } = this;
    const net = this.#net;
    const x = rowsInput(b, haltingNames.state, this.#model.config.width);
    const attend: Network['attend'] = (layer, q, k, v) => {
      net.attend(layer, k, k, v, { window: 1 });
      return flat(b, zeros(b, q));
    };
    for (let place = 0; place < fillPlaces(this.#model); place++)
      this.#applied(place, this.#signal(place), { x, positions: net.positions, batch: [B, T], attend });
  }

  /** What the block makes of rows: of its places all are alike but for the cache. */
  #applied(place: number, signal: Value | undefined, { x, positions, batch, attend }: Rows): Value {
    const { config } = this.#model;
    const net = this.#net.beside({ positions, positionLimit: this.#net.positionLimit, attention: { kind: 'elsewhere', attend } });
    const blocks = architectureOf(config).blocks?.(config, net, batch);
    invariant(blocks !== undefined, 'a model that repeats one block has blocks');
    const input = signal === undefined ? x : addSignals(this.b, x, positions, signal, [...batch, config.width]);
    return net.at(`h.${place}`, () => blocks.block(place, input));
  }

  /** The signal of the step at a place, where steps have any. */
  #signal(place: number): Value | undefined {
    const { halting, width } = this.#model.config;
    return halting?.signals === true ? this.b.input(signalName(place), 'float32', [width]) : undefined;
  }

  #halted(before: HaltingState, stepped: Value): HaltingState {
    const { halting } = this.#model.config;
    invariant(halting !== undefined, 'only models that halt are taken apart');
    return haltingStep(this.#net, halting.epsilon, before, stepped, this.b.input(haltingNames.isLast, 'float32', []));
  }
}

function rowsInput(b: GraphBuilder, name: string, width: number): Value {
  return b.reshape(b.input(name, 'float32', [B, T, width]), [N, width]);
}

function stateInputs({ config: { width } }: ModelDeclaration, b: GraphBuilder): HaltingState {
  return {
    state: rowsInput(b, haltingNames.state, width),
    output: rowsInput(b, haltingNames.output, width),
    isRunning: rowsInput(b, haltingNames.isRunning, 1),
    left: rowsInput(b, haltingNames.left, 1),
  };
}

function mapState(state: HaltingState, change: (rows: Value, name: keyof HaltingState) => Value): HaltingState {
  const { state: rows, output, isRunning, left } = state;
  return {
    state: change(rows, 'state'),
    output: change(output, 'output'),
    isRunning: change(isRunning, 'isRunning'),
    left: change(left, 'left'),
  };
}

/** As [B, T, …], so that the next part knows both sizes. */
function named(b: GraphBuilder, halting: HaltingState): Record<string, Value> {
  return { ...mapState(halting, (rows) => b.reshape(rows, [B, T, at(rows.shape, 1)])) };
}

/** x [B, T, H, K] -> rows [B*T, H*K] */
function flat(b: GraphBuilder, x: Value): Value {
  const [batch, length, heads, width] = x.shape as [Dim, Dim, Dim, Dim];
  return b.reshape(x, [multiplyDims(batch, length), multiplyDims(heads, width)]);
}

function zeros(b: GraphBuilder, { shape }: Value): Value {
  return b.broadcastTo(b.scalar(0, 'float32'), shape);
}

// Decoding with a cache for models whose positions halt: one graph a part, so that nothing runs once every position has halted.
import { at, invariant } from '#base';
import { type Graph, GraphBuilder, topologicalOrder, type Value } from '#graph';
import { float32, type HostTensor, multiplyDims } from '#tensor';
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
  /** Number of positions that go on, float32 []. */
  numRunning: 'numRunning',
  /** 1 at the last step, float32 []. */
  isLast: 'isLast',
} as const;

/** What the parts hand on, in the order of `HaltingState`. */
export const haltingStateNames = [haltingNames.state, haltingNames.output, haltingNames.isRunning, haltingNames.left] as const;

export interface HaltingGraphs {
  /** tokens -> the first state. */
  readonly begin: Graph;
  /** A state -> the next, with the cache of the step under the names of layer 0. */
  readonly step: Graph;
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

/** The parts of `buildDecodeGraph` with symbols for batch, length and room, and positions below a limit, for a model that `repeatsOneBlock`. */
export function buildHaltingGraphs(model: ModelDeclaration, positionLimit: number): HaltingGraphs {
  return {
    begin: buildPart(model, positionLimit, ({ b }, x) => ({ hidden: x, outputs: named(b, firstHaltingState(b, x)) })),
    step: buildPart(model, positionLimit, (place, x, apply) => ({ hidden: x, outputs: stepOutputs(model, place, apply) })),
    fill: buildPart(
      model,
      positionLimit,
      (place, x, apply) => {
        const state = rowsInput(place.b, haltingNames.state, model.config.width);
        for (let index = 0; index < fillPlaces(model); index++) apply(index, blockInput(model, place, state, index));
        return { hidden: x, outputs: {} };
      },
      { onlyExtends: true },
    ),
    end: buildPart(model, positionLimit, ({ b }) => ({ hidden: rowsInput(b, haltingNames.output, model.config.width) })),
  };
}

const [B, T, S] = ['B', 'T', 'S'];

/** Where a part is built. */
interface Place {
  readonly b: GraphBuilder;
  readonly net: GraphNetwork;
}

/** `part` stands in place of the blocks; without outputs of its own the graph goes on to the logits. */
function buildPart(
  model: ModelDeclaration,
  positionLimit: number,
  part: (
    place: Place,
    x: Value,
    apply: (index: number, x: Value) => Value,
  ) => { readonly hidden: Value; readonly outputs?: Readonly<Record<string, Value>> },
  cache: { readonly onlyExtends?: boolean } = {},
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
    attention: { kind: 'cached', room: S, lastIndex, totalLength, ...cache },
    runBlocks: (x, apply) => {
      const made = part({ b, net }, x, apply);
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

function rowsInput(b: GraphBuilder, name: string, width: number): Value {
  return b.reshape(b.input(name, 'float32', [B, T, width]), [multiplyDims(B, T), width]);
}

function stateInputs({ config: { width } }: ModelDeclaration, b: GraphBuilder): HaltingState {
  return {
    state: rowsInput(b, haltingNames.state, width),
    output: rowsInput(b, haltingNames.output, width),
    isRunning: rowsInput(b, haltingNames.isRunning, 1),
    left: rowsInput(b, haltingNames.left, 1),
  };
}

function blockInput({ config: { halting, width } }: ModelDeclaration, { b, net }: Place, state: Value, place = 0): Value {
  if (halting?.signals !== true) return state;
  return addSignals(b, state, net.positions, b.input(signalName(place), 'float32', [width]), [B, T, width]);
}

function stepOutputs(model: ModelDeclaration, { b, net }: Place, apply: (index: number, x: Value) => Value): Record<string, Value> {
  const { halting } = model.config;
  invariant(halting !== undefined, 'only models that halt are taken apart');
  const before = stateInputs(model, b);
  const stepped = apply(0, blockInput(model, { b, net }, before.state));
  const after = haltingStep(net, halting.epsilon, before, stepped, b.input(haltingNames.isLast, 'float32', []));
  return { ...named(b, after), [haltingNames.numRunning]: b.reduceSum(after.isRunning, [0, 1]) };
}

/** As [B, T, …], so that the next part knows both sizes. */
function named(b: GraphBuilder, { state, output, isRunning, left }: HaltingState): Record<string, Value> {
  const batched = (rows: Value): Value => b.reshape(rows, [B, T, at(rows.shape, 1)]);
  return { state: batched(state), output: batched(output), isRunning: batched(isRunning), left: batched(left) };
}

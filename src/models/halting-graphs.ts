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
  stepSignal: 'stepSignal',
} as const;

/** What the parts hand on, in the order of `HaltingState`. */
export const haltingStateNames = [haltingNames.state, haltingNames.output, haltingNames.isRunning, haltingNames.left] as const;

export interface HaltingGraphs {
  /** tokens -> the first state. */
  readonly begin: Graph;
  /** A state -> the next, with the cache of the step under the names of layer 0. */
  readonly step: Graph;
  /** A state -> only the cache of the step, for positions that have all halted: others will read them there. */
  readonly fill: Graph;
  /** The output -> logits of the rows that `logitRows` int64 [M] names, [M, V]. */
  readonly end: Graph;
}

/** Whether a model halts and applies one block over and over, so that one graph is every step. */
export function repeatsOneBlock(model: ModelDeclaration): boolean {
  if (model.config.halting === undefined) return false;
  return [...parameterSpecs(model).values()].every(({ path, block }) => {
    if (block === undefined || block === 0) return true;
    const parameter = model.parameters.get(path);
    const owner = parameter === undefined ? undefined : sharedOwner(parameter);
    return owner === path.replace(/^h\.\d+\./, 'h.0.');
  });
}

/** The inputs of step `step` (from 0) beside its state and cache. */
export function haltingStepInputs({ config: { layers, width } }: ModelDeclaration, step: number): Record<string, HostTensor> {
  return {
    [haltingNames.isLast]: float32([], [step === layers - 1 ? 1 : 0]),
    [haltingNames.stepSignal]: float32([width], stepSignal(step, width)),
  };
}

/** The parts of `buildDecodeGraph` with symbols for batch, length and room, and positions below a limit, for a model that `repeatsOneBlock`. */
export function buildHaltingGraphs(model: ModelDeclaration, positionLimit: number): HaltingGraphs {
  return {
    begin: buildPart(model, positionLimit, ({ b }, x) => ({ hidden: x, outputs: named(b, firstHaltingState(b, x)) })),
    step: buildPart(model, positionLimit, (place, x, apply) => ({ hidden: x, outputs: stepOutputs(model, place, apply) })),
    fill: buildPart(model, positionLimit, (place, x, apply) => {
      apply(0, blockInput(model, place, rowsInput(place.b, haltingNames.state, model.config.width)));
      return { hidden: x, outputs: {} };
    }),
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

function blockInput({ config: { halting, width } }: ModelDeclaration, { b, net }: Place, state: Value): Value {
  if (halting?.signals !== true) return state;
  return addSignals(b, state, net.positions, b.input(haltingNames.stepSignal, 'float32', [width]), [B, T, width]);
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

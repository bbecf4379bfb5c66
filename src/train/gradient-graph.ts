// One forward and backward pass as a graph: loss and gradients, fresh or added to those of earlier micro-batches.
import { at, invariant } from '#base';
import { type Graph, GraphBuilder, gradientName, gradients, lossScaleNames, optimizeGraph, recomputeBlocks, type Value } from '#graph';
import {
  causalNetwork,
  depthTaps,
  type EncoderDecoderConfig,
  encoderDecoderNetwork,
  encoderInputs,
  encoderNetwork,
  type GraphNetwork,
  graphNames,
  hasTokenTypes,
  isEncoderDecoder,
  type ModelDeclaration,
  type NetworkChanges,
  shiftRight,
  sourceInputs,
  taskOf,
} from '#models';
import type { NarrowFloat } from '#tensor';
import type { Objective } from './objective.ts';
import type { ObjectiveContext, ObjectiveGraph, SchemeInGraph } from './objective-graph.ts';
import { type Products, withProducts } from './products.ts';
import { blockOutputs, withGradients } from './recomputed-blocks.ts';
import { schemeName, type TrainingScheme } from './scheme.ts';

export interface GradientGraph {
  readonly graph: Graph;
  /** Names of the scalar outputs, `loss` first. */
  readonly metricNames: readonly string[];
}

export interface GradientGraphOptions {
  readonly batch: number;
  readonly length: number;
  /** S: positions of a source, for an encoder-decoder; `length` when absent. */
  readonly sourceLength?: number | undefined;
  /** Stored names of the tensors that train. */
  readonly trained: readonly string[];
  /** Those of them that are sparse: their gradients are multiplied by `mask:NAME` bool, so that what is zero stays zero. */
  readonly masked?: ReadonlySet<string>;
  /** What the training changes about the student, and the variant of it that this graph is. */
  readonly scheme?: TrainingScheme | undefined;
  readonly variant?: string | undefined;
  /** Of the student's activations and weights; floats when absent. */
  readonly products?: Products | undefined;
  /** Adds to the gradients that are already there (inputs and outputs of one name) instead of overwriting them. */
  readonly accumulates: boolean;
  /** What matrix products take and give; no other than float32 beside `products`. @default 'float32' */
  readonly precision?: 'float32' | NarrowFloat;
  /** Multiplies the loss by the input `scaling:scale` float32 [] before it is differentiated: gradients come out as much larger, `loss` does not. */
  readonly lossScaled?: boolean;
  /** The backward pass computes the insides of blocks again. */
  readonly recompute?: boolean | undefined;
}

/** Name of the input that says which numbers of a sparse tensor are kept. */
export const maskName = (name: string): string => `mask:${name}`;

/**
 * Inputs: the student's parameters, the objective's inputs, tokens int64 [B, T], and what the objective makes of the batch: labels int64 [B, T]
 * where it asks for them. Encoders have a mask bool [B, T] too, and token types where they tell them apart. An encoder-decoder has source int64
 * and sourceMask bool [B, S] and labels int64 [B, T], negative where there is nothing to predict.
 *
 * Outputs: `loss`, the objective's metrics, and `gradient:NAME` for every trained tensor. All of them are float32, whatever products are computed in.
 */
export function buildGradientGraph(student: ModelDeclaration, objective: Objective, options: GradientGraphOptions): GradientGraph {
  const { trained, masked, accumulates, scheme, precision = 'float32', lossScaled = false, recompute = false } = options;
  const b = new GraphBuilder();
  const own = schemeTensors(b, options);
  const { network, batch } = studentOver(b, student, { ...options, inGraph: own.inGraph, changes: scheme?.network?.(own.inGraph) });
  const wanted = withPonderCost(b, student, network, objective.build(batch));
  const { loss, metrics } = scheme?.loss?.(batch, wanted, own.inGraph) ?? wanted;

  // A tensor that the graph never reads (an unused expert, say) has no input: it keeps its value and gets no gradient.
  const used = trained.flatMap((name) => {
    const value = network.parameterInputs.get(name) ?? own.used.get(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const blocks = recompute && used.length > 0 ? blockOutputs(student.config, network) : undefined;
  const differentiatedLoss = lossScaled ? b.mul(loss, b.input(lossScaleNames.scale, 'float32', [])) : loss;
  const made = gradients(b, differentiatedLoss, [...used.map(({ value }) => value), ...(blocks?.outputs ?? [])]);
  const outputs: Record<string, Value> = { loss, ...metrics };
  used.forEach(({ name }, index) => {
    const raw = at(made, index);
    const fresh = masked?.has(name) === true ? b.mul(raw, b.cast(b.input(maskName(name), 'bool', raw.shape), 'float32')) : raw;
    const key = gradientName(name);
    outputs[key] = accumulates ? b.add(b.input(key, 'float32', fresh.shape), fresh) : fresh;
  });
  const whole = b.graph(outputs);
  const forward = [loss, ...Object.values(metrics)];
  const differentiated =
    blocks === undefined
      ? whole
      : recomputeBlocks(b, whole, { forward, start: blocks.start, blocks: withGradients(blocks, made.slice(used.length)) });
  const weights = new Set([...network.parameterInputs.keys(), ...own.used.keys()]);
  const graph = withProducts(optimizeGraph(differentiated, { products: precision }), options.products, weights);
  return { graph, metricNames: ['loss', ...Object.keys(metrics)] };
}

/** A model over the inputs of a batch of its task, by itself: what `askedRows` and other readers of batches take. @throws AppError `context_too_long` */
export function modelOverBatch(
  b: GraphBuilder,
  model: ModelDeclaration,
  sizes: Pick<GradientGraphOptions, 'batch' | 'length' | 'sourceLength'>,
): ObjectiveContext {
  const options = { ...sizes, trained: [], accumulates: false };
  return studentOver(b, model, { ...options, inGraph: schemeTensors(b, options).inGraph, changes: undefined }).batch;
}

interface SchemeTensorsInGraph {
  readonly inGraph: SchemeInGraph;
  /** Those that the graph asked for, by their full names. */
  readonly used: ReadonlyMap<string, Value>;
}

function schemeTensors(b: GraphBuilder, { scheme, variant = '' }: GradientGraphOptions): SchemeTensorsInGraph {
  const used = new Map<string, Value>();
  const fed = new Map<string, Value>();
  const once = (known: Map<string, Value>, name: string, make: () => Value): Value => {
    const value = known.get(name) ?? make();
    known.set(name, value);
    return value;
  };
  const tensor = (name: string): Value => {
    const declared = scheme?.tensors?.find((each) => each.name === name);
    invariant(declared !== undefined, `the scheme has a tensor ${name}`);
    return once(used, schemeName(name), () => b.input(schemeName(name), 'float32', declared.initial.shape));
  };
  const input: SchemeInGraph['input'] = (name, dtype, shape) => once(fed, schemeName(name), () => b.input(schemeName(name), dtype, shape));
  return { inGraph: { b, variant, tensor, input }, used };
}

interface StudentOptions extends GradientGraphOptions {
  readonly inGraph: SchemeInGraph;
  readonly changes: NetworkChanges | undefined;
}

interface Student {
  readonly network: GraphNetwork;
  readonly batch: ObjectiveContext;
}

function studentOver(b: GraphBuilder, student: ModelDeclaration, options: StudentOptions): Student {
  const { config } = student;
  if (isEncoderDecoder(config)) return readerOfPairs(b, student, config, options);
  const { batch, length, inGraph, changes } = options;
  const { tokens, mask, networkOf } = networksOver(b, student, batch, length);
  const network = networkOf(student, '', changes);
  let labels: Value | undefined;
  return {
    network,
    batch: {
      b,
      student: network,
      networkOf,
      task: taskOf(config),
      vocabularySize: config.vocabularySize,
      scheme: inGraph,
      tokens,
      ...(mask && { mask }),
      get labels() {
        labels ??= b.input(graphNames.labels, 'int64', [batch, length]);
        return labels;
      },
    },
  };
}

/** Its decoder reads the labels shifted by its start token. */
function readerOfPairs(
  b: GraphBuilder,
  student: ModelDeclaration,
  config: EncoderDecoderConfig,
  { batch, length, sourceLength = length, inGraph, changes: ofStudent }: StudentOptions,
): Student {
  const sources = sourceInputs(b, { batch, sourceLength });
  const labels = b.input(graphNames.labels, 'int64', [batch, length]);
  const tokens = shiftRight(b, config, labels);
  const networkOf: ObjectiveContext['networkOf'] = (model, prefix = '', changes) =>
    encoderDecoderNetwork(b, model, sources, tokens, { prefix, changes });
  const network = networkOf(student, '', ofStudent);
  return {
    network,
    batch: {
      b,
      student: network,
      networkOf,
      task: taskOf(config),
      vocabularySize: config.vocabularySize,
      scheme: inGraph,
      tokens,
      labels: b.maximum(labels, 0),
      counts: b.cast(b.not(b.less(labels, 0)), 'float32'),
      sourceMask: sources.sourceMask,
    },
  };
}

/** Models that read the same tokens: all of them generate, or none does. */
function networksOver(
  b: GraphBuilder,
  student: ModelDeclaration,
  batch: number,
  length: number,
): Pick<ObjectiveContext, 'tokens' | 'mask' | 'networkOf'> {
  if (taskOf(student.config).kind === 'causal') {
    const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
    return { tokens, networkOf: (model, prefix = '', changes) => causalNetwork(b, model, tokens, { prefix, changes }) };
  }
  const inputs = encoderInputs(b, student, { batch, length });
  let types = inputs.tokenTypes;
  const networkOf: ObjectiveContext['networkOf'] = (model, prefix = '', changes) => {
    if (!hasTokenTypes(model)) return encoderNetwork(b, model, { ...inputs, tokenTypes: undefined }, { prefix, changes });
    types ??= b.input(graphNames.tokenTypes, 'int64', [batch, length]);
    return encoderNetwork(b, model, { ...inputs, tokenTypes: types }, { prefix, changes });
  };
  return { tokens: inputs.tokens, mask: inputs.mask, networkOf };
}

/** A model that decides how often its blocks are applied pays for every application. */
function withPonderCost(b: GraphBuilder, { config }: ModelDeclaration, network: GraphNetwork, objective: ObjectiveGraph): ObjectiveGraph {
  const ponder = network.taps.get(depthTaps.ponder);
  if (config.halting === undefined || ponder === undefined) return objective;
  const mean = b.reduceMean(ponder, [0]);
  return { loss: b.add(objective.loss, b.mul(mean, config.halting.ponderCost)), metrics: { ...objective.metrics, ponder: mean } };
}

// One forward and backward pass as a graph: loss and gradients, fresh or added to those of earlier micro-batches.
import { at } from '#base';
import { type Graph, GraphBuilder, gradientName, gradients, optimizeGraph, type Value } from '#graph';
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
  shiftRight,
  sourceInputs,
  taskOf,
} from '#models';
import type { Objective, ObjectiveContext, ObjectiveGraph } from './objective.ts';

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
  /** Adds to the gradients that are already there (inputs and outputs of one name) instead of overwriting them. */
  readonly accumulates: boolean;
}

/** Name of the input that says which numbers of a sparse tensor are kept. */
export const maskName = (name: string): string => `mask:${name}`;

/**
 * Inputs: the student's parameters, the objective's inputs, tokens int64 [B, T], and what the objective makes of the batch: labels int64 [B, T]
 * where it asks for them. Encoders have a mask bool [B, T] too, and token types where they tell them apart. An encoder-decoder has source int64
 * and sourceMask bool [B, S] and labels int64 [B, T], negative where there is nothing to predict.
 *
 * Outputs: `loss`, the objective's metrics, and `gradient:NAME` for every trained tensor.
 */
export function buildGradientGraph(student: ModelDeclaration, objective: Objective, options: GradientGraphOptions): GradientGraph {
  const { trained, masked, accumulates } = options;
  const b = new GraphBuilder();
  const { network, batch } = studentOver(b, student, options);
  const wanted = objective.build(batch);
  const { loss, metrics } = withPonderCost(b, student, network, wanted);

  // A tensor that the graph never reads (an unused expert, say) has no input: it keeps its value and gets no gradient.
  const used = trained.flatMap((name) => {
    const value = network.parameterInputs.get(name);
    return value === undefined ? [] : [{ name, value }];
  });
  const made = gradients(
    b,
    loss,
    used.map(({ value }) => value),
  );
  const outputs: Record<string, Value> = { loss, ...metrics };
  used.forEach(({ name }, index) => {
    const raw = at(made, index);
    const fresh = masked?.has(name) === true ? b.mul(raw, b.cast(b.input(maskName(name), 'bool', raw.shape), 'float32')) : raw;
    const key = gradientName(name);
    outputs[key] = accumulates ? b.add(b.input(key, 'float32', fresh.shape), fresh) : fresh;
  });
  return { graph: optimizeGraph(b.graph(outputs)), metricNames: ['loss', ...Object.keys(metrics)] };
}

interface Student {
  readonly network: GraphNetwork;
  readonly batch: ObjectiveContext;
}

function studentOver(b: GraphBuilder, student: ModelDeclaration, options: GradientGraphOptions): Student {
  const { config } = student;
  if (isEncoderDecoder(config)) return readerOfPairs(b, student, config, options);
  const { batch, length } = options;
  const { tokens, networkOf } = networksOver(b, student, batch, length);
  const network = networkOf(student);
  let labels: Value | undefined;
  return {
    network,
    batch: {
      b,
      student: network,
      networkOf,
      task: taskOf(config),
      vocabularySize: config.vocabularySize,
      tokens,
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
  { batch, length, sourceLength = length }: GradientGraphOptions,
): Student {
  const sources = sourceInputs(b, { batch, sourceLength });
  const labels = b.input(graphNames.labels, 'int64', [batch, length]);
  const tokens = shiftRight(b, config, labels);
  const networkOf: ObjectiveContext['networkOf'] = (model, prefix) => encoderDecoderNetwork(b, model, sources, tokens, prefix);
  const network = networkOf(student);
  return {
    network,
    batch: {
      b,
      student: network,
      networkOf,
      task: taskOf(config),
      vocabularySize: config.vocabularySize,
      tokens,
      labels: b.maximum(labels, 0),
      counts: b.cast(b.not(b.less(labels, 0)), 'float32'),
    },
  };
}

/** Models that read the same tokens: all of them generate, or none does. */
function networksOver(
  b: GraphBuilder,
  student: ModelDeclaration,
  batch: number,
  length: number,
): { readonly tokens: Value; readonly networkOf: ObjectiveContext['networkOf'] } {
  if (taskOf(student.config).kind === 'causal') {
    const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
    return { tokens, networkOf: (model, prefix = '') => causalNetwork(b, model, tokens, { prefix }) };
  }
  const inputs = encoderInputs(b, student, { batch, length });
  let types = inputs.tokenTypes;
  const networkOf: ObjectiveContext['networkOf'] = (model, prefix = '') => {
    if (!hasTokenTypes(model)) return encoderNetwork(b, model, { ...inputs, tokenTypes: undefined }, { prefix });
    types ??= b.input(graphNames.tokenTypes, 'int64', [batch, length]);
    return encoderNetwork(b, model, { ...inputs, tokenTypes: types }, { prefix });
  };
  return { tokens: inputs.tokens, networkOf };
}

/** A model that decides how often its blocks are applied pays for every application. */
function withPonderCost(b: GraphBuilder, { config }: ModelDeclaration, network: GraphNetwork, objective: ObjectiveGraph): ObjectiveGraph {
  const ponder = network.taps.get(depthTaps.ponder);
  if (config.halting === undefined || ponder === undefined) return objective;
  const mean = b.reduceMean(ponder, [0]);
  return { loss: b.add(objective.loss, b.mul(mean, config.halting.ponderCost)), metrics: { ...objective.metrics, ponder: mean } };
}

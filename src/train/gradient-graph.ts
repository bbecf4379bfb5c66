// One forward and backward pass as a graph: loss and gradients, fresh or added to those of earlier micro-batches.
import { at } from '#base';
import { type Graph, GraphBuilder, gradientName, gradients, optimizeGraph, type Value } from '#graph';
import {
  causalNetwork,
  encoderDecoderNetwork,
  type GraphNetwork,
  graphNames,
  isEncoderDecoder,
  type ModelDeclaration,
  shiftRight,
  sourceInputs,
} from '#models';
import type { Objective, ObjectiveContext } from './objective.ts';

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
  /** Adds to the gradients that are already there (inputs and outputs of one name) instead of overwriting them. */
  readonly accumulates: boolean;
}

/**
 * Inputs: the student's parameters, the objective's inputs, and the batch: tokens and labels int64 [B, T], or for an encoder-decoder
 * source int64 and sourceMask bool [B, S] and labels int64 [B, T], negative where there is nothing to predict.
 * Outputs: `loss`, the objective's metrics, and `gradient:NAME` for every trained tensor.
 */
export function buildGradientGraph(student: ModelDeclaration, objective: Objective, options: GradientGraphOptions): GradientGraph {
  const { trained, accumulates } = options;
  const b = new GraphBuilder();
  const { network, ...batch } = studentOf(b, student, options);
  const { loss, metrics } = objective.build({ b, student: network, vocabularySize: student.config.vocabularySize, ...batch });

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
    const fresh = at(made, index);
    const key = gradientName(name);
    outputs[key] = accumulates ? b.add(b.input(key, 'float32', fresh.shape), fresh) : fresh;
  });
  return { graph: optimizeGraph(b.graph(outputs)), metricNames: ['loss', ...Object.keys(metrics)] };
}

type StudentBatch = Pick<ObjectiveContext, 'tokens' | 'labels' | 'counts'> & { readonly network: GraphNetwork };

function studentOf(
  b: GraphBuilder,
  student: ModelDeclaration,
  { batch, length, sourceLength = length }: GradientGraphOptions,
): StudentBatch {
  if (!isEncoderDecoder(student.config)) {
    const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
    const labels = b.input(graphNames.labels, 'int64', [batch, length]);
    return { tokens, labels, network: causalNetwork(b, student, tokens) };
  }
  const sources = sourceInputs(b, { batch, sourceLength });
  const labels = b.input(graphNames.labels, 'int64', [batch, length]);
  const tokens = shiftRight(b, student.config, labels);
  return {
    tokens,
    labels: b.maximum(labels, 0),
    counts: b.cast(b.not(b.less(labels, 0)), 'float32'),
    network: encoderDecoderNetwork(b, student, sources, tokens),
  };
}

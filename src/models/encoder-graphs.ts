// The graphs of encoders: hidden tokens, labels of texts and sentence embeddings, over batches that are padded on the right.
import { AppError, at } from '#base';
import { type Emitter, type Graph, GraphBuilder, type Value } from '#graph';
import { type Dim, multiplyDims } from '#tensor';
import { type EncoderTask, isEncoderDecoder, taskOf } from './config.ts';
import { buildPairLogitsGraph, type PairSizes } from './encoder-decoder-graphs.ts';
import { graphNames } from './graph-names.ts';
import { type BatchSizes, buildLogitsGraph } from './language-model-graphs.ts';
import type { ModelDeclaration } from './model.ts';
import { GraphNetwork, type NetworkBuilder, type NetworkPlace } from './network.ts';

/** Texts in a graph. */
export interface EncoderInputs {
  /** int64 [B, T] */
  readonly tokens: Value;
  /** bool [B, T], true for real tokens. */
  readonly mask: Value;
  /** int64 [B, T], the text of a pair that each token belongs to; absent where the model does not tell them apart. */
  readonly tokenTypes: Value | undefined;
}

/** Whether the model tells the two texts of a pair apart, so that its graphs have the input `tokenTypes`. */
export function hasTokenTypes({ config }: Pick<ModelDeclaration, 'config'>): boolean {
  return 'tokenTypes' in config && config.tokenTypes > 1;
}

/** @throws AppError `unsupported` for a model that generates */
export function encoderTask({ config }: Pick<ModelDeclaration, 'config'>): EncoderTask {
  const task = taskOf(config);
  if (task.kind === 'causal')
    throw new AppError('unsupported', `the ${config.architecture} model generates text: it is no encoder of texts.`);
  return task;
}

/** The inputs `tokens`, `mask` and, for models that tell the texts of a pair apart, `tokenTypes`. */
export function encoderInputs(b: NetworkBuilder, model: ModelDeclaration, { batch, length }: BatchSizes): EncoderInputs {
  return {
    tokens: b.input(graphNames.tokens, 'int64', [batch, length]),
    mask: b.input(graphNames.mask, 'bool', [batch, length]),
    tokenTypes: hasTokenTypes(model) ? b.input(graphNames.tokenTypes, 'int64', [batch, length]) : undefined,
  };
}

/**
 * A network over whole texts, differentiable.
 *
 * @throws AppError `context_too_long` | `unsupported` for a model that generates
 */
export function encoderNetwork(
  b: NetworkBuilder,
  model: ModelDeclaration,
  { tokens, mask, tokenTypes }: EncoderInputs,
  { prefix = '', changes }: NetworkPlace = {},
): GraphNetwork {
  encoderTask(model);
  const T = at(tokens.shape, 1);
  const { maxPositions } = model.config;
  if (typeof T === 'number' && T > maxPositions)
    throw new AppError('context_too_long', `${T} tokens are more than the ${maxPositions} positions of the model.`);
  return new GraphNetwork(b, model, {
    positions: b.range(T),
    positionLimit: typeof T === 'number' ? T : maxPositions,
    attention: { kind: 'causal', keyMask: mask },
    tokenTypes,
    prefix,
    changes,
  });
}

/** Rows [B*T, D] -> the first token's of each text, [B, D]. */
export function firstRows(b: Emitter, hidden: Value, tokens: Value): Value {
  const [B, T] = [at(tokens.shape, 0), at(tokens.shape, 1)];
  const D = at(hidden.shape, 1);
  return b.reshape(b.slice(b.reshape(hidden, [B, T, D]), 1, 0, 1), [B, D]);
}

/** Rows [B*T, D] -> one vector a text, [B, D]; of `tokens` only the shape [B, T] counts. @see Reimers and Gurevych, "Sentence-BERT", EMNLP 2019 */
export function sentenceEmbeddings(
  b: Emitter,
  hidden: Value,
  { tokens, mask }: Pick<EncoderInputs, 'tokens' | 'mask'>,
  { pooling, normalize }: Extract<EncoderTask, { kind: 'embed' }>,
): Value {
  const pooled = pooling === 'first' ? firstRows(b, hidden, tokens) : meanOfReal(b, hidden, mask);
  if (!normalize) return pooled;
  const squares = b.reduceSum(b.mul(pooled, pooled), [1], true); // [B, 1]
  return b.div(pooled, b.maximum(b.sqrt(squares), 1e-12));
}

function meanOfReal(b: Emitter, hidden: Value, mask: Value): Value {
  const [B, T]: readonly [Dim, Dim] = [at(mask.shape, 0), at(mask.shape, 1)];
  const weights = b.reshape(b.cast(mask, 'float32'), [B, T, 1]);
  const sums = b.reduceSum(b.mul(b.reshape(hidden, [B, T, at(hidden.shape, 1)]), weights), [1]); // [B, D]
  return b.div(sums, b.maximum(b.reduceSum(weights, [1]), 1e-9));
}

/** What the task of the model asks for: `logits` [B, T, V] or [B, C], or `embedding` [B, D]. */
export function encoderOutputs(
  b: Emitter,
  model: ModelDeclaration,
  net: GraphNetwork,
  hidden: Value,
  inputs: EncoderInputs,
): Readonly<Record<string, Value>> {
  const task = encoderTask(model);
  switch (task.kind) {
    case 'masked':
      return { [graphNames.logits]: b.reshape(net.logits(hidden), [...inputs.tokens.shape, model.config.vocabularySize]) };
    case 'classify':
      return { [graphNames.logits]: net.classLogits(firstRows(b, hidden, inputs.tokens)) };
    case 'embed':
      return { [graphNames.embedding]: sentenceEmbeddings(b, hidden, inputs, task) };
  }
}

/**
 * tokens int64 [B, T], mask bool [B, T] (and tokenTypes int64 [B, T]) -> what the task of the model asks for (`encoderOutputs`).
 *
 * @throws AppError `context_too_long` | `unsupported` for a model that generates
 */
export function buildEncoderGraph(model: ModelDeclaration, sizes: BatchSizes): Graph {
  const b = new GraphBuilder();
  const inputs = encoderInputs(b, model, sizes);
  const net = encoderNetwork(b, model, inputs);
  return b.graph(encoderOutputs(b, model, net, net.hidden(inputs.tokens), inputs));
}

/** The graph that says what a model answers, for every task; texts of generating models are not padded. Encoder-decoders read pairs, with sources as long as the targets unless the sizes say otherwise. */
export function buildTaskGraph(model: ModelDeclaration, sizes: BatchSizes & Partial<PairSizes>): Graph {
  if (isEncoderDecoder(model.config)) return buildPairLogitsGraph(model, { sourceLength: sizes.length, ...sizes });
  return taskOf(model.config).kind === 'causal' ? buildLogitsGraph(model, sizes) : buildEncoderGraph(model, sizes);
}

/** Rows of a value over the tokens of a batch, rather than over its texts. */
export function isOverTokens(value: Value, tokens: Value): boolean {
  return at(value.shape, 0) === multiplyDims(at(tokens.shape, 0), at(tokens.shape, 1));
}

// The graphs of an encoder-decoder that others run: logits and losses of given targets, encoding, and steps of decoding with caches.
import { AppError, at } from '#base';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { addDims, type Dim, int64, multiplyDims } from '#tensor';
import { type EncoderDecoderConfig, isEncoderDecoder } from './config.ts';
import { graphNames, inPieces } from './graph-names.ts';
import type { ModelDeclaration } from './model.ts';
import { cacheName, GraphNetwork, type NetworkBuilder, type NetworkPlace } from './network.ts';

/** Sizes of a batch of pairs: numbers, or symbols that each run fixes. */
export interface PairSizes {
  /** B */
  readonly batch: Dim;
  /** S */
  readonly sourceLength: Dim;
  /** T */
  readonly length: Dim;
}

/** A batch of sources, padded behind. */
export interface SourceValues {
  /** int64 [B, S] */
  readonly source: Value;
  /** bool [B, S], true for real tokens. */
  readonly sourceMask: Value;
}

/** @throws AppError `unsupported` */
export function encoderDecoderConfig({ config }: Pick<ModelDeclaration, 'config'>): EncoderDecoderConfig {
  if (isEncoderDecoder(config)) return config;
  throw new AppError('unsupported', `a ${config.architecture} model has no encoder: it cannot read a source. Choose an encoder-decoder.`);
}

function checkLength({ maxPositions }: EncoderDecoderConfig, length: Dim, what: string): void {
  if (typeof length === 'number' && length > maxPositions)
    throw new AppError('context_too_long', `${length} tokens of the ${what} are more than the ${maxPositions} positions of the model.`);
}

/** The encoder and the sources' rows. */
function encodeSources(
  b: NetworkBuilder,
  model: ModelDeclaration,
  { source, sourceMask }: SourceValues,
  { prefix = '', changes }: NetworkPlace,
): { readonly encoder: GraphNetwork; readonly rows: Value } {
  const config = encoderDecoderConfig(model);
  const S = at(source.shape, 1);
  checkLength(config, S, 'source');
  const encoder = new GraphNetwork(b, model, {
    positions: b.range(S),
    positionLimit: typeof S === 'number' ? S : config.maxPositions,
    attention: { kind: 'causal', keyMask: sourceMask },
    prefix,
    changes,
  });
  return { encoder, rows: encoder.encode(source) };
}

/**
 * The decoder over whole targets that reads encoded sources; differentiable, through the encoder too.
 *
 * @param tokens - int64 [B, T], what the decoder reads
 * @throws AppError `context_too_long` | `unsupported`
 */
export function encoderDecoderNetwork(
  b: NetworkBuilder,
  model: ModelDeclaration,
  sources: SourceValues,
  tokens: Value,
  place: NetworkPlace = {},
): GraphNetwork {
  const T = at(tokens.shape, 1);
  checkLength(encoderDecoderConfig(model), T, 'target');
  const { encoder, rows } = encodeSources(b, model, sources, place);
  return encoder.beside({
    positions: b.range(T),
    positionLimit: typeof T === 'number' ? T : model.config.maxPositions,
    attention: { kind: 'causal' },
    source: { kind: 'encoded', rows, keyMask: sources.sourceMask },
  });
}

/** Declares the inputs `source` int64 [B, S] and `sourceMask` bool [B, S]. */
export function sourceInputs(b: NetworkBuilder, { batch, sourceLength }: Pick<PairSizes, 'batch' | 'sourceLength'>): SourceValues {
  return {
    source: b.input(graphNames.source, 'int64', [batch, sourceLength]),
    sourceMask: b.input(graphNames.sourceMask, 'bool', [batch, sourceLength]),
  };
}

/** source, sourceMask, tokens int64 [B, T] (what the decoder reads) -> logits [B, T, V] */
export function buildPairLogitsGraph(model: ModelDeclaration, sizes: PairSizes): Graph {
  const b = new GraphBuilder();
  const sources = sourceInputs(b, sizes);
  const tokens = b.input(graphNames.tokens, 'int64', [sizes.batch, sizes.length]);
  const net = encoderDecoderNetwork(b, model, sources, tokens);
  const logits = net.logits(net.hidden(tokens)); // [B*T, V]
  return b.graph({ [graphNames.logits]: b.reshape(logits, [sizes.batch, sizes.length, model.config.vocabularySize]) });
}

/** Labels int64 [B, T] as the decoder reads them: the start token, then each label but the last; labels that do not count become padding. */
export function shiftRight(b: NetworkBuilder, { startToken, padToken }: EncoderDecoderConfig, labels: Value): Value {
  const [B, T] = [at(labels.shape, 0), at(labels.shape, 1)];
  const start = b.broadcastTo(b.constant(int64([1, 1], [startToken])), [B, 1]);
  const read = b.where(b.less(labels, 0), padToken, labels);
  return b.concat([start, b.slice(read, 1, 0, addDims(T, -1))], 1);
}

/**
 * How likely the model finds given targets.
 *
 * Inputs: source, sourceMask, labels int64 [B, T], negative where there is nothing to predict.
 * Outputs: negativeLogLikelihood float32 [B, T] in nats, 0 where a label does not count; loss float32 [], the mean over those that do.
 */
export function buildPairScoreGraph(model: ModelDeclaration, sizes: PairSizes): Graph {
  const { batch, length } = sizes;
  const b = new GraphBuilder();
  const sources = sourceInputs(b, sizes);
  const labels = b.input(graphNames.labels, 'int64', [batch, length]);
  const tokens = shiftRight(b, encoderDecoderConfig(model), labels);
  const net = encoderDecoderNetwork(b, model, sources, tokens);
  const rows = b.reshape(labels, [multiplyDims(batch, length)]);
  const wanted = b.maximum(rows, 0);
  const losses = inPieces(b, net.hidden(tokens), wanted, model.config.vocabularySize).map(
    ([hidden, targets]) => b.crossEntropy(net.logits(hidden), targets)[0],
  );
  const joined = losses.length === 1 ? at(losses, 0) : b.concat(losses, 0);
  const counts = b.cast(b.not(b.less(rows, 0)), 'float32'); // [B*T]
  const counted = b.mul(joined, counts);
  return b.graph({
    [graphNames.negativeLogLikelihood]: b.reshape(counted, [batch, length]),
    loss: b.div(b.reduceSum(counted, [0]), b.maximum(b.reduceSum(counts, [0]), 1)),
  });
}

/** One tensor that the encoder hands to every decoding step. */
export interface SourceTensor {
  /** Input of the decoding step, and output of encoding. */
  readonly name: string;
}

/** The keys and values of the sources, two tensors [B, H, S, K] a decoder layer. */
export function sourceTensors(model: Pick<ModelDeclaration, 'config'>): SourceTensor[] {
  return Array.from({ length: model.config.layers }, (_, layer) => layer).flatMap((layer) =>
    (['key', 'value'] as const).map((part) => ({ name: cacheName('source', layer, part) })),
  );
}

/** source, sourceMask -> `source.{layer}.key` and `.value` [B, H, S, K]: all that decoding needs of the sources, computed once. */
export function buildEncodeGraph(model: ModelDeclaration, sizes: Pick<PairSizes, 'batch' | 'sourceLength'>): Graph {
  const b = new GraphBuilder();
  const { encoder, rows } = encodeSources(b, model, sourceInputs(b, sizes), {});
  const outputs: Record<string, Value> = {};
  for (let layer = 0; layer < model.config.layers; layer++) {
    const [key, value] = encoder.sourceKeysValues(layer, rows, [sizes.batch, sizes.sourceLength]);
    outputs[cacheName('source', layer, 'key')] = key;
    outputs[cacheName('source', layer, 'value')] = value;
  }
  return b.graph(outputs);
}

export interface PairDecodeSizes {
  /** B sources. */
  readonly batch: Dim;
  /** S */
  readonly sourceLength: Dim;
  /** M sequences for each source, side by side in the batch: R = B*M. */
  readonly sequences: Dim;
  /** Positions of room in the caches of the targets. */
  readonly room: Dim;
  /** Adds the input `parents` int64 [R]: sequence i goes on from the cache of sequence parents[i]. Caches are then not extended in place. */
  readonly reorders: boolean;
}

/**
 * One decoding step of one token for every sequence.
 *
 * Inputs: sourceMask bool [B, S], `source.{layer}.key` and `.value` of encoding, tokens and positions int64 [B, M], lastIndex int32 [R],
 * totalLength int32 [1], caches as `cacheTensors` lists them for R sequences, `parents` with `reorders`, and for relative positions
 * `keyPositions` int64 [N] = 0 … totalLength-1.
 * Outputs: logits [R, V] and the extended caches `present.{layer}.key` and `.value`.
 *
 * @throws AppError `context_too_long`
 */
export function buildPairDecodeGraph(model: ModelDeclaration, sizes: PairDecodeSizes): Graph {
  const config = encoderDecoderConfig(model);
  const { batch, sourceLength, sequences, room } = sizes;
  checkLength(config, room, 'target');
  const rows = multiplyDims(batch, sequences);
  const b = new GraphBuilder();
  const keyMask = b.input(graphNames.sourceMask, 'bool', [batch, sourceLength]);
  const tokens = b.reshape(b.input(graphNames.tokens, 'int64', [batch, sequences]), [rows, 1]);
  const positions = b.reshape(b.input(graphNames.positions, 'int64', [batch, sequences]), [rows, 1]);
  const lastIndex = b.input(graphNames.lastIndex, 'int32', [rows]);
  const totalLength = b.input(graphNames.totalLength, 'int32', [1]);
  const parents = sizes.reorders ? { parents: b.input(graphNames.parents, 'int64', [rows]) } : {};
  const net = new GraphNetwork(b, model, {
    positions,
    positionLimit: typeof room === 'number' ? room : config.maxPositions,
    attention: { kind: 'cached', room, lastIndex, totalLength, ...parents },
    source: { kind: 'given', keyMask, sequences },
  });
  const logits = net.logits(net.hidden(tokens));
  return b.graph({ [graphNames.logits]: logits, ...Object.fromEntries(net.presents) });
}

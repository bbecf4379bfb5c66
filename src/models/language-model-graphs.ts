// The graphs of a language model that others run: logits, scores of given tokens, and steps of decoding with a cache.
import { AppError, at } from '#base';
import { type Graph, GraphBuilder, type Value } from '#graph';
import { addDims, type Dim, multiplyDims } from '#tensor';
import { attentionLayouts } from './attention-layouts.ts';
import { isEncoderDecoder, taskOf } from './config.ts';
import { graphNames, inPieces } from './graph-names.ts';
import type { ModelDeclaration } from './model.ts';
import { type CacheFormat, cacheName, cacheWidth, GraphNetwork, type NetworkBuilder, type NetworkPlace } from './network.ts';
import { textPositions } from './prompt.ts';

/** Sizes of a batch: numbers, or symbols that each run fixes. */
export interface BatchSizes {
  /** B */
  readonly batch: Dim;
  /** T */
  readonly length: Dim;
}

export interface GraphOptions {
  /**
   * For batches padded on the left: adds the inputs `mask` bool [B, T], true for real tokens, and `positions` int64 [B, T],
   * which count real tokens from 0.
   */
  readonly leftPadded?: boolean;
}

export interface CausalOptions extends NetworkPlace {
  /** Which keys are real tokens, bool [B, T], and the position of each token, int64 [B, T]; for batches padded on the left. */
  readonly padding?: { readonly keyMask: Value; readonly positions: Value };
}

/** @throws AppError `unsupported` for an encoder, and for a decoder that reads a source */
export function requireGenerating({ config }: Pick<ModelDeclaration, 'config'>): void {
  if (isEncoderDecoder(config))
    throw new AppError('unsupported', 'an encoder-decoder is no language model: it needs a source beside the text. Give pairs of texts.');
  const { kind } = taskOf(config);
  if (kind !== 'causal')
    throw new AppError(
      'unsupported',
      `the ${config.architecture} model is not a generating model: its task is ${kind}, and it reads whole texts. Use a model of the next token.`,
    );
}

function checkLength(positions: number, length: Dim): void {
  if (typeof length === 'number' && length > positions)
    throw new AppError('context_too_long', `${length} tokens are more than the ${positions} positions of the model.`);
}

/**
 * A network over whole sequences, differentiable. tokens int64 [B, T].
 *
 * @throws AppError `context_too_long` | `unsupported` for an encoder or an encoder-decoder
 */
export function causalNetwork(b: NetworkBuilder, model: ModelDeclaration, tokens: Value, options: CausalOptions = {}): GraphNetwork {
  const T = at(tokens.shape, 1);
  requireGenerating(model);
  checkLength(textPositions(model.config), T);
  const { padding, prefix = '', changes } = options;
  return new GraphNetwork(b, model, {
    positions: padding?.positions ?? b.range(T),
    positionLimit: typeof T === 'number' ? T : textPositions(model.config),
    attention: padding === undefined ? { kind: 'causal' } : { kind: 'causal', keyMask: padding.keyMask },
    prefix,
    changes,
  });
}

function paddingInputs(b: GraphBuilder, { batch, length }: BatchSizes, { leftPadded = false }: GraphOptions): CausalOptions {
  if (!leftPadded) return {};
  const keyMask = b.input(graphNames.mask, 'bool', [batch, length]);
  return { padding: { keyMask, positions: b.input(graphNames.positions, 'int64', [batch, length]) } };
}

/** tokens int64 [B, T] (and `mask`, `positions` if left-padded) -> logits [B, T, V] */
export function buildLogitsGraph(model: ModelDeclaration, sizes: BatchSizes, options: GraphOptions = {}): Graph {
  const { batch, length } = sizes;
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
  const net = causalNetwork(b, model, tokens, paddingInputs(b, sizes, options));
  const logits = net.logits(net.hidden(tokens)); // [B*T, V]
  return b.graph({ [graphNames.logits]: b.reshape(logits, [batch, length, model.config.vocabularySize]) });
}

/**
 * How likely the model finds given tokens; the logits never leave the device.
 *
 * tokens and labels int64 [B, T]; `labels[t]` is the token that should follow `tokens[0..t]`, any valid id where it does not matter.
 * Outputs: negativeLogLikelihood float32 [B, T] in nats, topToken int64 [B, T].
 */
export function buildScoreGraph(model: ModelDeclaration, sizes: BatchSizes, options: GraphOptions = {}): Graph {
  const { batch, length } = sizes;
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
  const labels = b.input(graphNames.labels, 'int64', [batch, length]);
  const net = causalNetwork(b, model, tokens, paddingInputs(b, sizes, options));
  const hidden = net.hidden(tokens); // [B*T, D]
  const labelRows = b.reshape(labels, [multiplyDims(batch, length)]);
  const scored = inPieces(b, hidden, labelRows, model.config.vocabularySize).map(([rows, wanted]) => {
    const logits = net.logits(rows); // [N, V]
    return { loss: b.crossEntropy(logits, wanted)[0], top: b.argMax(logits, 1) };
  });
  const joined = (parts: readonly Value[]): Value => b.reshape(parts.length === 1 ? at(parts, 0) : b.concat(parts, 0), [batch, length]);
  return b.graph({
    [graphNames.negativeLogLikelihood]: joined(scored.map(({ loss }) => loss)),
    [graphNames.topToken]: joined(scored.map(({ top }) => top)),
  });
}

/** One tensor of the key-value cache: the input it is read from, the output that extends it, and its shape [B, G, S, cacheWidth(K)]; G may differ by layer. */
export interface CacheTensor {
  readonly input: string;
  readonly output: string;
  /** The input of the scales of its codes, float32 [1, G, 1, cacheWidth(K)]; only the format `int8` has it. */
  readonly scales: string;
  readonly dtype: CacheFormat;
  readonly shape: readonly number[];
}

/** The tensors of a cache for `batch` sequences with `room` positions. */
export function cacheTensors(
  model: Pick<ModelDeclaration, 'config'>,
  batch: number,
  room: number,
  format: CacheFormat = 'float32',
): CacheTensor[] {
  return attentionLayouts(model.config).flatMap(({ keyValueHeads, headWidth }, layer) =>
    (['key', 'value'] as const).map((part) => ({
      input: cacheName('cache', layer, part),
      output: cacheName('present', layer, part),
      scales: cacheName('scale', layer, part),
      dtype: format,
      shape: [batch, keyValueHeads, room, cacheWidth(headWidth, format)],
    })),
  );
}

export interface DecodeSizes extends BatchSizes {
  /** S: positions of room in the caches; at least T and at most the model's positions. */
  readonly room: Dim;
  /** All positions are below this. @default `room` where it is a number, or else the model's positions */
  readonly positionLimit?: number;
  /**
   * Which logits are answered. `last` (default): of the last column, [B, V]. `rows`: of the rows that the input
   * `logitRows` int64 [M] names in [B*T], [M, V] with the symbol M, for prompts of unequal lengths. `all`: [B, T, V].
   */
  readonly logits?: 'last' | 'rows' | 'all';
  /** With `int8` the scales are inputs too, as `cacheTensors` names them. @default 'float32' */
  readonly cache?: CacheFormat;
}

/**
 * One step with a cache: prefill when T is a prompt's length, decoding when T is 1.
 *
 * Inputs: tokens and positions int64 [B, T], lastIndex int32 [B] (length of each sequence after this step, minus 1),
 * totalLength int32 [1] (the largest of those lengths), `cache.{layer}.key` and `.value` as `cacheTensors` lists them.
 * Outputs: logits, and `present.{layer}.key` and `.value`, to be bound to the buffers of the caches.
 *
 * @throws AppError `context_too_long` | `unsupported` for an encoder or an encoder-decoder
 */
export function buildDecodeGraph(model: ModelDeclaration, sizes: DecodeSizes): Graph {
  const { batch, length, room, logits: wanted = 'last', cache: format = 'float32' } = sizes;
  const { vocabularySize: V, width: D, maxPositions } = model.config;
  requireGenerating(model);
  checkLength(maxPositions, length);
  checkLength(maxPositions, room);
  const b = new GraphBuilder();
  const tokens = b.input(graphNames.tokens, 'int64', [batch, length]);
  const positions = b.input(graphNames.positions, 'int64', [batch, length]);
  const lastIndex = b.input(graphNames.lastIndex, 'int32', [batch]);
  const totalLength = b.input(graphNames.totalLength, 'int32', [1]);
  const { positionLimit = typeof room === 'number' ? room : maxPositions } = sizes;
  const net = new GraphNetwork(b, model, { positions, positionLimit, attention: { kind: 'cached', room, lastIndex, totalLength, format } });
  const hidden = net.hidden(tokens); // [B*T, D]

  const choose: { readonly [Kind in NonNullable<DecodeSizes['logits']>]: () => Value } = {
    all: () => b.reshape(net.logits(hidden), [batch, length, V]),
    rows: () => net.logits(b.gather(hidden, b.input(graphNames.logitRows, 'int64', ['M']))),
    last: () => net.logits(length === 1 ? hidden : lastColumn(b, hidden, [batch, length, D])),
  };
  const logits = choose[wanted]();
  return b.graph({ [graphNames.logits]: logits, ...Object.fromEntries(net.presents) });
}

/** Rows [B*T, D] -> [B, D], the last of each sequence. */
function lastColumn(b: GraphBuilder, hidden: Value, [B, T, D]: readonly [Dim, Dim, number]): Value {
  const last = b.slice(b.reshape(hidden, [B, T, D]), 1, addDims(T, -1), T); // [B, 1, D]
  return b.reshape(last, [B, D]);
}

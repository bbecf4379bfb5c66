// What an architecture provides, and the network through which it reaches its parameters and its attention.
import type { Emitter, Value } from '#graph';
import type { Shape } from '#tensor';
import type { ModelConfig } from './config.ts';
import type { ModelSizes } from './layer-shapes.ts';
import type { ParameterSpec } from './model.ts';
import type { BlockStack, UnitAxis } from './units.ts';

/**
 * The parameters of one model inside one graph. Architectures never see how a weight is stored.
 *
 * Paths are always full; `linear` and `embed` take them without the `.weight`/`.bias` ending, `vector` with it.
 * Activations travel as rows [N, D] with N = B*T, since a product of two matrices is what runtimes do best.
 */
export interface Network {
  readonly b: Emitter;
  /** Runs `build` with `place` put before the names of the nodes that it makes; only for people. */
  at<T>(place: string, build: () => T): T;
  /** x [..., in] -> x·W (+ bias) [..., out]; `path` names `path.weight` and, if the architecture has it, `path.bias`. */
  linear(path: string, x: Value): Value;
  /** int64 [...] -> [..., D] */
  embed(path: string, ids: Value): Value;
  /** x [..., D] -> x·Wᵀ [..., V] with the table of an embedding: the tied head. */
  embedTransposed(path: string, x: Value): Value;
  /** A gain or bias [D]. */
  vector(path: string): Value;
  /**
   * Attention of one layer; causal unless the options say otherwise. q [B, T, H, K], k and v [B, T, G, K], already rotated where the
   * architecture rotates. Returns rows [B*T, H*K]. Without a cache it is written in differentiable ops; with one it extends the cache. `layer`
   * is the place in `attentionLayouts`.
   */
  attend(layer: number, q: Value, k: Value, v: Value, options?: AttentionOptions): Value;
  /**
   * Attention of a decoder layer to the source, of which padding is never seen. q [B, T, H, K] -> rows [B*T, H*K].
   * The keys and values are those of `EncoderDecoderParts.sourceKeysValues`, made here or in an earlier step.
   */
  attendTo(layer: number, q: Value, options?: Pick<AttentionOptions, 'scale'>): Value;
  /** int64 [S], the positions of the keys that `attend` sees, the cache's included. */
  readonly keyPositions: Value;
  /** int64 [B, T], the position of each token in its sequence; or [T] where all sequences have the same. */
  readonly positions: Value;
  /** int64 [B, T], the text of a pair that each token belongs to; absent where all belong to the first. */
  readonly tokenTypes: Value | undefined;
  /** All positions are below this, so that tables over positions need no more rows. */
  readonly positionLimit: number;
  /**
   * Where a caller takes a model apart: what stands in place of the blocks of one stack. x rows [N, D]; `block` applies one of them, by its index in the
   * stack; `stack` is `BlockStack.prefix`.
   */
  readonly runBlocks?: ((x: Value, block: (index: number, x: Value) => Value, stack: string) => Value) | undefined;
  /** Names an intermediate value (`embed` is what the first block reads, `h.3` is block 3's result, rows [N, D]) for distillation and statistics; returns it. */
  tap(name: string, value: Value): Value;
  /** What has been named so far. */
  readonly taps: ReadonlyMap<string, Value>;
}

/** The blocks of a network over one batch, without what makes their first input. */
export interface BlocksInGraph {
  /** rows [N, D] -> rows [N, D] after the block with this index. */
  block(this: void, index: number, x: Value): Value;
  /** The rows that the last block answers -> those that heads read. */
  last(this: void, x: Value): Value;
}

/** How the attention of one layer differs from softmax(q·kᵀ/√K)·v over all earlier positions. */
export interface AttentionOptions {
  /** Which keys a query sees: `past` (default), `all`. */
  readonly sees?: 'past' | 'all';
  /** A query sees this many latest positions, itself included. */
  readonly window?: number;
  /** Factor of q·kᵀ; 1/√K when absent. */
  readonly scale?: number;
  /** Bounds the scores before the mask: s -> cap·tanh(s/cap). */
  readonly softCap?: number;
  /** Added to the scores, broadcast to [B, H, T, S]. */
  readonly bias?: Value;
  /** Path of the block, under which the attention's parts are known (`GraphNetwork.attentions`). @default `h.{layer}` */
  readonly block?: string;
}

/** A norm whose result goes into linear layers and nowhere else: its gain and bias may be divided by what their rows are multiplied by. */
export interface NormFeed {
  /** For example `h.3.ln1`; the vectors are `norm.weight` and, if the model has it, `norm.bias`. */
  readonly norm: string;
  /** Paths of the linear weights. */
  readonly readers: readonly string[];
}

/**
 * Outputs of one linear layer that reach others channel by channel, each multiplied by something but never added to or bent: the layer's columns may
 * be divided by what the rows of the others are multiplied by.
 */
export interface LinearFeed {
  /** Path of the linear weight whose columns from `firstColumn` on are the channels, in the order of the readers' rows. */
  readonly source: string;
  readonly firstColumn: number;
  /** Path of its bias, if the architecture has one. */
  readonly bias?: string;
  /** Paths of the linear weights. */
  readonly readers: readonly string[];
}

export interface Architecture<Config extends ModelConfig = ModelConfig> {
  readonly name: Config['architecture'];
  /** Every parameter that the configuration needs, in storage order. */
  parameters(config: Config): readonly ParameterSpec[];
  /** Paths of the matrices whose result is added to the residual stream; initialization scales them down. */
  residualOutputs(config: Config): readonly string[];
  /** The norms whose channels may be scaled; none where a norm's result is also added to the residual stream, as after the layers. */
  normFeeds(config: Config): readonly NormFeed[];
  /** The linear layers whose outputs may be scaled: values before they are mixed, the ungated half of a gated layer. */
  linearFeeds(config: Config): readonly LinearFeed[];
  /** The axes whose units can be removed: heads and neurons of every block, and the residual stream's channels. */
  prunableUnits(config: Config): readonly UnitAxis[];
  /** The stacks whose blocks can be removed. */
  blockStacks(config: Config): readonly BlockStack[];
  /** The configuration of the same model with other sizes; the width of a head stays. */
  resized(config: Config, sizes: ModelSizes): Config;
  /** How the heads of one layer are laid out, for attention and for the cache; of an encoder-decoder those of the decoder's layers. */
  heads(config: Config, layer: number): HeadLayout;
  /** For a batch [B, T]; absent where there is more than one stack. */
  blocks?(config: Config, net: Network, batch: Shape): BlocksInGraph;
  /** tokens int64 [B, T] -> hidden states after the last norm, rows [B*T, D]. */
  hidden(config: Config, net: Network, tokens: Value): Value;
  /** hidden [..., D] -> logits [..., V]. @throws AppError `unsupported` for a task without logits of tokens */
  logits(config: Config, net: Network, hidden: Value): Value;
  /** Hidden state of each text's first token [B, D] -> logits of the labels [B, C]; absent where the architecture has no such head. */
  classLogits?(config: Config, net: Network, first: Value): Value;
  /** Of architectures whose decoder reads a source; `hidden` is then the decoder's. */
  readonly encoderDecoder?: EncoderDecoderParts<Config>;
}

/** What an architecture with an encoder adds. */
export interface EncoderDecoderParts<Config extends ModelConfig = ModelConfig> {
  /** source int64 [B, S] -> encoded rows [B*S, D]. */
  encode(config: Config, net: Network, source: Value): Value;
  /** encoded rows [B*S, D] -> keys and values [B*S, H*K] of one decoder layer's attention to the source, by heads of the decoder's width. */
  sourceKeysValues(config: Config, net: Network, layer: number, encoded: Value): readonly [Value, Value];
}

export interface HeadLayout {
  /** H */
  readonly heads: number;
  /** G */
  readonly keyValueHeads: number;
  /** K */
  readonly headWidth: number;
}

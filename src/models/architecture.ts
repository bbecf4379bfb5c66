// What an architecture provides, and the network through which it reaches its parameters and its attention.
import type { Emitter, Value } from '#graph';
import type { ModelConfig } from './config.ts';
import type { ParameterSpec } from './model.ts';

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
   * Attention of one layer. q [B, T, H, K], k and v [B, T, G, K], already rotated where the architecture rotates.
   * Returns rows [B*T, H*K]. Without a cache it is written in differentiable ops; with one it extends the cache.
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
  /** All positions are below this, so that tables over positions need no more rows. */
  readonly positionLimit: number;
  /** Names an intermediate value (`h.3` is block 3's result, rows [N, D]) for distillation and statistics; returns it. */
  tap(name: string, value: Value): Value;
}

export interface AttentionOptions {
  /** Which keys a query sees: `past` (default), `all`. */
  readonly sees?: 'past' | 'all';
  /** Default 1/sqrt(K). */
  readonly scale?: number;
  /** Added to the scores, broadcast to [B, H, T, S]. */
  readonly bias?: Value;
}

/** Units between two layers that may be put in another order without changing what the model computes. */
export interface FreeAxis {
  /** For example `h.3.mlp`. */
  readonly name: string;
  readonly size: number;
  /** Linear weights whose columns are these units. */
  readonly columns: readonly string[];
  /** Vectors over these units; a model may lack them. */
  readonly vectors: readonly string[];
  /** Linear weights whose rows are these units. */
  readonly rows: readonly string[];
}

export interface Architecture<Config extends ModelConfig = ModelConfig> {
  readonly name: Config['architecture'];
  /** Every parameter that the configuration needs, in storage order. */
  parameters(config: Config): readonly ParameterSpec[];
  /** Paths of the matrices whose result is added to the residual stream; initialization scales them down. */
  residualOutputs(config: Config): readonly string[];
  /** The hidden axes whose units have no fixed order. */
  freeAxes(config: Config): readonly FreeAxis[];
  /** How the heads are laid out, for attention and for the cache. */
  heads(config: Config): HeadLayout;
  /** tokens int64 [B, T] -> hidden states after the last norm, rows [B*T, D]. */
  hidden(config: Config, net: Network, tokens: Value): Value;
  /** hidden [..., D] -> logits [..., V]. */
  logits(config: Config, net: Network, hidden: Value): Value;
  /** Of architectures whose decoder reads a source; `hidden` is then the decoder's. */
  readonly encoderDecoder?: EncoderDecoderParts<Config>;
}

/** What an architecture with an encoder adds. */
export interface EncoderDecoderParts<Config extends ModelConfig = ModelConfig> {
  /** source int64 [B, S] -> encoded rows [B*S, D]. */
  encode(config: Config, net: Network, source: Value): Value;
  /** encoded rows [B*S, D] -> keys and values [B*S, H*K] of one decoder layer's attention to the source. */
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

// Configuration of the architectures, in our own names; `store/` translates Hugging Face's config.json.

interface CommonConfig {
  /** V */
  readonly vocabularySize: number;
  /** D */
  readonly width: number;
  /** L */
  readonly layers: number;
  /** H */
  readonly heads: number;
  /** F */
  readonly feedForwardWidth: number;
  /** Largest number of positions. */
  readonly maxPositions: number;
  /** The head is the token embedding, transposed. */
  readonly tiedHead: boolean;
  readonly normEpsilon: number;
  readonly beginToken?: number;
  /** Any of these ends a generation. */
  readonly endTokens: readonly number[];
}

/** GPT-2: learned positions, layer norm before each part, biases everywhere. */
export interface Gpt2Config extends CommonConfig {
  readonly architecture: 'gpt2';
  readonly activation: 'geluTanh' | 'gelu' | 'relu' | 'silu';
}

/** How rotary frequencies are stretched for contexts longer than those of pre-training. */
export type RotaryScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | { readonly kind: 'dynamic'; readonly factor: number; readonly originalMaxPositions: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalMaxPositions: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Scale of cos and sin; 0.1·ln(factor)+1 when absent. */
      readonly attentionFactor?: number;
    };

/** Layers that see only the latest positions. */
export interface SlidingWindow {
  /** Positions that a query sees, its own included. */
  readonly size: number;
  /** One flag a layer; the others see everything. */
  readonly layers: readonly boolean[];
}

/**
 * Llama family: rotary positions, RMS norm, gated feed-forward, grouped keys and values. The optional fields are what its relatives
 * (Mistral, Qwen2, Qwen3, Gemma 1 to 3) do otherwise; without any it is Llama.
 */
export interface LlamaConfig extends CommonConfig {
  readonly architecture: 'llama';
  /** G: number of key-value heads, a divisor of the heads. */
  readonly keyValueHeads: number;
  /** K */
  readonly headWidth: number;
  readonly rotaryBase: number;
  readonly rotaryScaling: RotaryScaling;
  readonly activation: 'silu' | 'gelu' | 'geluTanh';
  /** Biases of the projections to queries, keys and values. */
  readonly attentionBias: boolean;
  /** Bias of the projection behind attention; as `attentionBias` when absent. */
  readonly attentionOutputBias?: boolean;
  readonly feedForwardBias: boolean;
  readonly slidingWindow?: SlidingWindow;
  /** Base of the unscaled rotary frequencies of layers with a sliding window; `rotaryBase` and its scaling when absent. */
  readonly slidingRotaryBase?: number;
  /** RMS norm of each head's queries and keys before they are rotated. */
  readonly queryKeyNorm?: boolean;
  /** Scores are multiplied by 1/√queryScalar; the head width when absent. */
  readonly queryScalar?: number;
  /** Bounds scores: s -> cap·tanh(s/cap). */
  readonly attentionSoftCap?: number;
  /** Bounds logits in the same way. */
  readonly logitSoftCap?: number;
  /** Looked-up embeddings are multiplied by √D; a tied head is not. */
  readonly scaledEmbedding?: boolean;
  /** Gains of RMS norms are stored less one: x·(1 + w). */
  readonly gainsLessOne?: boolean;
  /** RMS norms also behind attention and behind the feed-forward part, before they are added to the stream. */
  readonly normsBehind?: boolean;
}

export type ModelConfig = Gpt2Config | LlamaConfig;

// Configuration of the architectures, in our own names; `store/` translates Hugging Face's config.json.

/** Sizes of one block in a model whose blocks differ. */
export interface LayerShape {
  /** H */
  readonly heads: number;
  /** G; H/G is the same in all blocks. */
  readonly keyValueHeads: number;
  /** F */
  readonly feedForwardWidth: number;
}

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
  /** One entry a block where blocks differ; the sizes above are then those of the largest. Read them through `layerShape`. */
  readonly layerShapes?: readonly LayerShape[];
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
  /** K where it is not width/heads, as in models whose heads or width were pruned. */
  readonly headWidth?: number;
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

/** Llama family: rotary positions, RMS norm, gated feed-forward, grouped keys and values. */
export interface LlamaConfig extends CommonConfig {
  readonly architecture: 'llama';
  /** G: number of key-value heads, a divisor of the heads. */
  readonly keyValueHeads: number;
  /** K */
  readonly headWidth: number;
  readonly rotaryBase: number;
  readonly rotaryScaling: RotaryScaling;
  readonly activation: 'silu' | 'gelu' | 'geluTanh';
  readonly attentionBias: boolean;
  readonly feedForwardBias: boolean;
}

export type ModelConfig = Gpt2Config | LlamaConfig;

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
  /** How tokens become vectors; a table [V, D] when absent. */
  readonly embedding?: SafeEmbedding;
  /** Every position decides how many of the blocks it needs; all of them when absent. */
  readonly halting?: Halting;
}

/**
 * A narrow table [V, e], one small transformer layer over it, and a feed-forward part that widens e to D. A tied head narrows D to e first.
 *
 * @see Reid, Marrese-Taylor and Matsuo, "Subformer", Findings of EMNLP 2021
 */
export interface SafeEmbedding {
  readonly kind: 'safe';
  /** e */
  readonly width: number;
  /** Of the small layer's attention. */
  readonly heads: number;
}

/**
 * Adaptive computation time: a position halts once its halting probabilities sum to 1 - epsilon, at the latest after the last block.
 *
 * @see Dehghani et al., "Universal Transformers", ICLR 2019, §2.2; Graves, "Adaptive Computation Time", 2016
 */
export interface Halting {
  readonly epsilon: number;
  /** Weight in the training loss of the mean number of steps and remainder. */
  readonly ponderCost: number;
  /** Adds sinusoids of the position and of the step before every block, as the paper does. */
  readonly signals: boolean;
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

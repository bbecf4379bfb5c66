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

/** How an encoder-decoder tells positions apart. */
export type SequencePositions =
  /** A trained table for each stack; position p is row p + `offset`. */
  | { readonly kind: 'learned'; readonly offset: number }
  /**
   * Sines in the first half of a row, cosines in the second, as in Marian: pair i turns by position / 10000^(2i/D). In the form of
   * Tensor2Tensor (`tensor2tensor`), which OpenNMT shares, the exponent is i/(D/2-1) and positions count from 1.
   */
  | { readonly kind: 'sinusoidal'; readonly form: 'marian' | 'tensor2tensor' }
  /** T5: a trained bias of the scores for each head and bucket of distances, one table a stack. */
  | { readonly kind: 'relative'; readonly buckets: number; readonly maxDistance: number };

/** Sizes of an encoder; those of the decoder are the configuration's own. */
export interface EncoderConfig {
  readonly layers: number;
  readonly heads: number;
  /** K */
  readonly headWidth: number;
  readonly feedForwardWidth: number;
}

/**
 * Encoder-decoders: BART, mBART, Pegasus and Marian (layer norm, biases), two BERTs, T5 (RMS norm, relative positions), and what lies between.
 *
 * `layers`, `heads`, `feedForwardWidth` and `vocabularySize` are the decoder's.
 */
export interface EncoderDecoderConfig extends CommonConfig {
  readonly architecture: 'encoderDecoder';
  readonly encoder: EncoderConfig;
  /** Rows of the encoder's own token embedding; absent where both stacks share one. */
  readonly sourceVocabularySize?: number;
  /** K of the decoder. */
  readonly headWidth: number;
  readonly positions: SequencePositions;
  /** `layer` with biases, or `rms` without. */
  readonly norm: 'layer' | 'rms';
  /** `before` each part inside the residual branch, or `after` the sum. */
  readonly normPlacement: 'before' | 'after';
  /** A norm over the embedded tokens. */
  readonly embeddingNorm: boolean;
  /** A norm after the last block of each stack. */
  readonly finalNorm: boolean;
  /** Biases of all linear layers inside the blocks. */
  readonly biases: boolean;
  /** A bias of the logits. */
  readonly headBias: boolean;
  /** Embedded tokens times √D. */
  readonly scaledEmbedding: boolean;
  /** Attention scores times 1/√K. */
  readonly scaledScores: boolean;
  /** Hidden states times 1/√D before the head. */
  readonly scaledHead: boolean;
  /** The activation of one projection times another one. */
  readonly gated: boolean;
  readonly activation: 'geluTanh' | 'gelu' | 'relu' | 'silu';
  /** BERT: rows of a table a stack whose first row is added to every embedded token; absent without such tables. */
  readonly tokenTypes?: number;
  /** BERT: a square layer, an activation and a norm before the head; absent means none. */
  readonly headTransform?: boolean;
  /** The decoder reads it in front of the target. */
  readonly startToken: number;
  /** Fills batches; it never counts. */
  readonly padToken: number;
}

export type ModelConfig = Gpt2Config | LlamaConfig | EncoderDecoderConfig;

export function isEncoderDecoder(config: ModelConfig): config is EncoderDecoderConfig {
  return config.architecture === 'encoderDecoder';
}

// Configuration of the architectures, in our own names; `store/` translates Hugging Face's config.json.

/** What a model answers with. */
export type ModelTask =
  /** The next token. */
  | { readonly kind: 'causal' }
  /** The tokens that were hidden from it. */
  | { readonly kind: 'masked' }
  /** One of the labels for the whole text. */
  | { readonly kind: 'classify'; readonly labels: readonly string[] }
  /**
   * A vector for the whole text: the mean of its tokens' or that of the first token, at length 1 if `normalize`. Longer texts than
   * `maxTokens` are cut to it, special tokens included; the model's positions when absent.
   */
  | { readonly kind: 'embed'; readonly pooling: 'mean' | 'first'; readonly normalize: boolean; readonly maxTokens?: number };

/** Sizes of one block in a model whose blocks differ. */
export interface LayerShape {
  /** H */
  readonly heads: number;
  /** G; H/G is the same in all blocks. */
  readonly keyValueHeads: number;
  /** F */
  readonly feedForwardWidth: number;
  /** H of a decoder's attention to the source; as `heads` when absent. */
  readonly crossHeads?: number;
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
  /** `causal` when absent. */
  readonly task?: ModelTask;
  /** How tokens become vectors; a table [V, D] when absent. */
  readonly embedding?: SafeEmbedding;
  /** Every position decides how many of the blocks it needs; all of them when absent. */
  readonly halting?: Halting;
  /** A smaller network beside the blocks, whose answer goes to the head; absent means none. */
  readonly ladder?: Ladder;
  /** Bottlenecks behind what each part of a block adds to the residual stream; absent means none. */
  readonly adapters?: Adapters;
  /** Trained rows in front of every text; absent means none. */
  readonly prompt?: SoftPrompt;
}

/**
 * A side network of the architecture's own blocks, narrower than the model's, that reads what those answer through gated ladders.
 *
 * @see Sung, Cho and Bansal, "LST: Ladder Side-Tuning for Parameter and Memory Efficient Transfer Learning", NeurIPS 2022, §3
 */
export interface Ladder {
  /** Blocks of the model that are read, ascending; the side network has one block for each. */
  readonly layers: readonly number[];
  /** d */
  readonly width: number;
  /** Of each side block, as wide as those of the model. */
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly feedForwardWidth: number;
  /** Whether a last gate mixes the model's own answer into that of the side network. */
  readonly mixesOutput: boolean;
}

/**
 * y + up(relu(down(y))) in place of what a part of a block answers, [D, width] and [width, D].
 *
 * @see Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML 2019, §2.1
 */
export interface Adapters {
  /** Of the bottleneck. */
  readonly width: number;
}

/**
 * Rows that stand in front of every text as if they were its first tokens; they take positions from it.
 *
 * @see Lester, Al-Rfou and Constant, "The Power of Scale for Parameter-Efficient Prompt Tuning", EMNLP 2021, §2
 */
export interface SoftPrompt {
  /** P */
  readonly length: number;
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

export type EncoderTask = Exclude<ModelTask, { readonly kind: 'causal' }>;

interface EncoderConfig extends CommonConfig {
  readonly activation: 'gelu' | 'geluTanh' | 'relu' | 'silu';
  /** Kinds of tokens that the embedding tells apart, for pairs of texts; 0 where it has no such table. */
  readonly tokenTypes: number;
  /** Stands behind the end of texts shorter than their batch. */
  readonly padToken: number;
  /** K where it is not width/heads, as in models whose heads were pruned. */
  readonly headWidth?: number;
  readonly task: EncoderTask;
}

/** BERT, RoBERTa and DistilBERT: encoders with learned positions and a layer norm after each part. */
export interface BertConfig extends EncoderConfig {
  readonly architecture: 'bert';
  /** They differ in where positions begin, in the activations of their heads, and in the names in checkpoints. */
  readonly family: 'bert' | 'roberta' | 'distilbert';
}

/** ALBERT: BERT with one set of layer parameters for all layers, and a token embedding of two factors. */
export interface AlbertConfig extends EncoderConfig {
  readonly architecture: 'albert';
  /** E: width of the embedding table, which a matrix [E, D] brings to the model's. */
  readonly embeddingWidth: number;
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

/** Sizes of the encoder of an encoder-decoder; those of the decoder are the configuration's own. */
export interface EncoderSizes {
  readonly layers: number;
  readonly heads: number;
  /** K */
  readonly headWidth: number;
  readonly feedForwardWidth: number;
}

/**
 * Encoder-decoders: BART, mBART, Pegasus and Marian (layer norm, biases), two BERTs, T5 (RMS norm, relative positions), and what lies between.
 *
 * `layers`, `heads`, `feedForwardWidth` and `vocabularySize` are the decoder's; `layerShapes` has the encoder's blocks first, then the decoder's.
 */
export interface EncoderDecoderConfig extends CommonConfig {
  readonly architecture: 'encoderDecoder';
  readonly encoder: EncoderSizes;
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

export type ModelConfig = Gpt2Config | LlamaConfig | BertConfig | AlbertConfig | EncoderDecoderConfig;

/** What a model answers with. */
export function taskOf(config: ModelConfig): ModelTask {
  return config.task ?? { kind: 'causal' };
}

export function isEncoderDecoder(config: ModelConfig): config is EncoderDecoderConfig {
  return config.architecture === 'encoderDecoder';
}

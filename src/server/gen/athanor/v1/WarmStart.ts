// Original file: proto/athanor/v1/recipe.proto


/**
 * An encoder-decoder whose stacks begin as trained encoders (BERT, RoBERTa, DistilBERT), to be trained on pairs afterwards. "same" on both sides is
 * BERT2BERT, with `share` BERTShare; "random" on one side is Rnd2BERT or BERT2Rnd.
 */
export interface WarmStart {
  /**
   * Where the encoder's weights come from: "same" (the model of the recipe; default), "random" (new ones of its sizes) or the name of a stored
   * model with the same tokenizer.
   */
  'encoder'?: (string);
  /**
   * The same for the decoder, its embeddings and its head.
   */
  'decoder'?: (string);
  /**
   * Both stacks are the same tensors; only the attention to the encoder is the decoder's own. Default: false.
   */
  'share'?: (boolean);
  /**
   * Encoder and decoder read one table of tokens. Default: unless two different models give one each.
   */
  'shareEmbedding'?: (boolean);
  /**
   * What the decoder's attention to the encoder starts as: "random" (default), or "self" (copied from its attention to itself).
   */
  'crossAttention'?: (string);
  /**
   * Token in front of a target. Default: what the tokenizer puts in front of a text.
   */
  'startToken'?: (number);
  /**
   * Token behind a target. Default: what the tokenizer puts behind a text.
   */
  'endToken'?: (number);
  /**
   * Seed of the new weights. Default: the recipe's.
   */
  'seed'?: (number);
  '_encoder'?: "encoder";
  '_decoder'?: "decoder";
  '_share'?: "share";
  '_shareEmbedding'?: "shareEmbedding";
  '_crossAttention'?: "crossAttention";
  '_startToken'?: "startToken";
  '_endToken'?: "endToken";
  '_seed'?: "seed";
}

/**
 * An encoder-decoder whose stacks begin as trained encoders (BERT, RoBERTa, DistilBERT), to be trained on pairs afterwards. "same" on both sides is
 * BERT2BERT, with `share` BERTShare; "random" on one side is Rnd2BERT or BERT2Rnd.
 */
export interface WarmStart__Output {
  /**
   * Where the encoder's weights come from: "same" (the model of the recipe; default), "random" (new ones of its sizes) or the name of a stored
   * model with the same tokenizer.
   */
  'encoder'?: (string);
  /**
   * The same for the decoder, its embeddings and its head.
   */
  'decoder'?: (string);
  /**
   * Both stacks are the same tensors; only the attention to the encoder is the decoder's own. Default: false.
   */
  'share'?: (boolean);
  /**
   * Encoder and decoder read one table of tokens. Default: unless two different models give one each.
   */
  'shareEmbedding'?: (boolean);
  /**
   * What the decoder's attention to the encoder starts as: "random" (default), or "self" (copied from its attention to itself).
   */
  'crossAttention'?: (string);
  /**
   * Token in front of a target. Default: what the tokenizer puts in front of a text.
   */
  'startToken'?: (number);
  /**
   * Token behind a target. Default: what the tokenizer puts behind a text.
   */
  'endToken'?: (number);
  /**
   * Seed of the new weights. Default: the recipe's.
   */
  'seed'?: (number);
  '_encoder'?: "encoder";
  '_decoder'?: "decoder";
  '_share'?: "share";
  '_shareEmbedding'?: "shareEmbedding";
  '_crossAttention'?: "crossAttention";
  '_startToken'?: "startToken";
  '_endToken'?: "endToken";
  '_seed'?: "seed";
}

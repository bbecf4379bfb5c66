// Original file: proto/athanor/v1/job.proto


/**
 * How to measure. Fields that are absent take the default in the comment.
 */
export interface EvaluateSettings {
  /**
   * Tokens of a window. Default 256, at most the model's positions.
   */
  'window'?: (number);
  /**
   * Tokens between the starts of two windows; each token is scored once. Default: the window.
   */
  'stride'?: (number);
  /**
   * Windows run together. Default: as many as make about 2048 tokens. Of labelled texts: texts run together, default 32.
   */
  'batchSize'?: (number);
  /**
   * Measure prefill and decode latency too. Default true; only of models that continue text.
   */
  'latency'?: (boolean);
  /**
   * Batch sizes of the latencies. Default 1 and 8.
   */
  'latencyBatchSizes'?: (number)[];
  /**
   * Rows that are read of labelled texts or pairs, or lines with hidden tokens. Default: all.
   */
  'maxRows'?: (number);
  /**
   * Beams of the search for the targets of pairs. Default 1: the likeliest token each time.
   */
  'beams'?: (number);
  /**
   * Tokens of a generated target at most. Default 128, at most the model's positions.
   */
  'maxNewTokens'?: (number);
  /**
   * Share of a line's tokens that are hidden at a time from a model of hidden tokens: 0 <= share < 1. Default 0.15; 0 hides every token once, by
   * itself, which gives the pseudo-perplexity of the literature and takes a pass for each token.
   */
  'hiddenShare'?: (number | string);
  /**
   * Seed of the choice of hidden tokens. Default 0.
   */
  'hiddenSeed'?: (number);
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
  '_maxRows'?: "maxRows";
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
  '_hiddenShare'?: "hiddenShare";
  '_hiddenSeed'?: "hiddenSeed";
}

/**
 * How to measure. Fields that are absent take the default in the comment.
 */
export interface EvaluateSettings__Output {
  /**
   * Tokens of a window. Default 256, at most the model's positions.
   */
  'window'?: (number);
  /**
   * Tokens between the starts of two windows; each token is scored once. Default: the window.
   */
  'stride'?: (number);
  /**
   * Windows run together. Default: as many as make about 2048 tokens. Of labelled texts: texts run together, default 32.
   */
  'batchSize'?: (number);
  /**
   * Measure prefill and decode latency too. Default true; only of models that continue text.
   */
  'latency'?: (boolean);
  /**
   * Batch sizes of the latencies. Default 1 and 8.
   */
  'latencyBatchSizes': (number)[];
  /**
   * Rows that are read of labelled texts or pairs, or lines with hidden tokens. Default: all.
   */
  'maxRows'?: (number);
  /**
   * Beams of the search for the targets of pairs. Default 1: the likeliest token each time.
   */
  'beams'?: (number);
  /**
   * Tokens of a generated target at most. Default 128, at most the model's positions.
   */
  'maxNewTokens'?: (number);
  /**
   * Share of a line's tokens that are hidden at a time from a model of hidden tokens: 0 <= share < 1. Default 0.15; 0 hides every token once, by
   * itself, which gives the pseudo-perplexity of the literature and takes a pass for each token.
   */
  'hiddenShare'?: (number);
  /**
   * Seed of the choice of hidden tokens. Default 0.
   */
  'hiddenSeed'?: (number);
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
  '_maxRows'?: "maxRows";
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
  '_hiddenShare'?: "hiddenShare";
  '_hiddenSeed'?: "hiddenSeed";
}

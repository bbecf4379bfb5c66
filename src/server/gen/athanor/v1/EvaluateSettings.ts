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
   * Rows that are read of labelled texts or pairs. Default: all.
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
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
  '_maxRows'?: "maxRows";
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
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
   * Rows that are read of labelled texts or pairs. Default: all.
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
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
  '_maxRows'?: "maxRows";
  '_beams'?: "beams";
  '_maxNewTokens'?: "maxNewTokens";
}

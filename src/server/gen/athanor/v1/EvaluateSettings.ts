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
   * Windows run together. Default: as many as make about 2048 tokens.
   */
  'batchSize'?: (number);
  /**
   * Measure prefill and decode latency too. Default true.
   */
  'latency'?: (boolean);
  /**
   * Batch sizes of the latencies. Default 1 and 8.
   */
  'latencyBatchSizes'?: (number)[];
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
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
   * Windows run together. Default: as many as make about 2048 tokens.
   */
  'batchSize'?: (number);
  /**
   * Measure prefill and decode latency too. Default true.
   */
  'latency'?: (boolean);
  /**
   * Batch sizes of the latencies. Default 1 and 8.
   */
  'latencyBatchSizes': (number)[];
  '_window'?: "window";
  '_stride'?: "stride";
  '_batchSize'?: "batchSize";
  '_latency'?: "latency";
}

// Original file: proto/athanor/v1/recipe.proto

import type { Long } from '@grpc/proto-loader';

/**
 * At least one; all that are given must hold. With `max_loss` the smallest model is looked for, else the best one.
 */
export interface SearchTarget {
  /**
   * Stored bytes of the whole model, at most.
   */
  'storedBytes'?: (number | string | Long);
  /**
   * The same as a share of the bytes before: 0 < ratio < 1.
   */
  'ratio'?: (number | string);
  /**
   * Milliseconds of a decoding step of one sequence, at most; of models that continue text.
   */
  'latencyMs'?: (number | string);
  /**
   * Largest worsening of the metric: a share of the value before, of accuracy in points of 1.
   */
  'maxLoss'?: (number | string);
  '_storedBytes'?: "storedBytes";
  '_ratio'?: "ratio";
  '_latencyMs'?: "latencyMs";
  '_maxLoss'?: "maxLoss";
}

/**
 * At least one; all that are given must hold. With `max_loss` the smallest model is looked for, else the best one.
 */
export interface SearchTarget__Output {
  /**
   * Stored bytes of the whole model, at most.
   */
  'storedBytes'?: (number);
  /**
   * The same as a share of the bytes before: 0 < ratio < 1.
   */
  'ratio'?: (number);
  /**
   * Milliseconds of a decoding step of one sequence, at most; of models that continue text.
   */
  'latencyMs'?: (number);
  /**
   * Largest worsening of the metric: a share of the value before, of accuracy in points of 1.
   */
  'maxLoss'?: (number);
  '_storedBytes'?: "storedBytes";
  '_ratio'?: "ratio";
  '_latencyMs'?: "latencyMs";
  '_maxLoss'?: "maxLoss";
}

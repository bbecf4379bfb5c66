// Original file: proto/inference/grpc_service.proto

import type { StatisticDuration as _inference_StatisticDuration, StatisticDuration__Output as _inference_StatisticDuration__Output } from '../inference/StatisticDuration.ts';

/**
 * Of whole requests.
 */
export interface InferStatistics {
  /**
   * Answered.
   */
  'success'?: (_inference_StatisticDuration | null);
  /**
   * Failed.
   */
  'fail'?: (_inference_StatisticDuration | null);
  /**
   * Waited for a place.
   */
  'queue'?: (_inference_StatisticDuration | null);
  /**
   * Inputs read.
   */
  'computeInput'?: (_inference_StatisticDuration | null);
  /**
   * Model run.
   */
  'computeInfer'?: (_inference_StatisticDuration | null);
  /**
   * Outputs written.
   */
  'computeOutput'?: (_inference_StatisticDuration | null);
  /**
   * Answered from a cache.
   */
  'cacheHit'?: (_inference_StatisticDuration | null);
  /**
   * Not found in a cache.
   */
  'cacheMiss'?: (_inference_StatisticDuration | null);
}

/**
 * Of whole requests.
 */
export interface InferStatistics__Output {
  /**
   * Answered.
   */
  'success': (_inference_StatisticDuration__Output | null);
  /**
   * Failed.
   */
  'fail': (_inference_StatisticDuration__Output | null);
  /**
   * Waited for a place.
   */
  'queue': (_inference_StatisticDuration__Output | null);
  /**
   * Inputs read.
   */
  'computeInput': (_inference_StatisticDuration__Output | null);
  /**
   * Model run.
   */
  'computeInfer': (_inference_StatisticDuration__Output | null);
  /**
   * Outputs written.
   */
  'computeOutput': (_inference_StatisticDuration__Output | null);
  /**
   * Answered from a cache.
   */
  'cacheHit': (_inference_StatisticDuration__Output | null);
  /**
   * Not found in a cache.
   */
  'cacheMiss': (_inference_StatisticDuration__Output | null);
}

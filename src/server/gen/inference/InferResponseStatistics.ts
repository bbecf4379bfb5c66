// Original file: proto/inference/grpc_service.proto

import type { StatisticDuration as _inference_StatisticDuration, StatisticDuration__Output as _inference_StatisticDuration__Output } from '../inference/StatisticDuration.ts';

/**
 * Of the answers that share a place in their streams.
 */
export interface InferResponseStatistics {
  /**
   * Model run.
   */
  'computeInfer'?: (_inference_StatisticDuration | null);
  /**
   * Outputs written.
   */
  'computeOutput'?: (_inference_StatisticDuration | null);
  /**
   * Sent.
   */
  'success'?: (_inference_StatisticDuration | null);
  /**
   * Failed.
   */
  'fail'?: (_inference_StatisticDuration | null);
  /**
   * Sent without outputs.
   */
  'emptyResponse'?: (_inference_StatisticDuration | null);
  /**
   * Not sent because the client had left.
   */
  'cancel'?: (_inference_StatisticDuration | null);
}

/**
 * Of the answers that share a place in their streams.
 */
export interface InferResponseStatistics__Output {
  /**
   * Model run.
   */
  'computeInfer': (_inference_StatisticDuration__Output | null);
  /**
   * Outputs written.
   */
  'computeOutput': (_inference_StatisticDuration__Output | null);
  /**
   * Sent.
   */
  'success': (_inference_StatisticDuration__Output | null);
  /**
   * Failed.
   */
  'fail': (_inference_StatisticDuration__Output | null);
  /**
   * Sent without outputs.
   */
  'emptyResponse': (_inference_StatisticDuration__Output | null);
  /**
   * Not sent because the client had left.
   */
  'cancel': (_inference_StatisticDuration__Output | null);
}

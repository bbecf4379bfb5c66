// Original file: proto/inference/grpc_service.proto

import type { StatisticDuration as _inference_StatisticDuration, StatisticDuration__Output as _inference_StatisticDuration__Output } from '../inference/StatisticDuration.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Of the runs that share a batch size.
 */
export interface InferBatchStatistics {
  /**
   * Rows that ran together.
   */
  'batchSize'?: (number | string | Long);
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
}

/**
 * Of the runs that share a batch size.
 */
export interface InferBatchStatistics__Output {
  /**
   * Rows that ran together.
   */
  'batchSize': (number);
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
}

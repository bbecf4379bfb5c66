// Original file: proto/inference/grpc_service.proto

import type { InferStatistics as _inference_InferStatistics, InferStatistics__Output as _inference_InferStatistics__Output } from '../inference/InferStatistics.ts';
import type { InferBatchStatistics as _inference_InferBatchStatistics, InferBatchStatistics__Output as _inference_InferBatchStatistics__Output } from '../inference/InferBatchStatistics.ts';
import type { MemoryUsage as _inference_MemoryUsage, MemoryUsage__Output as _inference_MemoryUsage__Output } from '../inference/MemoryUsage.ts';
import type { InferResponseStatistics as _inference_InferResponseStatistics, InferResponseStatistics__Output as _inference_InferResponseStatistics__Output } from '../inference/InferResponseStatistics.ts';
import type { Long } from '@grpc/proto-loader';

export interface ModelStatistics {
  /**
   * Name of the model.
   */
  'name'?: (string);
  /**
   * Number of the version.
   */
  'version'?: (string);
  /**
   * When the last request came, milliseconds since 1970.
   */
  'lastInference'?: (number | string | Long);
  /**
   * Rows that were answered.
   */
  'inferenceCount'?: (number | string | Long);
  /**
   * Runs of the model; a run answers one or more rows.
   */
  'executionCount'?: (number | string | Long);
  /**
   * Of whole requests.
   */
  'inferenceStats'?: (_inference_InferStatistics | null);
  /**
   * By batch size.
   */
  'batchStats'?: (_inference_InferBatchStatistics)[];
  /**
   * Memory that it holds.
   */
  'memoryUsage'?: (_inference_MemoryUsage)[];
  /**
   * By the place of an answer in its stream, "0" first; of models that answer piece by piece.
   */
  'responseStats'?: ({[key: string]: _inference_InferResponseStatistics});
}

export interface ModelStatistics__Output {
  /**
   * Name of the model.
   */
  'name': (string);
  /**
   * Number of the version.
   */
  'version': (string);
  /**
   * When the last request came, milliseconds since 1970.
   */
  'lastInference': (number);
  /**
   * Rows that were answered.
   */
  'inferenceCount': (number);
  /**
   * Runs of the model; a run answers one or more rows.
   */
  'executionCount': (number);
  /**
   * Of whole requests.
   */
  'inferenceStats': (_inference_InferStatistics__Output | null);
  /**
   * By batch size.
   */
  'batchStats': (_inference_InferBatchStatistics__Output)[];
  /**
   * Memory that it holds.
   */
  'memoryUsage': (_inference_MemoryUsage__Output)[];
  /**
   * By the place of an answer in its stream, "0" first; of models that answer piece by piece.
   */
  'responseStats': ({[key: string]: _inference_InferResponseStatistics__Output});
}

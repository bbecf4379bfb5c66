// Original file: proto/inference/grpc_service.proto

import type { ModelStatistics as _inference_ModelStatistics, ModelStatistics__Output as _inference_ModelStatistics__Output } from '../inference/ModelStatistics.ts';

export interface ModelStatisticsResponse {
  /**
   * One for each version of a model.
   */
  'modelStats'?: (_inference_ModelStatistics)[];
}

export interface ModelStatisticsResponse__Output {
  /**
   * One for each version of a model.
   */
  'modelStats': (_inference_ModelStatistics__Output)[];
}

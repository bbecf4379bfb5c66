// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * Result of a training.
 */
export interface DistillResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
  /**
   * Optimizer steps done, those before a resume included.
   */
  'steps'?: (number | string | Long);
  /**
   * Training loss of the last step.
   */
  'finalLoss'?: (number | string);
  /**
   * Measures of the last validation, for example bitsPerByte; empty without validation text.
   */
  'validation'?: ({[key: string]: number | string});
}

/**
 * Result of a training.
 */
export interface DistillResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
  /**
   * Optimizer steps done, those before a resume included.
   */
  'steps': (number);
  /**
   * Training loss of the last step.
   */
  'finalLoss': (number);
  /**
   * Measures of the last validation, for example bitsPerByte; empty without validation text.
   */
  'validation': ({[key: string]: number});
}

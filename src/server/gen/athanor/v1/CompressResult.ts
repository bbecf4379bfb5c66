// Original file: proto/athanor/v1/job.proto

import type { ModelInfo as _athanor_v1_ModelInfo, ModelInfo__Output as _athanor_v1_ModelInfo__Output } from '../../athanor/v1/ModelInfo.ts';
import type { ParameterChange as _athanor_v1_ParameterChange, ParameterChange__Output as _athanor_v1_ParameterChange__Output } from '../../athanor/v1/ParameterChange.ts';

/**
 * Result of a compression.
 */
export interface CompressResult {
  /**
   * The stored model.
   */
  'model'?: (_athanor_v1_ModelInfo | null);
  /**
   * Every parameter that was changed.
   */
  'changes'?: (_athanor_v1_ParameterChange)[];
}

/**
 * Result of a compression.
 */
export interface CompressResult__Output {
  /**
   * The stored model.
   */
  'model': (_athanor_v1_ModelInfo__Output | null);
  /**
   * Every parameter that was changed.
   */
  'changes': (_athanor_v1_ParameterChange__Output)[];
}
